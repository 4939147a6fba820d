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
use super::judge::{LeftOut, Why, by_content, fit, holds_secret, shown};
use super::remote::fetch;
use super::repo::{LAST, REMOTE, Repo};
use super::snapshot::{base, begin};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

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
#[derive(Clone, Debug, PartialEq, Eq)]
struct Brought {
    id: String,
    kind: Kind,
    size: u64,
    /// As git writes it; of a commit, none.
    path: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
            let known = newest_known(repo, head, last)?;
            let index = index_of(repo, Some(head), known.as_deref())?;
            put_back(repo, &index, known.as_deref(), self.limits.file)?;
            return Ok(Ground { index, parents: known.into_iter().collect(), kept_back: Some(kept_back) });
        }
        let index = index_of(repo, head.as_deref(), last.as_deref())?;
        Ok(Ground { index, parents: last.into_iter().chain(head).collect(), kept_back: None })
    }

    fn kept_back(&self, repo: &Repo, head: &str, last: Option<&str>) -> Result<Option<KeptBack>, WorkspaceError> {
        let share = self.limits.time / 4;
        let look = |remote: Option<String>| {
            let known: Vec<String> = last.map(str::to_owned).into_iter().chain(remote).collect();
            look_through(repo, head, &known, self.limits.file, Instant::now() + share)
        };
        let before = repo.commit_of(REMOTE)?;
        let Some(mut what) = look(before.clone())? else { return Ok(None) };
        // The remote may have them all the same: by a person, or since before we came. One that does not answer has its
        // say when it is pushed to.
        drop(fetch(repo, &self.remote, &self.branch, self.limits.fetch, Some(share)));
        let now = repo.commit_of(REMOTE)?;
        if now != before {
            let Some(still) = look(now)? else { return Ok(None) };
            what = still;
        }
        Ok(Some(KeptBack { commit: head.to_owned(), what }))
    }
}

/// What of HEAD's history the remote has, where that is newer than what we pushed.
fn newest_known(repo: &Repo, head: &str, last: Option<String>) -> Result<Option<String>, WorkspaceError> {
    let shared = match repo.commit_of(REMOTE)? {
        Some(remote) => repo.git.ask(["merge-base", head, &remote])?,
        None => None,
    };
    Ok(match (last, shared) {
        (Some(last), Some(shared)) if !repo.is_ancestor(&last, &shared)? => Some(last),
        (last, shared) => shared.or(last),
    })
}

/// What in one of these commits must not leave. `until`: what was not looked through by then was not looked through.
fn look_through(
    repo: &Repo,
    head: &str,
    known: &[String],
    most: u64,
    until: Instant,
) -> Result<Option<LeftOut>, WorkspaceError> {
    let too_much = || Some(LeftOut { path: String::new(), why: Why::TooMuch });
    let range = || [head, "--not"].into_iter().chain(known.iter().map(String::as_str));
    let count = repo.git.must(Call::new(["rev-list", "--count"].into_iter().chain(range())))?.line();
    match count.and_then(|count| count.parse().ok()) {
        Some(0) => return Ok(None),
        Some(1..=MAX_COMMITS) => {}
        Some(_) | None => return Ok(too_much()),
    }
    match all_of(repo, range(), until).and_then(|brought| refused_in(repo, &brought, most, until)) {
        Ok(Looked::Through(refused)) => Ok(refused.first().map(|(one, why)| LeftOut { path: one.shown(), why: *why })),
        Ok(Looked::TooMuch) => Ok(too_much()),
        Err(error) if error.passes() && Instant::now() < until => Err(error),
        // It took too long, or git has no words for it that fit: it is not known what is in them.
        Err(_) => Ok(too_much()),
    }
}

/// What came of a look.
enum Looked {
    /// What must not leave, and why.
    Through(Vec<(Brought, Why)>),
    TooMuch,
}

