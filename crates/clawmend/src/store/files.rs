//! Small private files in the state folder, on top of [`host::files`](crate::host::files).

use crate::host::files::{DirError, Durability, private_dir, private_options, write_atomic};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Makes sure that a file is there which only its owner may read; keeps what is in it.
pub fn private_file(path: &Path) -> io::Result<()> {
    private_parent(path)?;
    private_options().append(true).create(true).open(path).map(drop)
}

/// Replaces a file so that a reader, also after a power failure, sees the old or the new content, never a part.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    private_parent(path)?;
    write_atomic(path, content, Durability::Durable)
}

/// The same without a sync: it survives the end of this process, and a power failure with the old content or the new.
pub fn replace_fast(path: &Path, content: &[u8]) -> io::Result<()> {
    private_parent(path)?;
    write_atomic(path, content, Durability::Fast)
}

/// Reads a file of at most `limit` bytes; `None` when there is none.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len <= limit) {
        Ok(Some(bytes))
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{} is larger than {limit} bytes", path.display())))
    }
}

/// Removes a file; that it is gone already is fine.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn private_parent(path: &Path) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    private_dir(folder).map_err(|error| match error {
        DirError::Io { source, .. } => source,
        other @ (DirError::Foreign { .. } | DirError::Symlink { .. } | DirError::NotDir { .. }) => {
            io::Error::new(io::ErrorKind::PermissionDenied, other)
        }
    })
}
