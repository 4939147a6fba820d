//! Processes through `sysinfo`.

pub use crate::host::table::{Sampler, children, descendants, environ_value, incarnation_of, is_descendant, name};

use clawmend_core::gateway::Incarnation;

/// There are no cgroups here.
pub fn cgroup_of(_life: &Incarnation) -> Option<String> {
    None
}

/// Process groups are not told by `sysinfo`: nobody is named, so nobody is touched.
pub fn in_same_group_or_cgroup(_leader: &Incarnation, _cgroup: Option<&str>) -> Vec<Incarnation> {
    Vec::new()
}
