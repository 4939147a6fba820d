//! Processes through `sysinfo`.

pub use crate::host::table::{
    Sampler, children, descendants, environ, environ_value, incarnation_of, is_descendant, name,
};

use clawmend_core::gateway::Incarnation;

/// There are no cgroups here.
pub fn cgroup_of(_life: &Incarnation) -> Option<String> {
    None
}

/// Process groups are not told by `sysinfo`: nobody is named, so nobody is touched.
pub fn in_same_group_or_cgroup(_leader: &Incarnation, _cgroup: Option<&str>) -> Vec<Incarnation> {
    Vec::new()
}

/// The table's start times are whole seconds of the wall clock.
pub fn age_ms(life: &clawmend_core::gateway::Incarnation, now: clawmend_core::time::Now) -> Option<u64> {
    let start = i64::try_from(life.start.checked_mul(1_000)?).ok()?;
    u64::try_from(now.wall.0.saturating_sub(start)).ok()
}

/// The system shows the program file's own name.
pub fn name_self(_name: &std::ffi::CStr) {}
