//! Replacing a file of the user without losing a byte of it.
//!
//! Invariant: the file is only replaced while it is the very file with the very content that was looked at; its old
//! content is durable elsewhere before; its mode and owner stay; whoever reads it sees the old content or the new.

use super::object::hash;
use crate::host::files::{Durability, create_private, exchange, write_atomic};
use crate::openclaw::{config::MAX_CONFIG_BYTES, files};
use clawmend_core::time::Wall;
use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Rejected copies beside a config; further ones are only kept as generations.
const MAX_ASIDE: usize = 20;

/// Why it was not replaced. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Try again with what is there now.
    #[error("{} was changed by somebody else meanwhile; nothing was written", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// A person must make it a file.
    #[error("{} is not an ordinary file; nothing was written", path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// A person must say what is meant.
    #[error("{} is a link to a file of somebody else; nothing was written", path.display())]
    ForeignLink {
        /// Which.
        path: PathBuf,
    },
    /// A person must give the right.
    #[error("{} cannot be written: {source}", path.display())]
    NotPermitted {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It may work later.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn failed(path: &Path, source: io::Error) -> WriteError {
    let path = path.to_owned();
    if matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) {
        WriteError::NotPermitted { path, source }
    } else {
        WriteError::Io { path, source }
    }
}

/// A file as it was looked at.
#[derive(Debug)]
pub struct Target {
    /// The file itself, behind any link.
    real: PathBuf,
    /// What was there; `None`: nothing.
    was: Option<Was>,
}

#[derive(Debug, PartialEq, Eq)]
struct Was {
    identity: (u64, u64),
    sha256: String,
}

