//! `timerfd` on `CLOCK_BOOTTIME`.

use crate::host::clock;
use clawmend_core::time::Moment;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// See the facade.
#[derive(Debug)]
pub struct Timer {
    fd: AsyncFd<OwnedFd>,
    armed: Option<Moment>,
}

impl Timer {
    /// See the facade.
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        // Deprecated because a type could close its descriptor while it is registered; an `OwnedFd` cannot, and the
        // replacement needs `unsafe`.
        #[allow(deprecated)]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self { fd, armed: None })
    }

    /// See the facade.
    pub async fn reached(&mut self, moment: Moment) -> io::Result<()> {
        if self.armed != Some(moment) {
            arm(&self.fd, moment)?;
            self.armed = Some(moment);
        }
        loop {
            // The descriptor is never read: each ring is an edge of its own for epoll, and arming forgets the rings.
            self.fd.readable().await?.clear_ready();
            // A ring that nobody waited for may belong to an earlier moment.
            if clock::now().mono >= moment {
                self.armed = None;
                return Ok(());
            }
        }
    }
}

fn arm(fd: &AsyncFd<OwnedFd>, moment: Moment) -> io::Result<()> {
    // Zero would disarm it.
    let ms = moment.0.max(1);
    let value = Timespec {
        tv_sec: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ms % 1_000).unwrap_or(0) * 1_000_000,
    };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
    timerfd_settime(fd.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
    Ok(())
}
