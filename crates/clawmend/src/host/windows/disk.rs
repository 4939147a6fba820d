//! Free space is not told without `unsafe` here.

use crate::host::disk::Space;
use std::io;
use std::path::Path;

/// Not supported.
pub fn space(_path: &Path) -> io::Result<Space> {
    Err(io::Error::new(io::ErrorKind::Unsupported, crate::host::Unsupported { what: "asking for free space" }))
}
