//! `kill` after the start time was proven. macOS has no handle on a process like Linux's pidfd, so a pid that is
//! reused within the microseconds between the two calls would be hit; its pids count up to 99 999 before any is.

use crate::host::signal::{Sent, Signal, SignalError};
use crate::host::table::incarnation_of;
use clawmend_core::gateway::Incarnation;
use rustix::io::Errno;
use rustix::process::{Pid, Signal as Raw, kill_process};

/// See the facade.
#[allow(clippy::unnecessary_wraps, reason = "the same on every system")]
pub const fn provable() -> Result<(), String> {
    Ok(())
}

/// See the facade.
pub fn send(to: &Incarnation, signal: Signal) -> Result<Sent, SignalError> {
    let Some(pid) = i32::try_from(to.pid).ok().and_then(Pid::from_raw) else { return Ok(Sent::Gone) };
    if incarnation_of(to.pid).as_ref() != Some(to) {
        return Ok(Sent::Gone);
    }
    match kill_process(pid, raw(signal)) {
        Ok(()) => Ok(Sent::Delivered),
        Err(Errno::SRCH) => Ok(Sent::Gone),
        Err(Errno::PERM) => Err(SignalError::NotPermitted { pid: to.pid }),
        Err(other) => Err(SignalError::Unproven { pid: to.pid, reason: other.to_string() }),
    }
}

fn raw(signal: Signal) -> Raw {
    match signal {
        Signal::Term => Raw::TERM,
        Signal::Int => Raw::INT,
        Signal::Kill => Raw::KILL,
        Signal::Cont => Raw::CONT,
        Signal::Stop => Raw::STOP,
        Signal::Abort => Raw::ABORT,
        Signal::User1 => Raw::USR1,
        Signal::User2 => Raw::USR2,
    }
}
