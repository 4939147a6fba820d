//! Service managers: what they say of the gateway's unit, and the few calls that we make.
//!
//! Invariant: nothing here decides. A [`Unit`] turns the manager's signals into [`ServiceEvent`]s in the order in
//! which the manager sent them, and carries out single calls; none of these calls except [`Unit::start`] can bring
//! back a unit that a person has stopped. Start with [`watch`].

pub mod at_boot;
pub mod launchd;
pub mod own_unit;
#[cfg(target_os = "linux")]
pub mod systemd;
pub mod task_scheduler;
mod unit_words;

pub use unit_words::{Heard, UnitWords};

use clawmend_core::directive::ActionResult;
use clawmend_core::gateway::Control;
use clawmend_core::observation::{JobKind, ServiceSeen};
use std::path::PathBuf;
use tokio::sync::mpsc;

/// Which service manager to talk to, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manager {
    /// The user's own systemd, found also without a login session.
    SystemdUser,
    /// The machine's systemd.
    SystemdSystem,
    /// A user's systemd behind this D-Bus address.
    SystemdAt(String),
    /// macOS.
    Launchd,
    /// Windows.
    TaskScheduler,
}

/// Name of a unit, task or agent; proven to be harmless as an argument and in a log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnitName(String);

impl UnitName {
    /// Takes a full unit name, such as `openclaw-gateway.service`.
    ///
    /// # Errors
    /// When it has characters that no unit name has, or is too long (systemd allows 255 bytes).
    pub fn parse(text: &str) -> Result<Self, ServiceError> {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@ ".contains(&byte);
        if text.is_empty() || text.len() > 255 || text.starts_with(['-', '.', ' ']) || !text.bytes().all(fine) {
            return Err(ServiceError::BadName);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why we may only look at a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// For people, in one line.
    pub reason: String,
    /// The polkit rule that would allow it, where one would.
    pub rule: Option<String>,
}

/// Why a unit cannot be watched or a call cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The name is no unit name. A person must correct it.
    #[error("not a unit name: at most 255 letters, digits and :-_.\\@")]
    BadName,
    /// A value has characters that no file of the manager's can hold. A person must change it.
    #[error("a path or a setting has a line break or another control character, which a unit cannot hold")]
    BadValue,
    /// This build does not know the manager.
    #[error("{manager} is not supported here yet; it would need: {needs}")]
    Unsupported {
        /// The manager.
        manager: &'static str,
        /// The calls that an adapter would make.
        needs: &'static str,
    },
}

/// A look at the unit, with what the manager knows beyond [`ServiceSeen`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// What decisions are made on.
    pub seen: ServiceSeen,
    /// The last start was part of the manager's own start-up (boot, login), so no person asked for it.
    pub started_at_boot: bool,
    /// Automatic restarts since the last start by hand (`NRestarts`); a start by hand sets it to zero.
    pub restarts: u32,
    /// The file that defines the unit, worth a copy before anyone repairs it.
    pub fragment: Option<PathBuf>,
}

/// Something the manager told us. The order is the manager's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceEvent {
    /// The manager answers; a [`ServiceEvent::Seen`] follows.
    Connected {
        /// Its version, as it names it (`252.38-1~deb12u1`).
        version: String,
    },
    /// The manager or its bus is gone; we try again. Says nothing of the gateway.
    Lost {
        /// Why.
        reason: String,
        /// When we try again.
        retry_in_ms: u64,
    },
    /// The unit's state.
    Seen(Box<Look>),
    /// A job for the unit that is neither ours nor the manager's own: a person or another program.
    ForeignJob(JobKind),
    /// What we may do has changed: [`Unit::control`] tells.
    Rights,
}

/// Handle of a watched unit. Calls are carried out one after another; each ends within [`Unit::CALL_LIMIT_MS`].
#[derive(Clone, Debug)]
pub struct Unit {
    #[cfg(target_os = "linux")]
    inner: systemd::Handle,
    #[cfg(not(target_os = "linux"))]
    inner: std::convert::Infallible,
}

