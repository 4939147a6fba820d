//! Not built here.

use std::io;
use std::path::PathBuf;

/// See the facade. None exists.
#[derive(Debug)]
pub struct FolderWatch(std::convert::Infallible);

impl FolderWatch {
    /// See the facade.
    pub fn new(_folders: &[PathBuf]) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// See the facade.
    pub async fn changed(&self) {
        match self.0 {}
    }
}
