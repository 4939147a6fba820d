//! Which engines are installed here. They are offered, never used by themselves.

use crate::settings::Engine;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Most folders of `PATH` that are looked into.
const MAX_FOLDERS: usize = 128;

/// The engines whose program is on `path`.
#[must_use]
pub fn installed(path: Option<&OsStr>) -> Vec<Engine> {
    Engine::PROGRAMS.into_iter().filter(|engine| find(engine.name(), path).is_some()).collect()
}

/// The first program of this name on `path`. Folders that are not absolute are left out: what they mean depends on where
/// one stands.
#[must_use]
pub fn find(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let folders = std::env::split_paths(path?).filter(|folder| folder.is_absolute()).take(MAX_FOLDERS);
    let names: &[&str] = if cfg!(windows) { &[".exe", ".cmd"] } else { &[""] };
    folders
        .flat_map(|folder| names.iter().map(move |ending| folder.join(format!("{name}{ending}"))))
        .find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|seen| seen.is_file() && seen.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn programs_are_found_and_other_files_are_not() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(one.path().join("claude"), "").unwrap();
        std::fs::create_dir(one.path().join("gemini")).unwrap();
        for (folder, name) in [(&two, "claude"), (&two, "codex")] {
            std::fs::write(folder.path().join(name), "").unwrap();
            std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = std::env::join_paths([Path::new("relative"), one.path(), two.path()]).unwrap();
        assert_eq!(installed(Some(&path)), [Engine::Claude, Engine::Codex]);
        assert_eq!(find("claude", Some(&path)), Some(two.path().join("claude")));
        assert_eq!(installed(None), []);
    }
}
