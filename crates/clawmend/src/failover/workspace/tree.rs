//! Brings the files of the workspace from a snapshot to another commit.
//!
//! Invariant: a file is replaced or removed only while it is as the snapshot has it, and the snapshot is a commit by
//! then. What stands in the way and is in no snapshot is found before.

use super::error::{Person, WorkspaceError};
use super::git::Call;
use super::judge::{place, shown};
use super::repo::Repo;
use super::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::path::Path;

/// Most files in the way that are looked at.
const MAX_IN_THE_WAY: usize = 10_000;

/// Files on the disk that `to` would overwrite, and that the snapshot does not have: ignored ones, and those left out,
/// whether git knows them or not.
pub(super) fn in_the_way(repo: &Repo, snapshot: &Snapshot, to: &str) -> Result<Vec<Vec<u8>>, WorkspaceError> {
    let arguments = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--diff-filter=A", &snapshot.tree, to];
    let new = repo.git.must(Call::new(arguments))?;
    let ours = repo.git.must(Call::new(["ls-files", "-z"]).index(&snapshot.index))?;
    let ours: BTreeSet<&[u8]> = ours.parts().collect();
    let mut found = BTreeSet::new();
    for path in new.parts() {
        one_in_the_way(repo.git.folder(), path, &ours, &mut found)?;
    }
    if !snapshot.as_before.is_empty() {
        let arguments = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", &snapshot.tree, to];
        let other = repo.git.must(Call::new(arguments))?;
        found.extend(other.parts().filter(|path| snapshot.as_before.contains(*path)).map(<[u8]>::to_vec));
    }
    Ok(found.into_iter().collect())
}

fn one_in_the_way(
    folder: &Path,
    path: &[u8],
    ours: &BTreeSet<&[u8]>,
    found: &mut BTreeSet<Vec<u8>>,
) -> Result<(), WorkspaceError> {
    let cuts = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
    for part in cuts.chain([path.len()]).filter_map(|end| path.get(..end)) {
        if ours.contains(part) {
            // Git knows it, and removes it.
            return Ok(());
        }
        let Some(data) = place(folder, part).and_then(|file| file.symlink_metadata().ok()) else { return Ok(()) };
        if !data.is_dir() {
            found.insert(part.to_vec());
            return Ok(());
        }
    }
    // A folder is where a file comes.
    below(folder, path, ours, found)
}

fn below(
    folder: &Path,
    path: &[u8],
    ours: &BTreeSet<&[u8]>,
    found: &mut BTreeSet<Vec<u8>>,
) -> Result<(), WorkspaceError> {
    let blocked = |path: &[u8]| WorkspaceError::from(Person::InTheWay { path: shown(path) });
    let mut folders = vec![path.to_vec()];
    while let Some(path) = folders.pop() {
        let entries =
            place(folder, &path).and_then(|file| std::fs::read_dir(file).ok()).ok_or_else(|| blocked(&path))?;
        for entry in entries {
            let entry = entry.map_err(|_| blocked(&path))?;
            let name = entry.file_name();
            let mut inner = path.clone();
            inner.push(b'/');
            inner.extend_from_slice(name.as_encoded_bytes());
            let kind = entry.file_type().map_err(|_| blocked(&inner))?;
            if name == ".git" || found.len() > MAX_IN_THE_WAY || !(kind.is_dir() || kind.is_file() || kind.is_symlink())
            {
                return Err(blocked(&path));
            }
            if kind.is_dir() {
                folders.push(inner);
            } else if !ours.contains(inner.as_slice()) {
                found.insert(inner);
            }
        }
    }
    Ok(())
}

/// Refuses a commit whose files are larger together than `most` bytes: packed, they may be a thousand times smaller.
pub(super) fn fits(repo: &Repo, commit: &str, most: u64) -> Result<(), WorkspaceError> {
    let said = repo.git.must(Call::new(["ls-tree", "-r", "-l", "-z", commit]))?;
    // MODE TYPE NAME SIZE, a tab, the path.
    let size = |line: &[u8]| {
        let head = line.split(|b| *b == b'\t').next().unwrap_or_default();
        String::from_utf8_lossy(head).split_whitespace().nth(3).and_then(|size| size.parse::<u64>().ok()).unwrap_or(0)
    };
    let total = said.parts().map(size).fold(0, u64::saturating_add);
    if total > most { Err(Person::TooLarge(most).into()) } else { Ok(()) }
}

/// Brings the files to `to`. Refused by git where a file is not as the snapshot has it any more.
pub(super) fn bring(repo: &Repo, snapshot: &Snapshot, to: &str) -> Result<(), WorkspaceError> {
    let arguments = ["read-tree", "-m", "-u", &snapshot.tree, to];
    repo.git.must(Call::new(arguments).index(&snapshot.index)).map(drop)
}
