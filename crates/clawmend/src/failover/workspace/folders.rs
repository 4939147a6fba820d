//! The folders of a workspace, to be watched.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Folders that are watched at most; a change deeper down waits for the schedule.
const MAX_FOLDERS: usize = 512;
/// Entries that are looked at most.
const MAX_ENTRIES: usize = 20_000;

/// The workspace and the folders in it, the upper ones first. Not git's own, not what packages are unpacked in, and not
/// where a link leads to.
#[must_use]
pub fn folders(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut left, mut looked) = (Vec::new(), VecDeque::from([root.to_owned()]), 0);
    while let Some(folder) = left.pop_front() {
        if found.len() >= MAX_FOLDERS || looked >= MAX_ENTRIES {
            break;
        }
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            looked += 1;
            if looked > MAX_ENTRIES {
                break;
            }
            let skipped = entry.file_name() == ".git" || entry.file_name() == "node_modules";
            if !skipped && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push_back(entry.path());
            }
        }
        found.push(folder);
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn folders_are_found_and_those_of_git_are_not() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["memory/2026", ".git/objects", "app/node_modules/x"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        std::fs::write(root.path().join("SOUL.md"), "").unwrap();
        let mut found: Vec<String> = folders(root.path())
            .iter()
            .map(|path| path.strip_prefix(root.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(found[0], "", "the uppermost first");
        found.sort();
        assert_eq!(found, ["", "app", "memory", "memory/2026"]);
    }

    #[test]
    fn it_ends_in_a_workspace_without_end() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..MAX_FOLDERS + 50 {
            std::fs::create_dir(root.path().join(number.to_string())).unwrap();
        }
        assert_eq!(folders(root.path()).len(), MAX_FOLDERS);
    }
}
