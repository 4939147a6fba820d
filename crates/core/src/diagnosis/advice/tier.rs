//! How far a step of an AI's plan may go.

use super::Proposal;
use serde::{Deserialize, Serialize};

/// Who decides on a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// It can be taken back and stays within the gateway: it may run where healing by itself is on.
    Green,
    /// It interrupts, or sets something aside: it waits for a person.
    Yellow,
    /// Credentials, security settings, deletion, anything outside the gateway: a person reads it, nothing runs it.
    Red,
}

impl Tier {
    /// It may run without a person. `auto_heal`: a person has allowed healing by itself.
    #[must_use]
    pub const fn runs_alone(self, auto_heal: bool) -> bool {
        auto_heal && matches!(self, Self::Green)
    }

    /// It may run once a person has approved it.
    #[must_use]
    pub const fn can_be_approved(self) -> bool {
        matches!(self, Self::Green | Self::Yellow)
    }
}

impl Proposal {
    /// Whose decision this is. `serving`: the gateway answers now, or nobody knows that it does not; then a step that
    /// would interrupt it waits for a person. A running gateway restarts itself when most keys of its config change.
    #[must_use]
    pub const fn tier(&self, serving: bool) -> Tier {
        match self {
            Self::StartChannel { .. } | Self::ReloadSecrets | Self::FreeOwnLogs | Self::Start => Tier::Green,
            Self::RestoreConfig if serving => Tier::Yellow,
            Self::RestoreConfig => Tier::Green,
            Self::QuarantineLock | Self::Restart => Tier::Yellow,
            Self::Tell { .. } => Tier::Red,
        }
    }
}
