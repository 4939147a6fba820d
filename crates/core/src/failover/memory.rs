//! What a standby remembers.
//!
//! Invariant: with it the next guard goes on where the last one ended, and gives people's words the same keys.

use super::role::{Reason, Role};
use super::telling::Episode;
use crate::time::Wall;
use serde::{Deserialize, Serialize};

/// What outlives the guard and the boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What this node was doing.
    pub role: Role,
    /// A person holds it.
    pub held: bool,
    /// When it took over of late by its own decision, by the wall clock. At most [`Memory::TAKEOVERS`].
    pub takeovers: Vec<Wall>,
    /// The latest time of trouble.
    #[serde(default)]
    pub episode: Episode,
    /// Why the change of role that is under way was begun.
    #[serde(default)]
    pub why: Option<Reason>,
    /// People were told that nobody answers, since then; they were not told yet that somebody does.
    #[serde(default)]
    pub silent: Option<Wall>,
    /// It carries because a person said so, beside a primary that served then: nobody was told that it is lost.
    #[serde(default)]
    pub beside: bool,
    /// A takeover failed, and the gateway that it began may come all the same. That is good as long as the primary is lost.
    #[serde(default)]
    pub left: bool,
    /// A person's word was not carried out yet, because the change failed: it is tried again, though they hold this node.
    #[serde(default)]
    pub again: bool,
    /// What a person wants this node to be once the change that is under way has ended. Kept where that has failed: then it
    /// is not what they want, though it is called so.
    #[serde(default)]
    pub wanted: Option<Role>,
}

impl Memory {
    /// Takeovers kept.
    pub const TAKEOVERS: usize = 16;

    /// What a person asked for and this node is not yet: what is under way ends first, or a change that failed is tried again.
    #[must_use]
    pub fn outstanding(&self) -> Option<Role> {
        let (leads_to, again) = match self.role {
            Role::Watching => (None, self.again.then_some(Role::Active)),
            Role::Active => (None, self.again.then_some(Role::Watching)),
            // What is tried again is under way.
            Role::Promoting => (Some(Role::Active), None),
            Role::Demoting => (Some(Role::Watching), None),
        };
        self.wanted.filter(|wanted| leads_to != Some(*wanted)).or(again)
    }

    pub(super) fn note_takeover(&mut self, at: Wall) {
        if self.takeovers.len() >= Self::TAKEOVERS {
            self.takeovers.remove(0);
        }
        self.takeovers.push(at);
    }

    /// How many were within `span_ms`. One that lies ahead of a clock that was set back counts.
    pub(super) fn recent(&self, now: Wall, span_ms: u64) -> u32 {
        let span = i64::try_from(span_ms).unwrap_or(i64::MAX);
        let n = self.takeovers.iter().filter(|at| now.0.saturating_sub(at.0) < span).count();
        u32::try_from(n).unwrap_or(u32::MAX)
    }
}
