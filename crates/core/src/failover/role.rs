//! What a standby does at present, and why that changes.

use serde::{Deserialize, Serialize};

/// What this node does at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It watches the primary; its gateway is off.
    #[default]
    Watching,
    /// It is being made ready.
    Promoting,
    /// It carries.
    Active,
    /// It is stepping back.
    Demoting,
}

/// Why a role changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nobody answered, so many times in a row.
    Silent {
        /// How many.
        misses: u32,
    },
    /// Its guard answered that a person has stopped or paused its gateway, the last of some times in a row that nobody served
    /// there.
    Stopped,
    /// The primary's guard has been repairing for too long.
    RepairTooLong,
    /// The primary has been well for long enough.
    PrimaryWell {
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// A standby that comes before this one has carried and served for long enough.
    SeniorWell {
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// A person wants it.
    Person,
    /// A person tries whether it works. The primary goes on meanwhile.
    Drill,
    /// The guard ended half-way: it is done again.
    Resumed,
}

impl Reason {
    /// A person said so, or tries it.
    #[must_use]
    pub const fn is_persons(self) -> bool {
        matches!(self, Self::Person | Self::Drill)
    }
}
