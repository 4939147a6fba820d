//! The keeper's socket, `keeper.sock` in its folder.
//!
//! A socket's path may have 107 bytes. A longer one is reached through the folder's descriptor.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

const NAME: &str = "keeper.sock";
const PATH_MAX: usize = 107;

/// A path to the socket that is short enough, and what must stay open while it is used.
pub fn short_path(dir: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = dir.join(NAME);
    if path.as_os_str().len() <= PATH_MAX {
        return Ok((path, None));
    }
    let folder = File::open(dir)?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd())), Some(folder)))
}

/// Only called with the folder's lock held, so a socket that is there already is a dead keeper's.
pub fn listen(dir: &Path) -> io::Result<UnixListener> {
    let (path, _folder) = short_path(dir)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
