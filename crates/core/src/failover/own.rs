//! The gateway of the node that carries: whether anybody answers people while the primary is lost.
//!
//! Invariant: unknown is neither served nor silent; what a person has stopped is not told to them. Start at
//! [`Own::of`].

use crate::health::Verdict;
use crate::time::{Moment, Now, Wall};

/// What the node that carries sees of its own gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Own {
    /// It answers people.
    Serves,
    /// It does not, or not yet.
    Silent,
    /// A person has stopped or paused it.
    ByPerson,
    /// It is not known.
    Unclear,
}

impl Own {
    /// By what its guard believes.
    #[must_use]
    pub const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Healthy | Verdict::Degraded => Self::Serves,
            Verdict::Starting | Verdict::Draining | Verdict::Down => Self::Silent,
            Verdict::Stopped | Verdict::Paused => Self::ByPerson,
            // A first late reply is looked into, and is no silence yet.
            Verdict::Suspect | Verdict::Unknown => Self::Unclear,
        }
    }
}

/// For how long it has been silent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence(Option<Now>);

impl Silence {
    /// It goes on, or begins.
    pub(super) fn goes_on(&mut self, now: Now) {
        self.0.get_or_insert(now);
    }

    /// It is over, or nothing of it is known any more.
    pub(super) const fn forget(&mut self) {
        self.0 = None;
    }

    /// Since when, if it is at least so long.
    pub(super) fn longer_than(&self, now: Moment, ms: u64) -> Option<Wall> {
        self.0.filter(|since| now.since(since.mono) >= ms).map(|since| since.wall)
    }
}
