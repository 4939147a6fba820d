//! The unit as systemd last told it: properties read once, then kept by the changes that systemd signals.
//!
//! Invariant: a property that was not told keeps its last value, and nothing panics on a value of another type.

use super::super::Look;
use clawmend_core::observation::{ActiveState, Exit, Job, Limits, ServiceSeen};
use std::collections::HashMap;
use std::path::PathBuf;
use zbus::{Array, OwnedVariant, Variant};

/// Properties by name, as D-Bus carries them.
pub type Told = HashMap<String, OwnedVariant>;

/// When the manager started, in µs since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartUp {
    /// `UserspaceTimestampMonotonic`.
    pub began_us: u64,
    /// `FinishTimestampMonotonic`; zero: not finished.
    pub finished_us: u64,
}

/// Everything that we keep of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    load: String,
    active: String,
    sub: String,
    /// Path of the installed job.
    pub job: Option<String>,
    /// `InvocationID`, folded.
    pub invocation: u64,
    /// `NRestarts`.
    pub restarts: u32,
    pub enabled: bool,
    fragment: String,
    start_burst: u32,
    start_interval_us: u64,
    stop_timeout_us: u64,
    restart_delay_us: u64,
    restart: String,
    main_pid: u32,
    exec_start_us: u64,
    exec_code: i32,
    exec_status: i32,
}

/// What must stay the same for the settling time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settling(Option<ActiveState>, Option<String>, u32, u64);

impl Properties {
    /// Takes over what was told.
    pub fn merge(&mut self, told: &Told) {
        let text = |name: &str, into: &mut String| {
            if let Some(Variant::Str(value)) = told.get(name).map(|value| &**value) {
                *into = value.as_str().chars().filter(|char| !char.is_control()).take(4096).collect();
            }
        };
        text("LoadState", &mut self.load);
        text("ActiveState", &mut self.active);
        text("SubState", &mut self.sub);
        text("FragmentPath", &mut self.fragment);
        text("Restart", &mut self.restart);
        let small = |name: &str, into: &mut u32| {
            if let Some(Variant::U32(value)) = told.get(name).map(|value| &**value) {
                *into = *value;
            }
        };
        small("NRestarts", &mut self.restarts);
        small("StartLimitBurst", &mut self.start_burst);
        small("MainPID", &mut self.main_pid);
        let long = |name: &str, into: &mut u64| {
            if let Some(Variant::U64(value)) = told.get(name).map(|value| &**value) {
                *into = *value;
            }
        };
        long("StartLimitIntervalUSec", &mut self.start_interval_us);
        long("TimeoutStopUSec", &mut self.stop_timeout_us);
        long("RestartUSec", &mut self.restart_delay_us);
        long("ExecMainStartTimestampMonotonic", &mut self.exec_start_us);
        let signed = |name: &str, into: &mut i32| {
            if let Some(Variant::I32(value)) = told.get(name).map(|value| &**value) {
                *into = *value;
            }
        };
        signed("ExecMainCode", &mut self.exec_code);
        signed("ExecMainStatus", &mut self.exec_status);
        if let Some(Variant::Array(bytes)) = told.get("InvocationID").map(|value| &**value) {
            self.invocation = fold(bytes);
        }
        if let Some(Variant::Structure(job)) = told.get("Job").map(|value| &**value) {
            self.job = match job.fields() {
                [Variant::U32(id), Variant::ObjectPath(path)] if *id != 0 => Some(path.as_str().to_owned()),
                _ => None,
            };
        }
    }

    /// The unit was unloaded: systemd only does that to a unit that is stopped and has no job.
    pub fn unloaded(&mut self) {
        "inactive".clone_into(&mut self.active);
        "dead".clone_into(&mut self.sub);
        self.job = None;
        self.main_pid = 0;
    }

    /// The unit's state; a state of a later systemd that we do not know is read by its `ActiveState`.
    pub fn state(&self) -> ActiveState {
        if matches!(self.load.as_str(), "not-found" | "masked" | "bad-setting" | "error")
            && matches!(self.active.as_str(), "inactive" | "")
        {
            return ActiveState::NotFound;
        }
        match (self.active.as_str(), self.sub.as_str()) {
            (_, "auto-restart" | "auto-restart-queued") => ActiveState::AutoRestart,
            // On the way to an automatic restart (254 and later); a call would have no effect yet.
            (_, "dead-before-auto-restart" | "failed-before-auto-restart") => ActiveState::Activating,
            ("active" | "reloading" | "refreshing", _) => ActiveState::Active,
            ("activating", _) => ActiveState::Activating,
            ("deactivating", _) => ActiveState::Deactivating,
            ("failed", _) => ActiveState::Failed,
            _ => ActiveState::Inactive,
        }
    }

