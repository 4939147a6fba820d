//! `statvfs`.

use std::io;
use std::path::Path;

/// Blocks free to an unprivileged user, in bytes.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let seen = rustix::fs::statvfs(path)?;
    Ok(seen.f_bavail.saturating_mul(seen.f_frsize))
}
