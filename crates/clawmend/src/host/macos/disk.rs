//! `statvfs`.

use crate::host::disk::Space;
use rustix::fs::{Access, StatVfsMountFlags};
use std::io;
use std::path::Path;

/// Blocks free to an unprivileged user, in bytes, and whether the file system takes writes.
pub fn space(path: &Path) -> io::Result<Space> {
    let seen = rustix::fs::statvfs(path)?;
    let free_bytes = seen.f_bavail.saturating_mul(seen.f_frsize);
    let writable = free_bytes > 0
        && !seen.f_flag.contains(StatVfsMountFlags::RDONLY)
        && rustix::fs::access(path, Access::WRITE_OK).is_ok();
    Ok(Space { free_bytes, writable })
}