    /// See [`Settling`].
    pub fn settling(&self) -> Settling {
        Settling(Some(self.state()), self.job.clone(), self.main_pid, self.invocation)
    }

    /// The main process, while there is one.
    pub fn main_pid(&self) -> Option<u32> {
        (self.main_pid != 0).then_some(self.main_pid)
    }

    fn last_exit(&self) -> Option<Exit> {
        // CLD_EXITED, CLD_KILLED, CLD_DUMPED; zero while it runs.
        match self.exec_code {
            1 => Some(Exit::Code { code: self.exec_status }),
            2 => Some(Exit::Signal { signal: self.exec_status, core: false }),
            3 => Some(Exit::Signal { signal: self.exec_status, core: true }),
            _ => None,
        }
    }

    fn limits(&self) -> Limits {
        let ms = |us: u64| if us == u64::MAX { u64::MAX } else { us / 1_000 };
        Limits {
            start_burst: self.start_burst,
            start_interval_ms: ms(self.start_interval_us),
            stop_timeout_ms: ms(self.stop_timeout_us),
            restart_delay_ms: ms(self.restart_delay_us),
            restarts: matches!(self.restart.as_str(), "always" | "on-failure" | "on-abnormal" | "on-abort"),
        }
    }

    /// The look that goes out. `job` is filled in once it is known whose it is.
    pub fn look(&self, settled: bool, start_up: StartUp) -> Look {
        let started = self.exec_start_us != 0 && self.exec_start_us >= start_up.began_us;
        Look {
            seen: ServiceSeen {
                state: self.state(),
                settled,
                job: None::<Job>,
                main_pid: (self.main_pid != 0).then_some(self.main_pid),
                last_exit: self.last_exit(),
                invocation: self.invocation,
                enabled: self.enabled,
                limits: self.limits(),
            },
            started_at_boot: started && (start_up.finished_us == 0 || self.exec_start_us <= start_up.finished_us),
            restarts: self.restarts,
            fragment: (!self.fragment.is_empty()).then(|| PathBuf::from(&self.fragment)),
        }
    }
}

/// Folds the 16 bytes of an invocation id into eight; they are random, so any change shows.
fn fold(bytes: &Array<'_>) -> u64 {
    let mut folded = [0_u8; 8];
    for (at, byte) in bytes.inner().iter().enumerate() {
        if let Variant::U8(byte) = byte {
            folded[at % 8] ^= *byte;
        }
    }
    u64::from_le_bytes(folded)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn told(pairs: &[(&str, Variant<'static>)]) -> Told {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.try_to_owned().unwrap())).collect()
    }

    #[test]
    fn states_are_read_by_substate_first() {
        let mut unit = Properties::default();
        let mut set = |active: &'static str, sub: &'static str| {
            unit.merge(&told(&[
                ("ActiveState", active.into()),
                ("SubState", sub.into()),
                ("LoadState", "loaded".into()),
            ]));
            unit.state()
        };
        assert_eq!(set("activating", "auto-restart"), ActiveState::AutoRestart);
        assert_eq!(set("activating", "auto-restart-queued"), ActiveState::AutoRestart);
        assert_eq!(set("failed", "failed-before-auto-restart"), ActiveState::Activating);
        assert_eq!(set("failed", "failed"), ActiveState::Failed);
        assert_eq!(set("deactivating", "stop-sigterm"), ActiveState::Deactivating);
        assert_eq!(set("inactive", "dead"), ActiveState::Inactive);
    }

    #[test]
    fn values_of_a_wrong_type_change_nothing() {
        let mut unit = Properties::default();
        unit.merge(&told(&[("MainPID", 7_u32.into()), ("ActiveState", "active".into())]));
        let before = unit.clone();
        unit.merge(&told(&[("MainPID", "7".into()), ("ActiveState", 3_u32.into()), ("Job", 1_u8.into())]));
        assert_eq!(unit, before);
    }

    #[test]
    fn a_start_during_the_managers_own_start_is_a_boot_start() {
        let mut unit = Properties::default();
        unit.merge(&told(&[("ExecMainStartTimestampMonotonic", 150_u64.into())]));
        let at = |began_us, finished_us| unit.look(true, StartUp { began_us, finished_us }).started_at_boot;
        assert!(at(100, 200) && at(100, 0));
        assert!(!at(100, 120) && !at(160, 0));
    }
}