/// Those of these that must not leave.
fn refused_in(repo: &Repo, brought: &[Brought], most: u64, until: Instant) -> Result<Looked, WorkspaceError> {
    let mut refused = Vec::new();
    let mut rest = Vec::new();
    for one in brought {
        match one.by_name_or_size(most) {
            Some(why) => refused.push((one.clone(), why)),
            None => rest.push(one),
        }
    }
    if rest.iter().map(|one| one.size).sum::<u64>() > MAX_BYTES {
        return Ok(Looked::TooMuch);
    }
    let mut rest = rest.as_slice();
    while !rest.is_empty() {
        repo.git.in_time()?;
        if Instant::now() >= until {
            return Ok(Looked::TooMuch);
        }
        let mut size = 0;
        let full = |one: &&Brought| {
            size += one.size;
            size > AT_ONCE
        };
        let (now, later) = rest.split_at(rest.iter().position(full).unwrap_or(rest.len()).max(1));
        refused.extend(by_bytes(repo, now, until)?);
        rest = later;
    }
    Ok(Looked::Through(refused))
}

impl Brought {
    fn shown(&self) -> String {
        match self.kind {
            Kind::File => shown(&self.path),
            Kind::Commit => format!("the message of {}", self.id.get(..8).unwrap_or(&self.id)),
        }
    }

    fn by_name_or_size(&self, most: u64) -> Option<Why> {
        match self.kind {
            Kind::File => fit(&self.path, self.size, most),
            Kind::Commit => None,
        }
    }
}

/// Commits and files; folders and links to other repositories bring no bytes of their own.
fn all_of<'a>(
    repo: &Repo,
    range: impl Iterator<Item = &'a str>,
    until: Instant,
) -> Result<Vec<Brought>, WorkspaceError> {
    let list = repo.git.must(Call::new(["rev-list", "--objects"].into_iter().chain(range)).until(until))?;
    sized(repo, list.out, until)
}

