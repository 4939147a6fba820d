//! Machines that are paused as a whole.
//!
//! A machine that is paused and goes on cannot fence itself in time: its guard and its deadman slept with it, and its
//! gateway polls before either has run. So a node that follows one that never gave the lease back must have it turned
//! off from outside, or have a person vouch for it, or accept that for a moment there may be two owners.

use super::record::{NodeId, Term};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a node does about others that held the lease and never gave it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PausePolicy {
    /// They are turned off from outside first: hypervisor, power, a firewall elsewhere.
    ExternalFence,
    /// A person says first that they are off.
    #[default]
    Manual,
    /// It takes over when the lease has run out. For machines that are never paused, or where a moment with two owners
    /// is the smaller evil.
    ResidualWindow,
}

/// A person's word that machines are off: exactly those that they were shown ([`super::Holder::to_vouch_for`]), for one
/// term only. A machine that held the lease again since is not covered, nor is one that came under suspicion later.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Vouch {
    /// For the lease under this term.
    pub term: Term,
    /// The machines.
    pub nodes: BTreeSet<NodeId>,
}

/// Whether a gateway may be started under a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Clearance {
    /// Nobody else can be running.
    Clear,
    /// These may be, and the setting accepts that.
    Accepted(BTreeSet<NodeId>),
    /// These must be turned off from outside.
    TurnOff(BTreeSet<NodeId>),
    /// A person must say that these are off.
    AskPerson(BTreeSet<NodeId>),
}

/// Decides on the suspects of a lease that is held, or would be held, under `term`.
#[must_use]
pub fn clearance(policy: PausePolicy, term: Term, suspects: &BTreeSet<NodeId>, vouch: Option<&Vouch>) -> Clearance {
    let vouched = |node: &&NodeId| vouch.is_some_and(|v| v.term == term && v.nodes.contains(node));
    let left: BTreeSet<NodeId> = suspects.iter().filter(|node| !vouched(node)).copied().collect();
    match policy {
        _ if left.is_empty() => Clearance::Clear,
        PausePolicy::ExternalFence => Clearance::TurnOff(left),
        PausePolicy::Manual => Clearance::AskPerson(left),
        PausePolicy::ResidualWindow => Clearance::Accepted(left),
    }
}
