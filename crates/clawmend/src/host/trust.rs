//! Whether a program that we are to run can be changed by others: itself, or a folder on the way to it.
//!
//! Invariant: it only looks, and judges nothing; what is found is for a person. Start at [`flaw_of`].

use super::Unsupported;
use std::path::{Path, PathBuf};

/// What is wrong with a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is none, or a link to nowhere.
    Missing,
    /// It is a folder or a device.
    NoFile,
    /// We may not run it.
    NotExecutable,
    /// Somebody other than root and this user owns this file or folder, or may write to it, and so may put another program
    /// there.
    Open {
        /// The nearest one.
        path: PathBuf,
    },
}

/// Looks at it, through links; `None`: nothing is wrong.
///
/// # Errors
/// This system has no owners and modes of this kind.
pub fn flaw_of(program: &Path) -> Result<Option<Flaw>, Unsupported> {
    #[cfg(unix)]
    {
        Ok(unix::flaw_of(program))
    }
    #[cfg(not(unix))]
    {
        let _ = program;
        Err(Unsupported { what: "looking at who may change a program" })
    }
}

#[cfg(unix)]
mod unix {
    use super::Flaw;
    use rustix::fs::{Access, access};
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    pub fn flaw_of(program: &Path) -> Option<Flaw> {
        let Ok(real) = program.canonicalize() else { return Some(Flaw::Missing) };
        if !real.is_file() {
            return Some(Flaw::NoFile);
        }
        if access(&real, Access::EXEC_OK).is_err() {
            return Some(Flaw::NotExecutable);
        }
        // Both ways: who may change a folder that a link lies in may change the link.
        let open = [&real, program].into_iter().flat_map(Path::ancestors).find(|path| is_open(path))?;
        Some(Flaw::Open { path: open.to_owned() })
    }

    fn is_open(path: &Path) -> bool {
        let Ok(seen) = std::fs::symlink_metadata(path) else { return true };
        let ours = [0, rustix::process::geteuid().as_raw()].contains(&seen.uid());
        // In a sticky folder others may add names, and not replace ours. A link's own mode means nothing.
        let guarded = seen.is_symlink() || (seen.is_dir() && seen.mode() & 0o1000 != 0);
        !ours || (seen.mode() & 0o022 != 0 && !guarded)
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_others_could_replace_is_found_and_a_sound_program_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let program = bin.join("hook");
        assert_eq!(flaw_of(&program).unwrap(), Some(Flaw::Missing));
        assert_eq!(flaw_of(&bin).unwrap(), Some(Flaw::NoFile));
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        mode(&program, 0o600);
        // Root may run what anybody may run, and no more.
        assert_eq!(flaw_of(&program).unwrap(), Some(Flaw::NotExecutable));
        mode(&program, 0o755);
        mode(&bin, 0o755);
        assert_eq!(flaw_of(&program).unwrap(), None);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&program, &link).unwrap();
        assert_eq!(flaw_of(&link).unwrap(), None);
        mode(&bin, 0o777);
        assert_eq!(flaw_of(&link).unwrap(), Some(Flaw::Open { path: bin.canonicalize().unwrap() }));
        mode(&bin, 0o755);
        mode(&program, 0o775);
        assert_eq!(flaw_of(&program).unwrap(), Some(Flaw::Open { path: program.canonicalize().unwrap() }));
    }
}
