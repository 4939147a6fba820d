//! What the next commit of ours goes on from, and which commits it may take to the remote with it.
//!
//! Commits that the user or the assistant made are not ours: whatever they took in would be pushed with them, and what
//! was taken out again later is still in them. So each commit that the remote does not know is looked through, and where
//! one has something that does not leave this machine, none of them goes: their files go after what we pushed last.
//!
//! Invariant: no commit that is not ours is a parent of one that is pushed, and no file of one is in a tree that is,
//! unless it was looked at. Start at [`Workspace::ground`].

use super::Workspace;
use super::error::{Person, WorkspaceError};
use super::git::Call;
use super::judge::{LeftOut, Why, fit, holds_secret, reason, shown};
use super::remote::fetch;
use super::repo::{LAST, REMOTE, Repo};
use super::snapshot::{base, begin};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most commits, and most bytes of their files, that are looked through.
const MAX_COMMITS: usize = 5_000;
const MAX_BYTES: u64 = 128 << 20;
/// Files that are read at once, in bytes: git's answer is bounded.
const AT_ONCE: u64 = 16 << 20;

/// Commits that stay on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBack {
    /// The newest of them.
    pub commit: String,
    /// What is in one of them; [`Why::TooMuch`]: they were not looked through.
    pub what: LeftOut,
}

/// What the next commit goes on from.
pub(super) struct Ground {
    /// The index from which a snapshot is taken.
    pub(super) index: PathBuf,
    pub(super) parents: Vec<String>,
    pub(super) kept_back: Option<KeptBack>,
}

/// One thing that a commit brings.
struct Brought {
    id: String,
    kind: Kind,
    size: u64,
    /// As git writes it; of a commit, none.
    path: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Commit,
    File,
}

impl Workspace {
    /// Of the present HEAD, and of what was pushed last.
    pub(super) fn ground(&self, repo: &Repo) -> Result<Ground, WorkspaceError> {
        let (head, last) = (repo.commit_of("HEAD")?, repo.commit_of(LAST)?);
        if let Some(head) = &head
            && let Some(kept_back) = self.kept_back(repo, head, last.as_deref())?
        {
            let index = begin(repo, Some(&both(repo, head, last.as_deref())?))?;
            put_back(repo, &index, last.as_deref(), self.limits.file)?;
            return Ok(Ground { index, parents: last.into_iter().collect(), kept_back: Some(kept_back) });
        }
        let base = base(repo, head.as_deref(), last.as_deref())?;
        let parents = last.into_iter().chain(head).collect();
        Ok(Ground { index: begin(repo, base.as_deref())?, parents, kept_back: None })
    }

    fn kept_back(&self, repo: &Repo, head: &str, last: Option<&str>) -> Result<Option<KeptBack>, WorkspaceError> {
        let look = || -> Result<Option<LeftOut>, WorkspaceError> {
            let known: Vec<String> = last.map(str::to_owned).into_iter().chain(repo.commit_of(REMOTE)?).collect();
            look_through(repo, head, &known, self.limits.file)
        };
        if look()?.is_none() {
            return Ok(None);
        }
        // The remote may have them all the same: by a person, or since before we came. One that does not answer has its
        // say when it is pushed to.
        drop(fetch(repo, &self.remote, &self.branch, self.limits.fetch));
        Ok(look()?.map(|what| KeptBack { commit: head.to_owned(), what }))
    }
}

fn look_through(repo: &Repo, head: &str, known: &[String], most: u64) -> Result<Option<LeftOut>, WorkspaceError> {
    let too_much = || Some(LeftOut { path: String::new(), why: Why::TooMuch });
    let range = || [head, "--not"].into_iter().chain(known.iter().map(String::as_str));
    let count = repo.git.must(Call::new(["rev-list", "--count"].into_iter().chain(range())))?.line();
    match count.and_then(|count| count.parse().ok()) {
        Some(0) => return Ok(None),
        Some(1..=MAX_COMMITS) => {}
        Some(_) | None => return Ok(too_much()),
    }
    let brought = match all_of(repo, range()) {
        Ok(brought) => brought,
        Err(error) if error.passes() => return Err(error),
        Err(_) => return Ok(too_much()),
    };
    if let Some((one, why)) = brought.iter().find_map(|one| Some((one, by_name_or_size(one, most)?))) {
        return Ok(Some(LeftOut { path: one.shown(), why }));
    }
    if brought.iter().map(|one| one.size).sum::<u64>() > MAX_BYTES {
        return Ok(too_much());
    }
    let mut rest = brought.as_slice();
    while !rest.is_empty() {
        repo.git.in_time()?;
        let mut size = 0;
        let full = |one: &Brought| {
            size += one.size;
            size > AT_ONCE
        };
        let (now, later) = rest.split_at(rest.iter().position(full).unwrap_or(rest.len()).max(1));
        if let Some(one) = secret_in(repo, now)? {
            return Ok(Some(LeftOut { path: one.shown(), why: Why::HoldsSecret }));
        }
        rest = later;
    }
    Ok(None)
}

impl Brought {
    fn shown(&self) -> String {
        match self.kind {
            Kind::File => shown(&self.path),
            Kind::Commit => format!("the message of {}", self.id.get(..8).unwrap_or(&self.id)),
        }
    }
}

fn by_name_or_size(one: &Brought, most: u64) -> Option<Why> {
    match one.kind {
        Kind::File => fit(&one.path, one.size, most),
        Kind::Commit => None,
    }
}

