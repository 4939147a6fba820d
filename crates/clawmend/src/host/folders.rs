//! Waiting for a change in folders.

use super::os;
use std::io;
use std::path::PathBuf;

/// Tells that something in some folders has changed. On Linux the kernel tells (inotify, without polling); elsewhere it
/// is not built.
#[derive(Debug)]
pub struct FolderWatch {
    inner: os::folders::FolderWatch,
}

impl FolderWatch {
    /// Watches these, without what lies in folders below them, and without those that cannot be watched. Must be called
    /// inside a tokio runtime.
    ///
    /// # Errors
    /// None of them can be watched, or this system cannot do it.
    pub fn new(folders: &[PathBuf]) -> io::Result<Self> {
        Ok(Self { inner: os::folders::FolderWatch::new(folders)? })
    }

    /// Returns when something was made, written to its end, moved or removed since the last call. Safe to drop and call
    /// again.
    pub async fn changed(&self) {
        self.inner.changed().await;
    }
}
