//! One thing to tell, before it has words.

use super::Level;
use crate::approval::Proposal;
use crate::directive::IncidentId;
use crate::failover::{Word, lease};
use crate::gateway::GatewayId;
use crate::incident::Outcome;
use crate::time::Wall;
use serde::{Deserialize, Serialize};

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Names this step, the same whenever it is decided again.
    pub key: String,
    /// Names what it is about: the same for a first word, its reminders and its end.
    pub subject: String,
    /// How loud.
    pub level: Level,
    /// When it was decided.
    pub at: Wall,
    /// What.
    pub what: Told,
}

/// The key of a step that asks a person something.
#[must_use]
pub fn is_question(key: &str) -> bool {
    key.rsplit_once('/').is_some_and(|(_, step)| step.starts_with("ask-"))
}

/// The kinds of notices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Told {
    /// An incident that a person must know of, or more of it.
    Alert {
        /// Whose.
        gateway: GatewayId,
        /// Which.
        incident: IncidentId,
        /// What the guard says; `None`: it was only opened.
        reason: Option<String>,
    },
    /// It is still open.
    Reminder {
        /// Whose.
        gateway: GatewayId,
        /// Which.
        incident: IncidentId,
        /// What was said last.
        reason: Option<String>,
        /// The first reminder is 1.
        times: u32,
    },
    /// It is over.
    Resolved {
        /// Whose.
        gateway: GatewayId,
        /// Which.
        incident: IncidentId,
        /// How.
        outcome: Outcome,
        /// How loud the loudest word on it was: who heard that hears that it is over.
        loudest: Level,
    },
    /// A step waits for a person's word.
    Approval {
        /// Whose.
        gateway: GatewayId,
        /// What would be done, and until when it can be approved.
        proposal: Proposal,
    },
    /// It was mended each time, but there were too many ends.
    ManyCrashes {
        /// Whose.
        gateway: GatewayId,
        /// In the last hour.
        crashes: u32,
        /// The latest.
        incident: IncidentId,
    },
    /// A standby has lost sight of its primary, or has taken over.
    Pair {
        /// Which gateway carries, or would.
        gateway: GatewayId,
        /// What.
        word: Word,
    },
    /// That is over.
    PairOver {
        /// Which gateway carried, or would have.
        gateway: GatewayId,
        /// What.
        word: Word,
        /// How loud the loudest word on it was: who heard that hears that it is over.
        loudest: Level,
    },
    /// A node of a shared group has something to say.
    Group {
        /// Which gateway owns the channels, or would.
        gateway: GatewayId,
        /// What.
        word: lease::word::Word,
    },
    /// What a node of a shared group had to say is over.
    GroupOver {
        /// Which gateway owns the channels, or would.
        gateway: GatewayId,
        /// What.
        word: lease::word::Word,
        /// How loud the word on it was: who heard that hears that it is over.
        loudest: Level,
    },
    /// What was mended without a word.
    MorningNote {
        /// The oldest first.
        repaired: Vec<Repaired>,
        /// More that are not listed.
        more: u32,
    },
}

/// An incident that ended well without anybody being told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// Whose.
    pub gateway: GatewayId,
    /// Which.
    pub incident: IncidentId,
    /// When it began.
    pub opened: Wall,
    /// When it was over.
    pub closed: Wall,
    /// The cause's stable code; empty when none was named.
    pub cause: String,
    /// How it ended.
    pub outcome: Outcome,
}

impl Told {
    /// Something that was told is over.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        match self {
            Self::Resolved { .. } | Self::PairOver { .. } | Self::GroupOver { .. } => true,
            Self::Alert { .. }
            | Self::Reminder { .. }
            | Self::Approval { .. }
            | Self::ManyCrashes { .. }
            | Self::Pair { .. }
            | Self::Group { .. }
            | Self::MorningNote { .. } => false,
        }
    }
}
