//! Free space, and whether a file system takes writes. Asked, never tried: nothing is written into a folder that is
//! not ours, and nothing waits for the disk.

use super::os;
use std::io;
use std::path::Path;

/// What is left on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that we may still write.
    pub free_bytes: u64,
    /// There is space, it is not mounted read-only, and we may write into the folder.
    pub writable: bool,
}

/// The file system of `path`.
///
/// # Errors
/// The path is not there, may not be looked at, or the system cannot tell ([`io::ErrorKind::Unsupported`]).
pub fn space(path: &Path) -> io::Result<Space> {
    os::disk::space(path)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_that_can_be_written_is_told_from_one_that_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let seen = space(dir.path()).unwrap();
        assert!(seen.free_bytes > 0 && seen.writable, "{seen:?}");
        assert!(space(&dir.path().join("gone")).is_err());
        let proc = space(Path::new("/proc"));
        assert!(proc.is_err() || proc.is_ok_and(|seen| !seen.writable), "nothing can be written there");
    }
}
