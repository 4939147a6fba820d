//! Bounded, careful reading of files that other programs own.
//!
//! Invariant: no read is larger than its bound, no device or pipe is opened, and a link is not followed where a
//! folder may be written by others.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// Reads at most `max` bytes.
///
/// # Errors
/// Those of the file system, `InvalidInput` when it is no ordinary file, `FileTooLarge` when it is larger than `max`.
pub(crate) fn read_bounded(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut options = File::options();
    options.read(true);
    calm(&mut options, false);
    read_all(&options.open(path)?, max)
}

/// Like [`read_bounded`], for a file in a folder where others may write: it must belong to `owner` and be no link.
///
/// # Errors
/// As [`read_bounded`], and `PermissionDenied` when it belongs to someone else.
pub(crate) fn read_owned(path: &Path, owner: u32, max: u64) -> io::Result<Vec<u8>> {
    let (file, _) = open_owned(path, owner)?;
    read_all(&file, max)
}

/// Opens an ordinary file that belongs to `owner`, without following a link.
///
/// # Errors
/// Those of the file system, and `PermissionDenied` when it is not what it should be.
pub(crate) fn open_owned(path: &Path, owner: u32) -> io::Result<(File, Metadata)> {
    let mut options = File::options();
    options.read(true);
    calm(&mut options, true);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && belongs_to(&metadata, owner) {
        Ok((file, metadata))
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "not an ordinary file of the gateway's user"))
    }
}

/// Reads a file that the config of user `owner` names, such as one with a secret: an ordinary file, no link. Where we
/// run as someone else (root), it must belong to `owner`: what that user may not read is not read for them.
///
/// # Errors
/// As [`read_bounded`], and `PermissionDenied` when it belongs to someone else.
pub(crate) fn read_named(path: &Path, owner: u32, max: u64) -> io::Result<Vec<u8>> {
    // Where the system cannot refuse a link while it opens, this is what tells one.
    if std::fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a link"));
    }
    let mut options = File::options();
    options.read(true);
    calm(&mut options, true);
    let file = options.open(path)?;
    if !we_are(owner) && !belongs_to(&file.metadata()?, owner) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    read_all(&file, max)
}

/// Whether we run as this user.
#[cfg(unix)]
fn we_are(owner: u32) -> bool {
    rustix::process::geteuid().as_raw() == owner
}

/// Whether we run as this user.
#[cfg(not(unix))]
fn we_are(_: u32) -> bool {
    true
}

/// It belongs to the account that we run as, which is the gateway's.
#[cfg(unix)]
pub(super) fn is_our_own(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).is_ok_and(|seen| seen.uid() == rustix::process::geteuid().as_raw())
}

/// It belongs to the account that we run as, which is the gateway's.
#[cfg(not(unix))]
pub(super) fn is_our_own(_path: &Path) -> bool {
    false
}

fn read_all(file: &File, max: u64) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an ordinary file"));
    }
    if metadata.len() > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than we read"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than we read"));
    }
    Ok(bytes)
}

/// Names a file for as long as it exists, whatever its path. Zero where the system does not tell.
#[cfg(unix)]
pub(crate) fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// Names a file for as long as it exists, whatever its path. Zero where the system does not tell.
#[cfg(not(unix))]
pub(crate) fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// Whether the file belongs to this user. Folders of Windows users are private, so every file in them does.
#[cfg(unix)]
pub(crate) fn belongs_to(metadata: &Metadata, owner: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.uid() == owner
}

/// Whether the file belongs to this user. Folders of Windows users are private, so every file in them does.
#[cfg(not(unix))]
pub(crate) fn belongs_to(_: &Metadata, _: u32) -> bool {
    true
}

/// Never waits for a pipe's writer and, on request, never follows a link.
#[cfg(unix)]
fn calm(options: &mut std::fs::OpenOptions, no_follow: bool) {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if no_follow {
        flags |= OFlags::NOFOLLOW;
    }
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
}

/// Never waits for a pipe's writer and, on request, never follows a link.
#[cfg(not(unix))]
fn calm(_: &mut std::fs::OpenOptions, _: bool) {}
