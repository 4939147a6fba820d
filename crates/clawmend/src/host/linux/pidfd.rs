//! A pidfd becomes readable when its process ends.

use super::process::incarnation_of;
use crate::host::pidfd::WatchError;
use clawmend_core::gateway::Incarnation;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// See the facade.
#[derive(Debug)]
pub struct ExitWatch {
    fd: AsyncFd<OwnedFd>,
}

impl ExitWatch {
    /// See the facade.
    pub fn new(of: &Incarnation) -> Result<Self, WatchError> {
        let cannot = |reason: String| WatchError::CannotWatch { pid: of.pid, reason };
        let fd = open(of)?;
        // Deprecated because a type could close its descriptor while it is registered; an `OwnedFd` cannot, and the
        // replacement needs `unsafe`.
        #[allow(deprecated)]
        let fd = AsyncFd::with_interest(fd, tokio::io::Interest::READABLE);
        Ok(Self { fd: fd.map_err(|error| cannot(error.to_string()))? })
    }

    /// See the facade.
    pub async fn ended(&self) {
        // Readiness is never cleared: a process that has ended stays so. An error can only mean that the runtime is
        // shutting down, and then nobody waits any more.
        if self.fd.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The kernel's handle on this very life: opened first, start time proven after.
pub fn open(life: &Incarnation) -> Result<OwnedFd, WatchError> {
    let gone = || WatchError::Gone { pid: life.pid };
    let pid = i32::try_from(life.pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    let fd = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        // Kernels before 5.10 do not know the flag; readiness works without it.
        Err(Errno::INVAL) => pidfd_open(pid, PidfdFlags::empty()),
        other => other,
    };
    let fd = fd.map_err(|errno| match errno {
        Errno::SRCH => gone(),
        other => WatchError::CannotWatch { pid: life.pid, reason: other.to_string() },
    })?;
    if incarnation_of(life.pid).as_ref() == Some(life) { Ok(fd) } else { Err(gone()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;
    use std::time::Duration;

    #[tokio::test(flavor = "current_thread")]
    async fn the_end_of_a_process_is_told_and_stays_told() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let life = incarnation_of(child.id()).unwrap();
        let watch = ExitWatch::new(&life).unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(20), watch.ended()).await.is_err());
        child.kill().unwrap();
        tokio::time::timeout(Duration::from_secs(10), watch.ended()).await.unwrap();
        child.wait().unwrap();
        tokio::time::timeout(Duration::from_secs(10), watch.ended()).await.unwrap();
        assert!(matches!(ExitWatch::new(&life), Err(WatchError::Gone { .. })));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn another_life_of_the_same_pid_is_not_watched() {
        let mut other = incarnation_of(std::process::id()).unwrap();
        other.start += 1;
        assert!(matches!(ExitWatch::new(&other), Err(WatchError::Gone { .. })));
    }
}
