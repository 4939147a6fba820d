//! What a process may use, and how long it was held back.

use super::os;
use clawmend_core::gateway::Incarnation;

/// `None`: there is no limit, or the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most descriptors that it may open (the soft limit).
    pub descriptors: Option<u64>,
    /// Most memory of its cgroup, or the one above that has the least.
    pub memory_bytes: Option<u64>,
    /// How long CPU quotas have held its cgroup, in microseconds since the cgroup was made.
    pub throttled_us: Option<u64>,
}

/// Of this life. Nothing is known of one that has ended.
#[must_use]
pub fn of(life: &Incarnation) -> Limits {
    os::limits::of(life)
}