impl Target {
    /// Looks at `path`. A link is followed once, to a file of the same owner.
    ///
    /// # Errors
    /// It is no file that may be replaced, or cannot be read.
    pub fn look(path: &Path) -> Result<(Self, Option<Vec<u8>>), WriteError> {
        let real = real_path(path)?;
        match read(&real) {
            Ok((bytes, identity)) => {
                let was = Was { identity, sha256: hash(&bytes) };
                Ok((Self { real, was: Some(was) }, Some(bytes)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((Self { real, was: None }, None)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(WriteError::NotAFile { path: real }),
            Err(error) => Err(failed(&real, error)),
        }
    }

    /// The hash of what was there.
    #[must_use]
    pub fn sha256(&self) -> Option<&str> {
        self.was.as_ref().map(|was| was.sha256.as_str())
    }
}

fn real_path(path: &Path) -> Result<PathBuf, WriteError> {
    let Ok(seen) = std::fs::symlink_metadata(path) else { return Ok(path.to_owned()) };
    if !seen.is_symlink() {
        return Ok(path.to_owned());
    }
    let real = path.canonicalize().map_err(|error| failed(path, error))?;
    let target = std::fs::metadata(&real).map_err(|error| failed(path, error))?;
    if same_owner(&seen, &target) { Ok(real) } else { Err(WriteError::ForeignLink { path: path.to_owned() }) }
}

/// As root only root's own links are followed: the user of the gateway could turn any other elsewhere.
#[cfg(unix)]
fn same_owner(link: &Metadata, target: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    link.uid() == target.uid() && link.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn same_owner(_: &Metadata, _: &Metadata) -> bool {
    true
}

fn read(path: &Path) -> io::Result<(Vec<u8>, (u64, u64))> {
    let before = std::fs::metadata(path)?;
    let bytes = files::read_bounded(path, MAX_CONFIG_BYTES)?;
    let after = std::fs::metadata(path)?;
    if files::identity(&before) != files::identity(&after) {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "it was replaced while it was read"));
    }
    Ok((bytes, files::identity(&after)))
}

/// Replaces what was looked at by `new`. With `aside` the old content also stays beside it, under that label.
/// Returns where. The old content must be durable as a generation already, unless `aside` is given.
///
/// # Errors
/// Somebody changed it meanwhile, or it cannot be written. Then nothing has changed.
pub fn replace(target: &Target, new: &[u8], aside: Option<(&str, Wall)>) -> Result<Option<PathBuf>, WriteError> {
    let path = &target.real;
    let io = |error| failed(path, error);
    if target.was.is_some() && std::fs::metadata(path).is_ok_and(|seen| seen.permissions().readonly()) {
        let source = io::Error::new(io::ErrorKind::PermissionDenied, "the file is read-only");
        return Err(WriteError::NotPermitted { path: path.clone(), source });
    }
    let kept = match (&target.was, aside) {
        (Some(_), Some((label, now))) => set_aside(target, label, now)?,
        _ => None,
    };
    let beside = beside(path);
    let filled = fill(&beside, new, target.was.is_some().then(|| std::fs::metadata(path).ok()).flatten().as_ref());
    if let Err(error) = filled {
        drop(std::fs::remove_file(&beside));
        return Err(io(error));
    }
    let swapped = match &target.was {
        None => put_where_nothing_is(&beside, path),
        Some(was) => swap(&beside, path, was),
    };
    // Where the names were exchanged, the old content is there now; where not, the new one: it is not needed.
    drop(std::fs::remove_file(&beside));
    match swapped {
        Ok(true) => {}
        Ok(false) => return Err(WriteError::Changed { path: path.clone() }),
        Err(error) => return Err(io(error)),
    }
    if cfg!(unix)
        && let Some(folder) = path.parent()
    {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    }
    Ok(kept)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".clawmend-{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn fill(path: &Path, bytes: &[u8], like: Option<&Metadata>) -> io::Result<()> {
    // A rest of a process that was killed.
    drop(std::fs::remove_file(path));
    let mut file = create_private(path)?;
    file.write_all(bytes)?;
    if let Some(like) = like {
        take_after(&file, like)?;
    }
    file.sync_all()
}

/// Mode and owner of the file that is replaced.
#[cfg(unix)]
fn take_after(file: &File, like: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (like.uid(), like.gid()) {
        std::os::unix::fs::fchown(file, Some(like.uid()), Some(like.gid()))?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(like.mode() & 0o777))
}

#[cfg(not(unix))]
fn take_after(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// `Ok(false)`: something is there now.
fn put_where_nothing_is(beside: &Path, path: &Path) -> io::Result<bool> {
    match std::fs::hard_link(beside, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // A file system without hard links.
        Err(_) if !path.exists() => std::fs::rename(beside, path).map(|()| true),
        Err(_) => Ok(false),
    }
}

/// Exchanges the names, looks at what came out, and exchanges them back when it is not what was expected. Where the
/// system cannot exchange names, it looks right before the rename.
fn swap(beside: &Path, path: &Path, was: &Was) -> io::Result<bool> {
    let as_before =
        |path: &Path| read(path).is_ok_and(|(bytes, identity)| Was { identity, sha256: hash(&bytes) } == *was);
    if !as_before(path) {
        return Ok(false);
    }
    match exchange(beside, path) {
        Ok(()) if as_before(beside) => Ok(true),
        Ok(()) => exchange(beside, path).map(|()| false),
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => {
            std::fs::rename(beside, path).map(|()| true)
        }
        Err(error) => Err(error),
    }
}

/// Copies the old content beside the file: `openclaw.json.clawmend-rejected-20261121T120000Z`.
fn set_aside(target: &Target, label: &str, now: Wall) -> Result<Option<PathBuf>, WriteError> {
    let path = &target.real;
    let (bytes, _) = read(path).map_err(|error| failed(path, error))?;
    if target.sha256() != Some(hash(&bytes).as_str()) {
        return Err(WriteError::Changed { path: path.clone() });
    }
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
    let begin = format!("{name}.clawmend-{label}-");
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let there: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| failed(path, error))?
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&begin)))
        .map(|entry| entry.path())
        .take(MAX_ASIDE)
        .collect();
    if let Some(same) = there.iter().find(|path| read(path).is_ok_and(|(old, _)| old == bytes)) {
        return Ok(Some(same.clone()));
    }
    if there.len() >= MAX_ASIDE {
        return Ok(None);
    }
    let time = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string();
    let free = (1..100).map(|n| if n == 1 { time.clone() } else { format!("{time}-{n}") });
    let place =
        free.map(|time| folder.join(format!("{begin}{time}"))).find(|path| std::fs::symlink_metadata(path).is_err());
    let Some(place) = place else { return Ok(None) };
    write_atomic(&place, &bytes, Durability::Durable).map_err(|error| failed(&place, error))?;
    Ok(Some(place))
}
