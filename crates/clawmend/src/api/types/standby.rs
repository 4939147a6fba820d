//! `standby` of `status --json`: this host as one of a pair.

use super::Time;
use crate::failover::kept::{Change, Kept, Proven};
use crate::settings::{Side, StandbySettings};
use clawmend_core::failover::{Reason, Role, Step};
use serde::{Deserialize, Serialize};

/// How [`StandbyReport::workspace`] begins where the push failed.
pub const NOT_PUSHED: &str = "not pushed: ";

/// This host's part in a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandbyReport {
    /// `primary` or `standby`.
    pub side: String,
    /// What a standby does at present; null on a primary.
    pub role: Option<Role>,
    /// A person holds it as it is.
    pub held: bool,
    /// The other node.
    pub peer: Option<String>,
    /// When the other node was last heard.
    pub seen_at: Option<Time>,
    /// What was seen of it last, for people.
    pub sight: Option<String>,
    /// The standbys that come before this one, in their order.
    #[serde(default)]
    pub after: Vec<SeniorReport>,
    /// Why it waits for one of them although the primary is lost, for people.
    #[serde(default)]
    pub waits: Option<String>,
    /// A standby may be promoted: no account is owned twice.
    pub armed: Option<bool>,
    /// Why not.
    pub not_armed_because: Option<String>,
    /// It is armed by what is known from before, for people: the primary cannot read its own config now.
    #[serde(default)]
    pub armed_by: Option<String>,
    /// The last change of role.
    pub last_change: Option<ChangeReport>,
    /// The last takeover after which this node could be reached.
    #[serde(default)]
    pub proven: Option<ProvenReport>,
    /// A standby's gateway runs while it stands by, with its channels off; null where that is not set.
    #[serde(default)]
    pub warm: Option<bool>,
    /// Why it does not, for people.
    #[serde(default)]
    pub not_warm_because: Option<String>,
    /// What became of the last push of a primary's workspace, for people. Begins with [`NOT_PUSHED`] where it failed.
    #[serde(default)]
    pub workspace: Option<String>,
    /// What is wrong with this node, for people.
    pub problem: Option<String>,
}

/// A standby that comes before this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeniorReport {
    /// Where its guard answers.
    pub address: String,
    /// What was seen of it last, for people.
    pub seen: String,
}

/// A takeover that worked, to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenReport {
    /// When it was decided.
    pub at: Time,
    /// From then until it could be reached.
    pub took_ms: u64,
}

impl From<Proven> for ProvenReport {
    fn from(proven: Proven) -> Self {
        Self { at: Time(proven.at), took_ms: proven.took_ms }
    }
}

/// A change of role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// What the node became, or was to become.
    pub to: Role,
    /// Why.
    pub reason: Reason,
    /// When it was decided.
    pub at: Time,
    /// How long it took.
    pub took_ms: u64,
    /// It worked.
    pub worked: bool,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

impl From<&Change> for ChangeReport {
    fn from(change: &Change) -> Self {
        Self {
            to: change.to,
            reason: change.reason,
            at: Time(change.at),
            took_ms: change.took_ms,
            worked: change.worked,
            steps: change.steps.clone(),
        }
    }
}

impl StandbyReport {
    /// Before anything is seen.
    #[must_use]
    pub fn new(settings: &StandbySettings, kept: &Kept) -> Self {
        let standby = settings.side == Side::Standby;
        Self {
            side: if standby { "standby" } else { "primary" }.to_owned(),
            role: standby.then_some(kept.memory.role),
            held: kept.memory.held,
            peer: settings.peer.map(|peer| peer.to_string()),
            seen_at: None,
            sight: None,
            after: Vec::new(),
            waits: None,
            armed: None,
            not_armed_because: None,
            armed_by: None,
            last_change: kept.last_change.as_ref().map(ChangeReport::from),
            proven: kept.proven.map(ProvenReport::from),
            warm: settings.warm.then_some(kept.warm),
            not_warm_because: None,
            workspace: None,
            problem: None,
        }
    }
}
