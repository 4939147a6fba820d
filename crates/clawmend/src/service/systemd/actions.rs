//! Our calls: the message each becomes, and what an answer means.
//!
//! Invariant: an answer is judged by the error's name, never by its text.

use super::super::Call;
use super::Watch;
use super::bus::{MANAGER, SYSTEMD, SYSTEMD_PATH, call};
use super::properties::Properties;
use super::rights;
use clawmend_core::directive::ActionResult;
use clawmend_core::observation::ActiveState;
use zbus::Message;

/// It did not work this time.
pub fn retry(reason: impl Into<String>) -> ActionResult {
    ActionResult::Retry { reason: reason.into() }
}

/// Nothing to do.
pub fn moot(reason: impl Into<String>) -> ActionResult {
    ActionResult::Moot { reason: reason.into() }
}

/// Whether systemd answers with a job.
pub const fn makes_job(what: Call) -> bool {
    matches!(what, Call::TryRestart | Call::Restart(_) | Call::Start | Call::Stop)
}

/// Whether the result waits for the end of the job. A stop may drain for minutes.
pub const fn awaits_job(what: Call) -> bool {
    matches!(what, Call::TryRestart | Call::Start)
}

/// Why a call would miss what it was meant for, as the unit was last told: a late call must not hit a new process.
pub fn misses(what: Call, unit: &Properties) -> Option<&'static str> {
    match what {
        Call::TryRestart if unit.state() != ActiveState::AutoRestart => {
            Some("the unit does not wait for its automatic restart")
        }
        Call::Restart(main_pid) | Call::KillMain { main_pid, .. } if unit.main_pid() != Some(main_pid) => {
            Some("the process that was meant is not the unit's main process any more")
        }
        Call::TryRestart
        | Call::Restart(_)
        | Call::Start
        | Call::Stop
        | Call::ResetFailed
        | Call::KillMain { .. }
        | Call::SetEnabled(_) => None,
    }
}

/// The message for a call.
pub fn message(what: Call, unit: &str) -> zbus::Result<Message> {
    let to_manager = |member: &str, mode: &str| call(SYSTEMD, SYSTEMD_PATH, MANAGER, member, &(unit, mode));
    match what {
        Call::TryRestart | Call::Restart(_) => to_manager("TryRestartUnit", "fail"),
        Call::Start => to_manager("StartUnit", "fail"),
        Call::Stop => to_manager("StopUnit", "replace"),
        Call::ResetFailed => call(SYSTEMD, SYSTEMD_PATH, MANAGER, "ResetFailedUnit", &(unit,)),
        Call::KillMain { signal, .. } => call(SYSTEMD, SYSTEMD_PATH, MANAGER, "KillUnit", &(unit, "main", signal)),
        // `runtime` is false: the link is to survive a reboot. `force` is false: no other link is replaced.
        Call::SetEnabled(true) => call(SYSTEMD, SYSTEMD_PATH, MANAGER, "EnableUnitFiles", &(vec![unit], false, false)),
        Call::SetEnabled(false) => call(SYSTEMD, SYSTEMD_PATH, MANAGER, "DisableUnitFiles", &(vec![unit], false)),
    }
}

/// What a refusal means.
pub fn refused(what: Call, error: &str, watch: &Watch) -> ActionResult {
    let (prefix, name) = error.rsplit_once('.').unwrap_or(("", error));
    let systemds_own = prefix == SYSTEMD;
    match name {
        // Mode `fail`: another job, such as a person's stop, is under way.
        "TransactionIsDestructive" if systemds_own => moot("another job for the unit is under way"),
        "NoSuchUnit" if systemds_own && what == Call::ResetFailed => moot("the unit is not loaded"),
        "NoSuchProcess" if systemds_own => moot("the unit has no main process"),
        "NoSuchUnit" | "UnitMasked" | "LoadFailed" | "BadUnitSetting" if systemds_own => ActionResult::NeedsPerson {
            reason: format!("systemd cannot use {}: {name}; see `systemctl status`", watch.name.as_str()),
        },
        _ if rights::denies(error) => {
            ActionResult::NeedsPerson { reason: rights::restriction(&watch.manager, &watch.name).reason }
        }
        _ => retry(format!("systemd answered {error}")),
    }
}

/// What a finished job means.
pub fn finished(what: Call, result: &str, new_life: bool) -> ActionResult {
    match (result, what) {
        ("done", Call::TryRestart) if !new_life => {
            moot("the unit is stopped, or this systemd does not shorten its restart delay")
        }
        ("done", _) => ActionResult::Done,
        ("canceled", _) => moot("another job took the place of ours"),
        ("failed", _) => retry("the start failed: systemd's own start limit, or the program cannot be run"),
        (other, _) => retry(format!("systemd ended the job with {other}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::{Manager, UnitName};
    use super::*;

    #[test]
    fn refusals_are_judged_by_name() {
        let watch = Watch {
            manager: Manager::SystemdSystem,
            name: UnitName::parse("openclaw.service").unwrap(),
            may_act: std::sync::Arc::default(),
        };
        let of = |error| refused(Call::TryRestart, error, &watch);
        assert!(matches!(of("org.freedesktop.systemd1.TransactionIsDestructive"), ActionResult::Moot { .. }));
        assert!(
            matches!(of("org.freedesktop.DBus.Error.AccessDenied"), ActionResult::NeedsPerson { reason } if reason.contains("polkit"))
        );
        assert!(matches!(of("org.freedesktop.DBus.Error.NoReply"), ActionResult::Retry { .. }));
    }
}
