//! Writes the archive: whole or not at all, and never over another file.
//!
//! Invariant: what lies at the path is a complete archive, readable by its owner only, or nothing; a failed write
//! leaves nothing beside it either.

use super::Part;
use crate::host::files::private_options;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A person must choose another name.
    #[error("{} is there already, and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// A person must make room.
    #[error("the disk of {} is full; nothing was written", .0.display())]
    Full(PathBuf),
    /// The folder does not let us.
    #[error("{} may not be written: permission denied", .0.display())]
    Denied(PathBuf),
    /// There is no such folder.
    #[error("there is no folder for {}", .0.display())]
    NoFolder(PathBuf),
    /// Something else; it may work later.
    #[error("{} could not be written: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes `parts` below a folder `top` of the archive; its size. `at_s`: seconds since 1970, for the times in it.
///
/// # Errors
/// [`WriteError`]; then nothing of it is left.
pub fn write(path: &Path, top: &str, parts: &[Part], at_s: u64) -> Result<u64, WriteError> {
    let told = |error: io::Error| of_io(path, error);
    if std::fs::symlink_metadata(path).is_ok() {
        return Err(WriteError::Exists(path.to_owned()));
    }
    let beside = beside(path).ok_or_else(|| WriteError::NoFolder(path.to_owned()))?;
    let file = private_options().write(true).create_new(true).open(&beside).map_err(told)?;
    let done = fill(file, top, parts, at_s).and_then(|size| publish(&beside, path).map(|()| size));
    // What the new name stands for stays; after a failure nothing does. It was made by us a moment ago.
    drop(std::fs::remove_file(&beside));
    done.map_err(told)
}

fn beside(path: &Path) -> Option<PathBuf> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name()?);
    name.push(format!(".{}.part", std::process::id()));
    Some(path.with_file_name(name))
}

fn fill(file: File, top: &str, parts: &[Part], at_s: u64) -> io::Result<u64> {
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for part in parts {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_mtime(at_s);
        header.set_size(part.text.len() as u64);
        archive.append_data(&mut header, format!("{top}/{}", part.name), part.text.as_bytes())?;
    }
    let mut file = archive.into_inner()?.finish()?;
    file.flush()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Gives the finished file its name, unless somebody took it meanwhile.
fn publish(beside: &Path, path: &Path) -> io::Result<()> {
    match std::fs::hard_link(beside, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links: the name is claimed first, then the file takes its place.
        Err(_) => {
            private_options().write(true).create_new(true).open(path)?;
            std::fs::rename(beside, path).inspect_err(|_| drop(std::fs::remove_file(path)))
        }
        Ok(()) => Ok(()),
    }
}

fn of_io(path: &Path, source: io::Error) -> WriteError {
    let path = path.to_owned();
    #[allow(clippy::wildcard_enum_match_arm)]
    match source.kind() {
        io::ErrorKind::AlreadyExists => WriteError::Exists(path),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WriteError::Full(path),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => WriteError::Denied(path),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => WriteError::NoFolder(path),
        _ => WriteError::Io { path, source },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parts() -> Vec<Part> {
        vec![Part { name: "README.txt", text: "read\n".into() }, Part { name: "x.json", text: "{}".into() }]
    }

    #[test]
    fn what_is_written_can_be_unpacked_and_is_only_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.tar.gz");
        let size = write(&path, "b", &parts(), 7).unwrap();
        assert_eq!(size, std::fs::metadata(&path).unwrap().len());
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&path).unwrap()));
        let names: Vec<(PathBuf, u32, u64)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                (entry.path().unwrap().into_owned(), header.mode().unwrap(), header.mtime().unwrap())
            })
            .collect();
        assert_eq!(names, [("b/README.txt".into(), 0o600, 7), ("b/x.json".into(), 0o600, 7)]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let seen = std::fs::metadata(&path).unwrap();
            assert_eq!((seen.mode() & 0o777, seen.nlink()), (0o600, 1));
        }
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.tar.gz");
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(write(&path, "b", &parts(), 7), Err(WriteError::Exists(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        assert!(matches!(publish(&path, &path), Err(error) if error.kind() == io::ErrorKind::AlreadyExists));
        let nowhere = dir.path().join("none/b.tar.gz");
        assert!(matches!(write(&nowhere, "b", &parts(), 7), Err(WriteError::NoFolder(_))));
        assert!(matches!(write(&path.join("b.tar.gz"), "b", &parts(), 7), Err(WriteError::NoFolder(_))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
