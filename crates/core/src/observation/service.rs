//! What a service manager says of the gateway's unit. Named after systemd, which tells the most; launchd and the
//! Windows Task Scheduler fill in what they know.

use super::Exit;
use serde::{Deserialize, Serialize};

/// The unit's state (`ActiveState` with the substates that matter).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActiveState {
    /// Running.
    Active,
    /// A start is under way.
    Activating,
    /// It ended, and the manager will start it again after its own delay.
    AutoRestart,
    /// A stop is under way.
    Deactivating,
    /// Not running, and nobody asked for it.
    Inactive,
    /// Not running, and the manager gave up.
    Failed,
    /// The unit does not exist, or is masked.
    NotFound,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Start.
    Start,
    /// Stop.
    Stop,
    /// Restart, or try-restart.
    Restart,
}

/// A job the manager works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Job {
    /// What it does.
    pub kind: JobKind,
    /// We asked for it.
    pub ours: bool,
}

/// The unit's own limits, read from the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// `StartLimitBurst`; zero: no limit.
    pub start_burst: u32,
    /// `StartLimitIntervalUSec`.
    pub start_interval_ms: u64,
    /// `TimeoutStopUSec`.
    pub stop_timeout_ms: u64,
    /// `RestartUSec`.
    pub restart_delay_ms: u64,
    /// `Restart=` is such that the manager starts it again after a crash.
    pub restarts: bool,
}

/// A look at the unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSeen {
    /// State.
    pub state: ActiveState,
    /// State, job and main process have not changed for the settling time (100 ms): transient `inactive` and
    /// `failed` on the way to an automatic restart last up to 2 ms (systemd 252).
    pub settled: bool,
    /// A job under way.
    pub job: Option<Job>,
    /// `ExecMainPID` while it runs.
    pub main_pid: Option<u32>,
    /// How the last main process ended.
    pub last_exit: Option<Exit>,
    /// Changes with every start (`InvocationID`).
    pub invocation: u64,
    /// Starts at boot or login (`UnitFileState` is `enabled`).
    pub enabled: bool,
    /// Limits.
    pub limits: Limits,
}