/// Watches a unit from now on. Must be called inside a tokio runtime; the watch ends when the receiver or every
/// handle is dropped.
///
/// # Errors
/// When this build cannot talk to that manager. A manager that does not answer is no error but
/// [`ServiceEvent::Lost`].
pub fn watch(manager: Manager, name: UnitName) -> Result<(Unit, mpsc::Receiver<ServiceEvent>), ServiceError> {
    match manager {
        Manager::Launchd => Err(launchd::unsupported()),
        Manager::TaskScheduler => Err(task_scheduler::unsupported()),
        #[cfg(target_os = "linux")]
        Manager::SystemdUser | Manager::SystemdSystem | Manager::SystemdAt(_) => {
            let (inner, events) = systemd::watch(manager, name);
            Ok((Unit { inner }, events))
        }
        #[cfg(not(target_os = "linux"))]
        Manager::SystemdUser | Manager::SystemdSystem | Manager::SystemdAt(_) => {
            let _ = name;
            Err(ServiceError::Unsupported { manager: "systemd", needs: "a Linux build" })
        }
    }
}

/// One call to the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Only while the unit waits for its automatic restart.
    TryRestart,
    /// Only while this is the unit's main process.
    Restart(u32),
    Start,
    ResetFailed,
    Stop,
    /// Only while this is the unit's main process.
    KillMain {
        main_pid: u32,
        signal: i32,
    },
    SetEnabled(bool),
}

impl Unit {
    /// Longest time until a call ends, also when the manager does not answer.
    pub const CALL_LIMIT_MS: u64 = 5_000;

    /// Shortens the manager's restart delay (`TryRestartUnit`, mode `fail`). `Moot`, and nothing is sent, when the unit
    /// does not wait for its automatic restart now: the same call would restart one that has just been started.
    pub async fn try_restart(&self) -> ActionResult {
        self.call(Call::TryRestart).await
    }

    /// Restarts a running unit in order (`TryRestartUnit`, mode `fail`). Ends when the manager has taken the job: its
    /// work may take minutes to finish. `Moot`, and nothing is sent, when `main_pid` is not its main process any more.
    pub async fn restart(&self, main_pid: u32) -> ActionResult {
        self.call(Call::Restart(main_pid)).await
    }

    /// Starts the unit (`StartUnit`, mode `fail`). Revives a stopped unit: only for a settled `failed` without a
    /// person's stop, or by a person's wish.
    pub async fn start(&self) -> ActionResult {
        self.call(Call::Start).await
    }

    /// Clears `failed` and the manager's own start limit. Starts nothing.
    pub async fn reset_failed(&self) -> ActionResult {
        self.call(Call::ResetFailed).await
    }

    /// Stops the unit (`StopUnit`, mode `replace`). Ends when the manager has taken the job; a drain may last long.
    pub async fn stop(&self) -> ActionResult {
        self.call(Call::Stop).await
    }

    /// Sends a signal to the unit's main process (`KillUnit`): where the process belongs to another user, and only its
    /// manager may. `Moot`, and nothing is sent, when `main_pid` is not its main process any more.
    pub async fn kill_main(&self, main_pid: u32, signal: i32) -> ActionResult {
        self.call(Call::KillMain { main_pid, signal }).await
    }

    /// Puts the unit into the boot sequence or takes it out. Its file stays as it is.
    pub async fn set_enabled(&self, on: bool) -> ActionResult {
        self.call(Call::SetEnabled(on)).await
    }

    #[cfg(target_os = "linux")]
    async fn call(&self, call: Call) -> ActionResult {
        self.inner.call(call).await
    }

    #[cfg(not(target_os = "linux"))]
    async fn call(&self, _call: Call) -> ActionResult {
        match self.inner {}
    }

    /// What the unit has printed.
    #[must_use]
    pub fn words(&self) -> UnitWords {
        #[cfg(target_os = "linux")]
        return self.inner.words();
        #[cfg(not(target_os = "linux"))]
        match self.inner {}
    }

    /// Why we may only look at the unit, while that is so.
    #[must_use]
    pub fn restriction(&self) -> Option<Restriction> {
        #[cfg(target_os = "linux")]
        return self.inner.restriction();
        #[cfg(not(target_os = "linux"))]
        match self.inner {}
    }

    /// Whether we may act on the unit. A system unit is only observed until its manager says yes.
    #[must_use]
    pub fn control(&self) -> Control {
        #[cfg(target_os = "linux")]
        return self.inner.control();
        #[cfg(not(target_os = "linux"))]
        match self.inner {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn unit_names_are_proven() {
        assert!(UnitName::parse("openclaw-gateway-x.service").is_ok());
        for bad in ["", "-H evil", "a\nb.service", "../x.service", "a/b.service"] {
            assert!(UnitName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn managers_of_other_systems_say_what_they_would_need() {
        let name = UnitName::parse("ai.openclaw.gateway").unwrap();
        for manager in [Manager::Launchd, Manager::TaskScheduler] {
            assert!(matches!(watch(manager, name.clone()), Err(ServiceError::Unsupported { .. })));
        }
    }
}
