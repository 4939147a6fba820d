//! Free space, and whether a file can be written.

use super::os;
use std::io::{self, Write};
use std::path::Path;

/// Bytes that we may still write on the file system of `path`.
///
/// # Errors
/// The path is not there, may not be looked at, or the system cannot tell ([`io::ErrorKind::Unsupported`]).
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    os::disk::free_bytes(path)
}

/// Writes, syncs and removes a small file in the folder `dir`: only this proves that it can be done (quota, inodes,
/// read-only remount and full disk all show here).
///
/// # Errors
/// What the system answered; the small file is gone either way.
pub fn check_writable(dir: &Path) -> io::Result<()> {
    let path = dir.join(format!(".clawmend-probe-{}", std::process::id()));
    let written = probe_write(&path);
    let removed = match std::fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    written.and(removed)
}

fn probe_write(path: &Path) -> io::Result<()> {
    let mut file = super::files::create_private(path)?;
    file.write_all(&[b'.'; 512])?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_that_can_be_written_is_told_from_one_that_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        check_writable(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(check_writable(&dir.path().join("gone")).is_err());
        if cfg!(unix) {
            assert!(free_bytes(dir.path()).unwrap() > 0);
        }
    }
}
