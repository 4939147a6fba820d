//! A moment of the boot clock as something to poll.
//!
//! Invariant: the moment is absolute and its clock counts sleep, so that neither a pause of this process nor one of the
//! machine moves it: who slept through it finds it readable on waking.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// `timerfd` on `CLOCK_BOOTTIME`.
#[derive(Debug)]
pub struct Timer(OwnedFd);

impl Timer {
    /// Nothing is set yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self(timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?))
    }

    /// Readable from this moment on, in milliseconds since boot; `None`: never. Forgets what was set before.
    pub fn set(&self, at_ms: Option<u64>) -> io::Result<()> {
        // Zero would mean never.
        let ms = at_ms.map_or(0, |ms| ms.max(1));
        let value = Timespec {
            tv_sec: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(ms % 1_000).unwrap_or(0) * 1_000_000,
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