/// Commits and files; folders and links to other repositories bring no bytes of their own.
fn all_of<'a>(repo: &Repo, range: impl Iterator<Item = &'a str>) -> Result<Vec<Brought>, WorkspaceError> {
    let list = repo.git.must(Call::new(["rev-list", "--objects"].into_iter().chain(range)))?;
    let ask = Call::new(["cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize) %(rest)"]);
    let said = repo.git.must(ask.input(list.out))?;
    Ok(said.out.split(|byte| *byte == b'\n').filter_map(one_of).collect())
}

fn one_of(line: &[u8]) -> Option<Brought> {
    let mut words = line.splitn(4, |byte| *byte == b' ');
    let mut text = || std::str::from_utf8(words.next()?).ok();
    let (id, kind, size) = (text()?.to_owned(), text()?, text()?.parse().ok()?);
    let kind = match kind {
        "commit" => Kind::Commit,
        "blob" => Kind::File,
        _ => return None,
    };
    Some(Brought { id, kind, size, path: words.next().unwrap_or_default().to_vec() })
}

/// The first of these in which a credential stands.
fn secret_in<'a>(repo: &Repo, these: &'a [Brought]) -> Result<Option<&'a Brought>, WorkspaceError> {
    let input = these.iter().flat_map(|one| [one.id.as_str(), "\n"]).collect::<String>().into_bytes();
    let said = repo.git.must(Call::new(["cat-file", "--batch"]).input(input))?;
    let mut rest = said.out.as_slice();
    for one in these {
        let Some((content, after)) = cut(rest, &one.id, one.size) else {
            let detail = format!("git does not show the object {}", one.id);
            return Err(Person::BadRepository { detail }.into());
        };
        let text = match one.kind {
            Kind::File => content,
            // Who wrote it, and a signature, stand before.
            Kind::Commit => after_headers(content),
        };
        if holds_secret(text) {
            return Ok(Some(one));
        }
        rest = after;
    }
    Ok(None)
}

/// One answer of `cat-file --batch`: a line that begins with the object, its bytes, a line's end.
fn cut<'a>(said: &'a [u8], id: &str, size: u64) -> Option<(&'a [u8], &'a [u8])> {
    let begin = said.iter().position(|byte| *byte == b'\n')? + 1;
    let end = begin.checked_add(usize::try_from(size).ok()?)?;
    said.starts_with(id.as_bytes()).then_some(())?;
    Some((said.get(begin..end)?, said.get(end + 1..).unwrap_or_default()))
}

fn after_headers(commit: &[u8]) -> &[u8] {
    let at = commit.windows(2).position(|two| two == b"\n\n");
    at.and_then(|at| commit.get(at + 2..)).unwrap_or(commit)
}

/// The tree that HEAD's files and what we pushed last come to; where they do not merge, HEAD's.
fn both(repo: &Repo, head: &str, last: Option<&str>) -> Result<String, WorkspaceError> {
    if let Some(last) = last {
        // Git 2.38 and later; an older one does not know it.
        let merge = ["merge-tree", "--write-tree", "--allow-unrelated-histories", last, head];
        let said = repo.git.run(Call::new(merge))?;
        if let Some(tree) = said.line().filter(|_| said.code == 0) {
            return Ok(tree);
        }
    }
    repo.tree_of(Some(head))
}

/// Files of the index that must not leave are in it as they were in `last`, or not at all: on the disk they stay, and are
/// found as such.
fn put_back(repo: &Repo, index: &Path, last: Option<&str>, most: u64) -> Result<(), WorkspaceError> {
    let last = repo.tree_of(last)?;
    let differ = ["diff-index", "--cached", "-r", "-z", "--name-only", "--no-renames", &last];
    let differ = repo.git.must(Call::new(differ).index(index))?;
    let mut refused = BTreeSet::new();
    for path in differ.parts() {
        repo.git.in_time()?;
        if reason(repo.git.folder(), path, most).is_some() {
            refused.insert(path);
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let ended = |paths: &mut dyn Iterator<Item = &[u8]>| -> Vec<u8> {
        paths.flat_map(|path| path.iter().copied().chain([0])).collect()
    };
    let remove = Call::new(["update-index", "-z", "--force-remove", "--stdin"]);
    repo.git.must(remove.index(index).input(ended(&mut refused.iter().copied())))?;
    let before = repo.git.must(Call::new(["ls-tree", "-r", "-z", "--full-tree", &last]))?;
    let of = |entry: &&[u8]| entry.splitn(2, |byte| *byte == b'\t').nth(1).is_some_and(|path| refused.contains(path));
    let add = Call::new(["update-index", "-z", "--add", "--index-info"]);
    repo.git.must(add.index(index).input(ended(&mut before.parts().filter(of)))).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn gits_answers_are_cut_by_their_sizes() {
        let (content, rest) = cut(b"abc blob 3\nx\ny\ndef blob 0\n\n", "abc", 3).unwrap();
        assert_eq!((content, rest), (b"x\ny".as_slice(), b"def blob 0\n\n".as_slice()));
        assert_eq!(cut(rest, "def", 0).unwrap(), (b"".as_slice(), b"".as_slice()));
        assert_eq!(cut(b"abc blob 9\nshort\n", "abc", 9), None);
        assert_eq!(cut(b"abc missing\ndef blob 1\nx\n", "def", 1), None);
        assert_eq!(after_headers(b"author x\n\nwhat\n\nit is"), b"what\n\nit is");
        let one = one_of("ab blob 7 a folder/名字.md".as_bytes()).unwrap();
        assert_eq!((one.id.as_str(), one.size, one.shown()), ("ab", 7, "a folder/名字.md".to_owned()));
        assert!(one_of(b"ab tree 7 a").is_none() && one_of(b"ab missing").is_none());
    }
}
