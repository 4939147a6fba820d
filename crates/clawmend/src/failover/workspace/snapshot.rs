//! The workspace as it is now, as a commit. Nothing of the user's changes: not a file, not the index, not a branch.
//!
//! Invariant: every file is either in the snapshot with its present bytes, or is named in `left_out`, or is ignored by
//! the user's own rules. One that a filter of the user's is for is in it as it was committed. Names are taken as they
//! are, never as patterns.

use super::error::{Person, WorkspaceError};
use super::git::{Call, failed};
use super::judge::{LeftOut, Why, is_file, place, reason, shown};
use super::repo::Repo;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most files that one snapshot looks at.
const MAX_FILES: usize = 50_000;
/// Most files that are named.
const MAX_NAMED: usize = 50;
/// Files that git is asked about at once: its answer is bounded.
const AT_ONCE: usize = 2_000;

/// Which files may stay out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// It goes to the remote: whatever must not leave this machine.
    Remote,
    /// It stays here: only files that stay on the disk as they are, and that nobody has taken in before, or that a
    /// filter is for.
    Here,
}

/// The workspace at one moment.
pub(super) struct Snapshot {
    /// An index that says the same as the disk.
    pub(super) index: PathBuf,
    pub(super) tree: String,
    /// At most [`MAX_NAMED`] of them.
    pub(super) left_out: Vec<LeftOut>,
    /// How many besides.
    pub(super) more: usize,
    /// Files that git knows, which the snapshot has as they were before: on the disk they are others.
    pub(super) as_before: BTreeSet<Vec<u8>>,
}

/// The newest commit that the workspace is known to come from: `last`, which is ours, unless the user went on from it.
pub(super) fn base(repo: &Repo, head: Option<&str>, last: Option<&str>) -> Result<Option<String>, WorkspaceError> {
    Ok(match (head, last) {
        (Some(head), Some(last)) if repo.is_ancestor(head, last)? => Some(last.to_owned()),
        (Some(head), _) => Some(head.to_owned()),
        (None, last) => last.map(str::to_owned),
    })
}

/// An index of the files of a commit or a tree, from which one is taken.
pub(super) fn begin(repo: &Repo, base: Option<&str>) -> Result<PathBuf, WorkspaceError> {
    let index = repo.fresh_index("snapshot");
    let from = base.map_or_else(|| "--empty".to_owned(), |base| format!("{base}^{{tree}}"));
    repo.git.must(Call::new(["read-tree", &from]).index(&index))?;
    Ok(index)
}

/// Takes one, of what differs from `index`.
pub(super) fn take(repo: &Repo, index: PathBuf, to: For, most: u64) -> Result<Snapshot, WorkspaceError> {
    // Its exit code only says whether anything differs.
    repo.git.run(Call::new(["update-index", "-q", "--refresh"]).index(&index))?;
    let changed =
        Call::new(["diff-files", "-z", "--name-only", "--no-renames", "--ignore-submodules=all"]).index(&index);
    let changed = repo.git.must(changed)?;
    let others = repo.git.must(Call::new(["ls-files", "-z", "--others", "--exclude-standard"]).index(&index))?;
    if changed.parts().count() + others.parts().count() > MAX_FILES {
        return Err(Person::TooMany(MAX_FILES).into());
    }
    let all: Vec<&[u8]> = changed.parts().chain(others.parts()).collect();
    let filtered = with_filter(repo, &index, &all)?;
    let (mut taken, mut left_out, mut as_before) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut gone = Vec::new();
    for path in changed.parts() {
        repo.git.in_time()?;
        if is_beyond_link(repo.git.folder(), path) {
            gone.extend(path.iter().copied().chain([0]));
            continue;
        }
        let for_it = filtered.contains(path);
        let why = match to {
            For::Remote => reason(repo.git.folder(), path, for_it, most),
            For::Here => (for_it && is_file(repo.git.folder(), path)).then_some(Why::Filtered),
        };
        if why.is_some() {
            as_before.insert(path.to_vec());
        }
        sort(path, why, &mut taken, &mut left_out);
    }
    for path in others.parts() {
        repo.git.in_time()?;
        let why = reason(repo.git.folder(), path, filtered.contains(path), most);
        sort(path, why, &mut taken, &mut left_out);
    }
    let more = left_out.len().saturating_sub(MAX_NAMED);
    left_out.truncate(MAX_NAMED);
    if !gone.is_empty() {
        let remove = Call::new(["update-index", "-z", "--force-remove", "--stdin"]);
        repo.git.must(remove.index(&index).input(gone))?;
    }
    let mut snapshot = Snapshot { index, tree: String::new(), left_out, more, as_before };
    snapshot.add(repo, taken)?;
    Ok(snapshot)
}

