//! inotify: the kernel tells what changed in a folder.

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use tokio::io::unix::AsyncFd;

/// Room for many events; which ones does not matter.
const BUFFER: usize = 16 * 1024;

/// See the facade.
#[derive(Debug)]
pub struct FolderWatch {
    fd: AsyncFd<OwnedFd>,
}

impl FolderWatch {
    /// See the facade.
    pub fn new(folders: &[PathBuf]) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // A file is worth a look when it was written to its end, not with each piece.
        let what = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR;
        let mut failed = None;
        let mut watched = false;
        for folder in folders {
            match inotify::add_watch(&fd, folder, what) {
                Ok(_) => watched = true,
                Err(errno) => failed = Some(errno),
            }
        }
        if !watched {
            return Err(failed.unwrap_or(Errno::NOENT).into());
        }
        // As in `pidfd`: the replacement needs `unsafe`.
        #[allow(deprecated)]
        let fd = AsyncFd::with_interest(fd, tokio::io::Interest::READABLE)?;
        Ok(Self { fd })
    }

    /// See the facade.
    pub async fn changed(&self) {
        let mut buffer = vec![0; BUFFER];
        let mut changed = false;
        while !changed {
            let Ok(mut ready) = self.fd.readable().await else { return std::future::pending().await };
            while let Ok(1..) = rustix::io::read(self.fd.get_ref(), &mut buffer[..]) {
                changed = true;
            }
            ready.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    /// Generous: a loaded machine is slow.
    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn each_change_is_told_once_and_what_cannot_be_watched_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let gone = folder.path().join("gone");
            assert_eq!(FolderWatch::new(std::slice::from_ref(&gone)).unwrap_err().kind(), io::ErrorKind::NotFound);
            let watch = FolderWatch::new(&[gone, folder.path().to_owned()]).unwrap();
            for change in 0..3 {
                let nothing = tokio::time::timeout(Duration::from_millis(1), watch.changed()).await;
                assert!(nothing.is_err(), "told without a change, {change}");
                std::fs::write(folder.path().join("a"), [change]).unwrap();
                tokio::time::timeout(LONG, watch.changed()).await.unwrap();
            }
        });
    }
}
