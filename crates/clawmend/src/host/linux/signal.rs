//! `pidfd_send_signal`, never `kill`.

use super::pidfd;
use super::process::incarnation_of;
use crate::host::pidfd::WatchError;
use crate::host::signal::{Sent, Signal, SignalError};
use clawmend_core::gateway::Incarnation;
use rustix::io::Errno;
use rustix::process::{Signal as Raw, pidfd_send_signal};

/// See the facade.
pub fn send(to: &Incarnation, signal: Signal) -> Result<Sent, SignalError> {
    let fd = match pidfd::open(to) {
        Ok(fd) => fd,
        Err(WatchError::Gone { .. }) => return Ok(Sent::Gone),
        Err(WatchError::CannotWatch { pid, reason }) => return Err(SignalError::Unproven { pid, reason }),
    };
    match pidfd_send_signal(&fd, raw(signal)) {
        Ok(()) => Ok(Sent::Delivered),
        Err(Errno::SRCH) => Ok(Sent::Gone),
        Err(Errno::PERM) => Err(SignalError::NotPermitted { pid: to.pid }),
        Err(other) => Err(SignalError::Unproven { pid: to.pid, reason: other.to_string() }),
    }
}

/// See the facade. SIGCONT does nothing to who is not stopped.
pub fn provable() -> Result<(), String> {
    let needs = |why: String| {
        format!(
            "pidfd_open and pidfd_send_signal are needed ({why}): Linux 5.3 or later, and a sandbox that allows them"
        )
    };
    let own = incarnation_of(std::process::id()).ok_or_else(|| needs("/proc cannot be read".to_owned()))?;
    match send(&own, Signal::Cont) {
        Ok(Sent::Delivered) => Ok(()),
        Ok(Sent::Gone) => Err(needs("this process is not found".to_owned())),
        Err(error) => Err(needs(error.to_string())),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn processes_can_be_proven_here() {
        assert_eq!(provable(), Ok(()));
    }

    #[test]
    fn only_the_life_that_is_meant_is_signalled() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let life = incarnation_of(child.id()).unwrap();
        let mut other = life.clone();
        other.start -= 1;
        assert_eq!(send(&other, Signal::Kill).unwrap(), Sent::Gone);
        let mut other = life.clone();
        other.boot = "another boot".to_owned();
        assert_eq!(send(&other, Signal::Kill).unwrap(), Sent::Gone);
        assert!(child.try_wait().unwrap().is_none(), "still alive");
        assert_eq!(send(&life, Signal::Term).unwrap(), Sent::Delivered);
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        assert_eq!(send(&life, Signal::Kill).unwrap(), Sent::Gone);
    }
}