/// Those of these that the user's attributes hand to a filter. It does not run here, so what is on the disk is not what
/// the user's own git would commit: the plain text of a file that is to be encrypted, for one.
fn with_filter(repo: &Repo, index: &Path, paths: &[&[u8]]) -> Result<BTreeSet<Vec<u8>>, WorkspaceError> {
    let mut found = BTreeSet::new();
    for some in paths.chunks(AT_ONCE) {
        let list = some.iter().flat_map(|path| path.iter().copied().chain([0])).collect();
        let ask = Call::new(["check-attr", "-z", "--stdin", "filter"]).index(index).own_attributes().input(list);
        let said = repo.git.must(ask)?;
        // A path, the attribute, its value, each with a zero.
        let (mut parts, mut answers) = (said.out.split(|byte| *byte == 0), 0);
        while let (Some(path), Some(_), Some(value)) = (parts.next(), parts.next(), parts.next()) {
            answers += 1;
            if value != b"unspecified" && value != b"unset" {
                found.insert(path.to_vec());
            }
        }
        if answers != some.len() {
            let detail = "git does not say which filters its files have".to_owned();
            return Err(Person::BadRepository { detail }.into());
        }
    }
    Ok(found)
}

/// A folder of it is a link now, which is taken in as such; what that leads to is not the workspace's.
fn is_beyond_link(folder: &Path, path: &[u8]) -> bool {
    let file = place(folder, path);
    file.iter().flat_map(|file| file.ancestors().skip(1)).take_while(|around| *around != folder).any(Path::is_symlink)
}

fn sort(path: &[u8], why: Option<Why>, taken: &mut Vec<u8>, left_out: &mut Vec<LeftOut>) {
    match why {
        Some(why) => left_out.push(LeftOut { path: shown(path), why }),
        None => {
            taken.extend_from_slice(path);
            taken.push(0);
        }
    }
}

impl Snapshot {
    /// Takes in files, whatever is said of them. `paths` end with a zero each.
    pub(super) fn add(&mut self, repo: &Repo, paths: Vec<u8>) -> Result<(), WorkspaceError> {
        if !paths.is_empty() {
            let add = ["update-index", "-z", "--add", "--remove", "--replace", "--stdin"];
            repo.git.must(Call::new(add).index(&self.index).input(paths))?;
        }
        let said = repo.git.must(Call::new(["write-tree"]).index(&self.index))?;
        self.tree = said.line().ok_or_else(|| failed(&said))?;
        Ok(())
    }
}

/// A commit of `tree` after `parents`; the only parent itself where nothing differs, none where there is nothing at all.
pub(super) fn commit(
    repo: &Repo,
    tree: &str,
    parents: Vec<String>,
    message: &str,
) -> Result<Option<String>, WorkspaceError> {
    let parents = independent(repo, parents)?;
    match parents.as_slice() {
        [] if tree == repo.tree_of(None)? => return Ok(None),
        [parent] if tree == repo.tree_of(Some(parent))? => return Ok(Some(parent.clone())),
        _ => {}
    }
    let mut arguments = vec!["commit-tree".to_owned(), tree.to_owned()];
    for parent in parents {
        arguments.extend(["-p".to_owned(), parent]);
    }
    arguments.extend(["-F".to_owned(), "-".to_owned()]);
    let said = repo.git.must(Call::new(arguments).input(message.as_bytes().to_vec()))?;
    said.line().ok_or_else(|| failed(&said)).map(Some)
}

/// Without those that another one of them comes from.
fn independent(repo: &Repo, commits: Vec<String>) -> Result<Vec<String>, WorkspaceError> {
    if commits.len() < 2 {
        return Ok(commits);
    }
    let arguments = ["merge-base".to_owned(), "--independent".to_owned()].into_iter().chain(commits);
    let said = repo.git.must(Call::new(arguments))?;
    Ok(String::from_utf8_lossy(&said.out).lines().map(str::to_owned).collect())
}
