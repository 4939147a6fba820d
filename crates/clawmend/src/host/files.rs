//! Files that survive a crash, folders that are only ours, and locks.
//!
//! Invariant: whoever reads a file written by [`write_atomic`] sees the old content or the new, whole; and what
//! these functions create is readable by its owner only (0600, 0700).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// How much a write must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The end of this process. No sync.
    Fast,
    /// The loss of power: file and folder are synced.
    Durable,
}

/// Replaces the content of `path` in one step: a file beside it, then a rename.
///
/// # Errors
/// What the system answered; the old content stays, and nothing is left beside it.
pub fn write_atomic(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}-{}.tmp", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    let beside = dir.join(beside);
    let replaced = fill(&beside, bytes, durability).and_then(|()| std::fs::rename(&beside, path));
    if let Err(error) = replaced {
        // The first error is the one that matters; a file that never was needs no removal.
        drop(std::fs::remove_file(&beside));
        return Err(error);
    }
    match durability {
        Durability::Fast => Ok(()),
        Durability::Durable => sync_dir(dir),
    }
}

fn fill(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = create_private(path)?;
    file.write_all(bytes)?;
    match durability {
        Durability::Fast => Ok(()),
        Durability::Durable => file.sync_all(),
    }
}

/// Makes the names in a folder survive a loss of power. Windows has no such call and does it by itself (NTFS).
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        File::open(dir)?.sync_all()
    } else {
        Ok(())
    }
}

/// Exchanges what two names of one file system stand for, in one step.
///
/// # Errors
/// Those of the file system; `Unsupported` where the system has no such call.
#[cfg(target_os = "linux")]
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Exchanges what two names of one file system stand for, in one step.
///
/// # Errors
/// Those of the file system; `Unsupported` where the system has no such call.
#[cfg(not(target_os = "linux"))]
pub fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Creates or empties a file that only its owner can read.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    private_options().write(true).create(true).truncate(true).open(path)
}

/// Opens with mode 0600 for new files.
pub(crate) fn private_options() -> OpenOptions {
    #[allow(unused_mut)]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Why a folder is not fit for us. All need a person, except [`DirError::Io`].
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    /// Someone else could have put it there.
    #[error("{} belongs to user {owner}, not to us; remove it or choose another place", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose.
        owner: u32,
    },
    /// A link can be turned elsewhere under our feet.
    #[error("{} is a symbolic link; a real folder is needed there", path.display())]
    Symlink {
        /// Which.
        path: PathBuf,
    },
    /// A file is in the way.
    #[error("{} is not a folder", path.display())]
    NotDir {
        /// Which.
        path: PathBuf,
    },
    /// The system said no; may work later.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes `path` a folder that only we can enter (0700), or proves that it is one.
///
/// # Errors
/// It is someone else's, a link, not a folder, or cannot be made.
pub fn private_dir(path: &Path) -> Result<(), DirError> {
    let io = |source| DirError::Io { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io)?;
    }
    match new_dir(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => claim_dir(path),
        Err(error) => Err(io(error)),
    }
}

fn new_dir(path: &Path) -> io::Result<()> {
    #[allow(unused_mut)]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn claim_dir(path: &Path) -> Result<(), DirError> {
    let io = |source| DirError::Io { path: path.to_owned(), source };
    let seen = std::fs::symlink_metadata(path).map_err(io)?;
    if seen.is_symlink() {
        return Err(DirError::Symlink { path: path.to_owned() });
    }
    if !seen.is_dir() {
        return Err(DirError::NotDir { path: path.to_owned() });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        if seen.uid() != rustix::process::geteuid().as_raw() {
            return Err(DirError::Foreign { path: path.to_owned(), owner: seen.uid() });
        }
        if seen.mode() & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(io)?;
        }
    }
    Ok(())
}

/// Nobody but its owner, who is us or root, can read or change this file. Windows keeps a user's own folders private by
/// itself.
///
/// # Errors
/// It cannot be looked at.
pub fn is_private(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let seen = std::fs::metadata(path)?;
        let ours = [0, rustix::process::geteuid().as_raw()].contains(&seen.uid());
        Ok(ours && seen.mode() & 0o077 == 0)
    }
    #[cfg(not(unix))]
    {
        std::fs::metadata(path).map(|_| true)
    }
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{} is held by another process ({note})", path.display())]
    Busy {
        /// The lock's file.
        path: PathBuf,
        /// What the holder wrote about itself; "unknown" when it cannot be read.
        note: String,
    },
    /// The system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// An advisory lock (`flock`) on a file. The kernel lets go of it when the holder ends, however it ends.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock without waiting and writes `note` (such as a pid) for others to read.
    ///
    /// # Errors
    /// Another process holds it, with its note; or the file cannot be opened.
    pub fn try_lock(path: &Path, note: &str) -> Result<Self, LockError> {
        let io = |source| LockError::Io { path: path.to_owned(), source };
        let mut file = private_options().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(LockError::Busy { path: path.to_owned(), note: read_note(&mut file) });
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(io(error)),
        }
        let mut lock = Self { file };
        lock.note(note).map_err(io)?;
        Ok(lock)
    }

    /// Replaces the note.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(&mut self, note: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(note.as_bytes())
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // A child that another thread is starting just now holds a copy of the descriptor until it becomes its program,
        // and with it the lock, unless it is let go of here. An error leaves it to the kernel.
        let _ = self.file.unlock();
    }
}

fn read_note(file: &mut File) -> String {
    let mut bytes = Vec::new();
    match file.take(256).read_to_end(&mut bytes) {
        Ok(length) if length > 0 => super::printable(&bytes, 200),
        Ok(_) | Err(_) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::print_stdout)]
    use super::*;

    #[test]
    fn a_write_replaces_whole_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        write_atomic(&path, b"one", Durability::Fast).unwrap();
        write_atomic(&path, b"two", Durability::Durable).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_failed_write_keeps_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let occupied = dir.path().join("folder");
        std::fs::create_dir(&occupied).unwrap();
        std::fs::write(occupied.join("file"), "x").unwrap();
        assert!(write_atomic(&occupied, b"x", Durability::Fast).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_lock_names_its_holder_and_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::try_lock(&path, "pid 7").unwrap();
        let refused = FileLock::try_lock(&path, "pid 8").unwrap_err();
        assert!(refused.to_string().contains("pid 7") || cfg!(windows), "{refused}");
        drop(held);
        FileLock::try_lock(&path, "pid 8").unwrap();
    }

    #[test]
    fn a_lock_ends_although_a_child_still_holds_its_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::try_lock(&path, "pid 7").unwrap();
        let copy = held.file.try_clone().unwrap();
        drop(held);
        FileLock::try_lock(&path, "pid 8").unwrap();
        drop(copy);
    }

    #[cfg(unix)]
    #[test]
    fn a_private_folder_is_closed_to_others_and_never_a_link() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
        private_dir(&open).unwrap();
        assert_eq!(std::fs::metadata(&open).unwrap().mode() & 0o777, 0o700);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&open, &link).unwrap();
        assert!(matches!(private_dir(&link), Err(DirError::Symlink { .. })));
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(matches!(private_dir(&dir.path().join("file")), Err(DirError::NotDir { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_of_someone_else_is_refused() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can give a folder away");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("theirs");
        std::fs::create_dir(&theirs).unwrap();
        std::os::unix::fs::chown(&theirs, Some(65534), None).unwrap();
        assert!(matches!(private_dir(&theirs), Err(DirError::Foreign { owner: 65534, .. })));
    }
}
