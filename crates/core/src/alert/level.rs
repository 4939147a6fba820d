//! How loud an alert is.

use serde::{Deserialize, Serialize};

/// How urgently a person must know, the least urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It is over, or it is only worth knowing.
    Info,
    /// It works, but not as it should.
    Warning,
    /// It is broken, and is being worked on.
    Error,
    /// It is broken, and nobody but a person can mend it, or it has been broken for too long.
    Critical,
}

impl Level {
    /// Stable name for JSON, settings and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// By its stable name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Error, Self::Critical].into_iter().find(|level| level.name() == name)
    }
}
