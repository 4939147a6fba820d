//! Everybody that a process has started, however far it has moved away from it.
//!
//! Invariant: nobody is named who was not started by it, as parentage, its process group or a mark in the environment
//! prove. A process that left its parents, its group *and* its environment behind is only found by parentage to a
//! process of ours that takes in orphans ([`Family::above`]).

use super::os;
use clawmend_core::gateway::Incarnation;

/// Whom to look for.
#[derive(Clone, Debug, Default)]
pub struct Family {
    /// The process that began it; it may have ended.
    pub leader: Option<Incarnation>,
    /// A variable that it was given in its environment, name and value, and that nobody else was given.
    pub mark: Option<(String, String)>,
    /// Whose descendants all belong to it: a process that started nothing else, and takes in its orphans.
    pub above: Option<Incarnation>,
    /// Who does not belong to it, with all that they started.
    pub spared: Vec<Incarnation>,
}

/// Who of them lives, in one look at the process table. This very process never belongs to it.
#[must_use]
pub fn members(of: &Family) -> Vec<Incarnation> {
    os::family::members(of)
}
