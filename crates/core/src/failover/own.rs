//! The gateway of the node that carries, or is about to: whether anybody answers people while the primary is lost.
//!
//! Invariant: unknown is neither served nor silent; what a person has stopped is not told to them; a takeover that does not
//! come to an end is a silence like any other. Start at [`Own::of`].

use super::role::Role;
use super::standby::{Output, Standby};
use super::telling::Telling;
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
    /// By what its guard believes. `to_run`: nobody has stopped or paused it, so one that is off is silent.
    #[must_use]
    pub const fn of(verdict: Verdict, to_run: bool) -> Self {
        match verdict {
            Verdict::Stopped if to_run => Self::Silent,
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

impl Standby {
    /// Where the primary is lost and this node's own gateway is silent for as long as a primary may repair its own, nobody
    /// answers.
    pub(super) fn own(&mut self, now: Now, own: Own, out: &mut Vec<Output>) {
        if matches!(self.memory.role, Role::Watching | Role::Demoting) {
            return self.silence.forget();
        }
        match own {
            _ if self.well_since.is_some() => self.answers(out),
            Own::Serves => self.answers(out),
            Own::Silent => self.silence.goes_on(now),
            Own::ByPerson => self.silence.forget(),
            Own::Unclear => {}
        }
        let silent = self.silence.longer_than(now.mono, self.figures.repair_ms);
        // A node that is cut off itself does not know how the primary is.
        if let (Some(since), None, Some(_)) = (silent, self.memory.silent, self.trouble) {
            self.open_episode(now, out);
            self.memory.silent = Some(since);
            out.extend([Output::Persist, Output::Tell(Telling::NobodyAnswers { since })]);
        }
    }

    fn answers(&mut self, out: &mut Vec<Output>) {
        self.silence.forget();
        if let Some(since) = self.memory.silent.take() {
            out.extend([Output::Persist, Output::Tell(Telling::AnswersAgain { since })]);
        }
    }
}
