//! The guarded service and its lives.
//!
//! Invariant: an [`Incarnation`] names one process for ever. A pid alone never does, so nothing in this
//! program acts on a bare pid.

use serde::{Deserialize, Serialize};

/// Name of a gateway on this host: `default`, or the OpenClaw profile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GatewayId(pub String);

/// One life of a gateway's process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    /// Process id.
    pub pid: u32,
    /// Start time as the kernel tells it, in its own unit (Linux: clock ticks since boot, `/proc/PID/stat` field
    /// 22; macOS: microseconds since the epoch; Windows: 100 ns since 1601). Only compared, never calculated with.
    pub start: u64,
    /// Which boot of the machine (Linux: `/proc/sys/kernel/random/boot_id`).
    pub boot: String,
}

/// Who owns the process, and so whose hand restarts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A child of our keeper.
    Child,
    /// A unit of a systemd user or system manager.
    Systemd,
    /// A LaunchAgent or LaunchDaemon.
    Launchd,
    /// A Windows Scheduled Task.
    ScheduledTask,
    /// Started by hand or by something unknown: we watch, and can signal it only as its own user.
    Foreign,
}

/// What we may do to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// We have the rights to act.
    Full,
    /// We can only look, and say so.
    Observe,
}
