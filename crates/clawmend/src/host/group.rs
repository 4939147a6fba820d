//! Ends a process with all that it started.
//!
//! Invariant: each process is proven by pid and start time before it is ended; what cannot be proven is left alone.

use super::process::{descendants, in_same_group_or_cgroup, is_alive};
use super::signal::{Signal, send};
use clawmend_core::gateway::Incarnation;

/// How often the group is looked through: a child that is just being born can be missed once.
const SWEEPS: usize = 5;

/// Ends the leader of a process group, everybody in the group, and whom the leader started besides.
pub fn end_group(leader: &Incarnation) {
    // Asked first: children of a dead process are nobody's children.
    let started = descendants(leader);
    for one in std::iter::once(leader).chain(&started) {
        // One that has ended already, or cannot be proven, is left alone.
        let _ = send(one, Signal::Kill);
    }
    end_members(leader);
}

/// Ends everybody in the group but its leader, which may have ended. The caller has not reaped the leader yet, so that
/// the group is still its own.
pub fn end_members(leader: &Incarnation) {
    for _ in 0..SWEEPS {
        let members: Vec<Incarnation> = in_same_group_or_cgroup(leader, None);
        let mut alive = false;
        for member in members.iter().filter(|member| is_alive(member)) {
            alive |= send(member, Signal::Kill).is_ok();
        }
        if !alive {
            return;
        }
    }
}
