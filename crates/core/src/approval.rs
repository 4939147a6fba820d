//! Remedies that wait for a person: what is proposed, and what is decided.
//!
//! Invariants: a proposal names one action for one life in one incident, and lapses; a decision is taken once, and only
//! about what was shown. Who may decide is proven elsewhere, before a [`Decision`] becomes evidence.

use crate::check::Origin;
use crate::directive::{Action, IncidentId};
use crate::gateway::Incarnation;
use crate::time::{Moment, Wall};
use serde::{Deserialize, Serialize};

/// Names a proposal of one gateway. Grows with time; 0 is never used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProposalId(pub u64);

/// What waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its name.
    pub id: ProposalId,
    /// The incident that it serves.
    pub incident: IncidentId,
    /// The life that it is meant for; `None`: none lives.
    pub target: Option<Incarnation>,
    /// What would be done.
    pub action: Action,
    /// Who proposes it.
    pub origin: Origin,
    /// Why.
    pub reason: String,
    /// When it lapses, on the guard's boot clock.
    pub until: Moment,
    /// When it lapses, for people.
    pub until_wall: Wall,
    /// How it stands.
    pub stand: Stand,
}

/// How a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// Nobody has decided.
    Open,
    /// A person wants it; it has not been done yet.
    Approved,
    /// It was done, once.
    Used,
    /// A person does not want it.
    Denied,
    /// Its time is over.
    Lapsed,
}

/// What a person decides, after it was proven that they may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// On which proposal.
    pub proposal: ProposalId,
    /// Do it.
    pub approve: bool,
    /// Who, and how that was proven, for the record.
    pub by: String,
}

impl Proposal {
    /// It can be decided on.
    #[must_use]
    pub fn is_open(&self, now: Moment) -> bool {
        self.stand == Stand::Open && now < self.until
    }

    /// What was approved covers this: the same, or, where a process was to be ended, what follows when it does not end.
    #[must_use]
    pub fn covers(&self, action: &Action, target: Option<&Incarnation>) -> bool {
        if self.target.as_ref() != target {
            return false;
        }
        let same = self.action == *action && self.stand == Stand::Approved;
        let follows = ends(&self.action) && ends(action) && matches!(self.stand, Stand::Approved | Stand::Used);
        same || follows
    }
}

/// It ends a process.
pub(crate) const fn ends(action: &Action) -> bool {
    matches!(action, Action::Terminate { .. } | Action::RestartUnit | Action::Kill)
}

impl Action {
    /// It waits for a person where a person wants to be asked first. A start does not: that is what the gateway is there
    /// for, and nothing that runs is touched by it.
    #[must_use]
    pub const fn can_wait_for_a_person(&self) -> bool {
        match self {
            Self::Terminate { .. }
            | Self::Kill
            | Self::RestartUnit
            | Self::RestoreConfig { .. }
            | Self::FreeLogs
            | Self::ReloadSecrets
            | Self::SetLockAside
            | Self::StartChannel { .. } => true,
            Self::Spawn
            | Self::Hasten
            | Self::StartUnit { .. }
            | Self::StopUnit
            | Self::EnableUnit { .. }
            | Self::Sweep => false,
        }
    }
}