/// Lines of an object and its path, with its kind and size.
fn sized(repo: &Repo, list: Vec<u8>, until: Instant) -> Result<Vec<Brought>, WorkspaceError> {
    let ask = Call::new(["cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize) %(rest)"]);
    let said = repo.git.must(ask.input(list).until(until))?;
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

/// As `cat-file` reads them.
fn a_line_each<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<u8> {
    ids.flat_map(|id| [id, "\n"]).collect::<String>().into_bytes()
}

/// Those of these that must not leave because of what stands in them.
fn by_bytes(repo: &Repo, these: &[&Brought], until: Instant) -> Result<Vec<(Brought, Why)>, WorkspaceError> {
    let ask = Call::new(["cat-file", "--batch"]).input(a_line_each(these.iter().map(|one| one.id.as_str())));
    let said = repo.git.must(ask.until(until))?;
    let (mut rest, mut found) = (said.out.as_slice(), Vec::new());
    for one in these {
        let Some((content, after)) = cut(rest, &one.id, one.size) else {
            let detail = format!("git does not show the object {}", one.id);
            return Err(Person::BadRepository { detail }.into());
        };
        let why = match one.kind {
            Kind::File => by_content(content),
            // Who wrote it, and a signature, stand before.
            Kind::Commit => holds_secret(after_headers(content)).then_some(Why::HoldsSecret),
        };
        found.extend(why.map(|why| ((*one).clone(), why)));
        rest = after;
    }
    Ok(found)
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

/// An index of what the workspace is known to come from: of HEAD or `known`, whichever is newer, else of both.
fn index_of(repo: &Repo, head: Option<&str>, known: Option<&str>) -> Result<PathBuf, WorkspaceError> {
    if let (Some(head), Some(known)) = (head, known)
        && !repo.is_ancestor(head, known)?
        && !repo.is_ancestor(known, head)?
    {
        return both(repo, head, known);
    }
    begin(repo, base(repo, head, known)?.as_deref())
}

/// Where both have changed the same file it is as it is known, or, where HEAD has it no more, not there: then the one on
/// the disk counts, or none.
fn both(repo: &Repo, head: &str, known: &str) -> Result<PathBuf, WorkspaceError> {
    // Git 2.38 and later; an older one does not know it.
    let merge = ["merge-tree", "--write-tree", "--allow-unrelated-histories", "--name-only", "-z", known, head];
    let said = repo.git.run(Call::new(merge))?;
    let mut parts = said.out.split(|byte| *byte == 0);
    let tree = parts.next().and_then(|tree| std::str::from_utf8(tree).ok());
    let Some(tree) = tree.filter(|_| matches!(said.code, 0 | 1)) else { return begin(repo, Some(head)) };
    let index = begin(repo, Some(tree))?;
    let conflicted: BTreeSet<Vec<u8>> = parts.take_while(|path| !path.is_empty()).map(<[u8]>::to_vec).collect();
    if said.code == 1 && !conflicted.is_empty() {
        let in_head = repo.git.must(Call::new(["ls-tree", "-r", "-z", "--full-tree", "--name-only", head]))?;
        let in_head: BTreeSet<&[u8]> = in_head.parts().collect();
        let (stay, go) = conflicted.into_iter().partition(|path| in_head.contains(path.as_slice()));
        set_as(repo, &index, &repo.tree_of(Some(known))?, &stay)?;
        set_as(repo, &index, &repo.tree_of(None)?, &go)?;
    }
    Ok(index)
}

/// Files of the index that must not leave are in it as they are in `known`, or not at all. It is they that are looked at,
/// not those on the disk: one that is left out there stays in the snapshot as it is here.
fn put_back(repo: &Repo, index: &Path, known: Option<&str>, most: u64) -> Result<(), WorkspaceError> {
    let known = repo.tree_of(known)?;
    let differ =
        ["diff-index", "--cached", "-r", "-z", "--no-renames", "--diff-filter=d", "--raw", "--no-abbrev", &known];
    let differ = repo.git.must(Call::new(differ).index(index))?;
    let new = new_files(&differ.out);
    let until = repo.git.ends();
    let refused = match refused_in(repo, &with_sizes(repo, &new, until)?, most, until)? {
        Looked::Through(refused) => refused.into_iter().map(|(one, _)| one.path).collect(),
        Looked::TooMuch => new.into_iter().map(|(_, path)| path).collect(),
    };
    set_as(repo, index, &known, &refused)
}

/// These files are in the index as they are in `tree`, or not at all.
fn set_as(repo: &Repo, index: &Path, tree: &str, paths: &BTreeSet<Vec<u8>>) -> Result<(), WorkspaceError> {
    if paths.is_empty() {
        return Ok(());
    }
    let ended = |paths: &mut dyn Iterator<Item = &[u8]>| -> Vec<u8> {
        paths.flat_map(|path| path.iter().copied().chain([0])).collect()
    };
    let remove = Call::new(["update-index", "-z", "--force-remove", "--stdin"]);
    repo.git.must(remove.index(index).input(ended(&mut paths.iter().map(Vec::as_slice))))?;
    let there = repo.git.must(Call::new(["ls-tree", "-r", "-z", "--full-tree", tree]))?;
    let of = |entry: &&[u8]| entry.splitn(2, |byte| *byte == b'\t').nth(1).is_some_and(|path| paths.contains(path));
    let add = Call::new(["update-index", "-z", "--add", "--index-info"]);
    repo.git.must(add.index(index).input(ended(&mut there.parts().filter(of)))).map(drop)
}

/// Object and path of each new file in a raw difference (`:MODE MODE OBJECT OBJECT STATUS`, zero, path, zero). Another
/// repository is none.
fn new_files(raw: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut parts = raw.split(|byte| *byte == 0);
    let mut found = Vec::new();
    while let (Some(head), Some(path)) = (parts.next(), parts.next()) {
        let head = String::from_utf8_lossy(head).into_owned();
        let mut words = head.split(' ').skip(1);
        if let (Some(mode), Some(_), Some(object)) = (words.next(), words.next(), words.next())
            && mode != "160000"
        {
            found.push((object.to_owned(), path.to_vec()));
        }
    }
    found
}

/// Asked for by object alone, for a path may hold a line's end.
fn with_sizes(repo: &Repo, files: &[(String, Vec<u8>)], until: Instant) -> Result<Vec<Brought>, WorkspaceError> {
    let sized = sized(repo, a_line_each(files.iter().map(|(id, _)| id.as_str())), until)?;
    if sized.len() != files.len() {
        return Err(Person::BadRepository { detail: "git does not show files of its own".to_owned() }.into());
    }
    Ok(sized.into_iter().zip(files).map(|(one, (_, path))| Brought { path: path.clone(), ..one }).collect())
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
        let raw = b":000000 100644 00 aa A\0a\nb.md\0:000000 160000 00 bb A\0sub\0:100644 120000 00 cc T\0link\0";
        let files = [("aa".to_owned(), b"a\nb.md".to_vec()), ("cc".to_owned(), b"link".to_vec())];
        assert_eq!(new_files(raw), files);
        assert!(one_of(b"ab tree 7 a").is_none() && one_of(b"ab missing").is_none());
    }
}
