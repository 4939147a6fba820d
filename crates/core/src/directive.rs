//! What the state machine asks an adapter to do.
//!
//! Invariant: every [`Directive`] that touches a gateway was built by [`crate::plan`] and has passed
//! [`crate::check`]; it names its incident and the life of the process that it is meant for, so that a stale one
//! does nothing.

use crate::diagnosis::Cause;
use crate::gateway::Incarnation;
use crate::incident::IncidentEvent;
use crate::time::Wall;
use serde::{Deserialize, Serialize};

/// Names a directive, across restarts of the guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DirectiveId(pub u64);

/// Names an incident. Grows with time; 0 is never used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

/// One request to an adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Directive {
    /// Its name; the adapter's [`ActionResult`] comes back with it.
    pub id: DirectiveId,
    /// The incident that it serves.
    pub incident: Option<IncidentId>,
    /// The life it is meant for. For a start: the life that ended, if any.
    pub target: Option<Incarnation>,
    /// What to do.
    pub action: Action,
    /// Why, in a few words for the record.
    pub reason: String,
}

/// The closed list of things that can be done to a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Child: spawn through the keeper. Needs its intent in the runtime folder first.
    Spawn,
    /// Service: shorten the manager's own restart delay without being able to revive a stopped unit
    /// (systemd: `TryRestartUnit`, mode `fail`).
    Hasten,
    /// Service: start from a settled `failed` (systemd: `ResetFailedUnit` where the start limit was hit, then `StartUnit`).
    StartUnit {
        /// The manager gave up because of its own start limit, which is reset first.
        reset_limit: bool,
    },
    /// Service: restart in order without being able to revive a stopped unit (systemd: `TryRestartUnit`, mode `fail`).
    RestartUnit,
    /// Service: stop by a person's wish.
    StopUnit,
    /// Service: take the unit out of (`false`) or put it back into (`true`) the boot sequence, after an emergency
    /// stop and its end. The unit's file stays as it is.
    EnableUnit {
        /// Put it back.
        on: bool,
    },
    /// Ask the process to end in order: SIGTERM, and SIGCONT when it was stopped.
    Terminate {
        /// It was stopped by a signal: wake it so that it can end.
        wake: bool,
    },
    /// End the process at once (SIGKILL to this incarnation). Durable before it happens.
    Kill,
    /// End what the dead life left behind: processes of its own group or cgroup that carry its nonce. Durable before.
    Sweep,
    /// Bring back the newest proven config in place of the one that the gateway refused to start with. The old
    /// content is durable before; roles, security and changed credentials stay as they are.
    RestoreConfig {
        /// Fingerprint of the config that was refused; another one on disk by then is left alone.
        rejected: u64,
    },
    /// Delete old logs, OpenClaw's and ours, from a disk that has no room. Never one that is being written.
    FreeLogs,
    /// Have the gateway resolve its secrets again, over RPC.
    ReloadSecrets,
    /// Move a session's lock aside whose owner is proven dead (pid and start time). Nothing is deleted.
    SetLockAside,
    /// Start a channel account over RPC.
    StartChannel {
        /// Such as `telegram`.
        channel: String,
        /// Such as `default`.
        account: String,
    },
}

impl Action {
    /// It ends a process by force.
    #[must_use]
    pub const fn is_kill(&self) -> bool {
        matches!(self, Self::Kill | Self::Sweep)
    }

    /// It leads to a new life of the gateway.
    #[must_use]
    pub const fn is_start(&self) -> bool {
        matches!(self, Self::Spawn | Self::Hasten | Self::StartUnit { .. })
    }

    /// Stable name for records, JSON and scripts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::Hasten => "hasten",
            Self::StartUnit { .. } => "start_unit",
            Self::RestartUnit => "restart_unit",
            Self::StopUnit => "stop_unit",
            Self::EnableUnit { on: true } => "enable_unit",
            Self::EnableUnit { on: false } => "disable_unit",
            Self::Terminate { .. } => "terminate",
            Self::Kill => "kill",
            Self::Sweep => "sweep",
            Self::RestoreConfig { .. } => "restore_config",
            Self::FreeLogs => "free_logs",
            Self::ReloadSecrets => "reload_secrets",
            Self::SetLockAside => "set_lock_aside",
            Self::StartChannel { .. } => "start_channel",
        }
    }
}

/// How an action ended. Whether it *helped* is decided later, by verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ActionResult {
    /// Done.
    Done,
    /// Nothing to do: the target was gone, stopped by a person, or already as wanted.
    Moot {
        /// Why.
        reason: String,
    },
    /// It did not work this time and may work later.
    Retry {
        /// Why.
        reason: String,
    },
    /// Nobody can tell: the guard ended before it knew. Only the next guard says so.
    Unknown {
        /// What is known of it.
        reason: String,
    },
    /// It cannot work without a person (no permission, no such program).
    NeedsPerson {
        /// Why, and what to do.
        reason: String,
    },
}

/// How closely the adapters should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cadence {
    /// Between two HTTP probes.
    pub http_ms: u32,
    /// Between two looks at the process.
    pub process_ms: u32,
    /// Also look at listener, cgroup, inspector and descriptors each time.
    pub closely: bool,
    /// Ask `/readyz` (and `/startupz` while starting) with each HTTP probe.
    pub readiness: bool,
}

/// Everything that comes out of the state machine besides its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// Do this.
    Do(Directive),
    /// Write this into the incident's record.
    Record(IncidentEvent),
    /// The standing wishes changed: make them durable. Comes before any directive that follows from them.
    Remember(crate::wish::Standing),
    /// What must survive a restart of the guard changed (budgets, learned boots, the open incident).
    Persist,
    /// The verdict changed: tell those who watch.
    Changed,
    /// Ask the doctor about the open incident. The answer comes back as evidence.
    Examine(Question),
    /// Ask an AI about the open incident, which no case explains. The answer comes back as evidence.
    Consult(Question),
    /// A case's remedy was tried, and its success was judged: keep that.
    Learned(Lesson),
    /// The steps that an AI proposed for this incident are what it was proven well by: keep its answer for a person.
    CounselHelped(IncidentId),
}

/// What the doctor is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// About which incident.
    pub incident: IncidentId,
    /// What the guard itself has found.
    pub cause: Cause,
    /// From when on logs count: a little before the trouble began.
    pub since: Wall,
}

/// What became of a repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// In which incident.
    pub incident: IncidentId,
    /// By which case.
    pub case: String,
    /// The gateway was proven well by it.
    pub worked: bool,
}
