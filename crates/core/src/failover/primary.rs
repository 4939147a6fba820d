//! The primary's side: whether there is still somebody who would take over.
//!
//! Invariants: a standby is missed only by a primary that has heard of it before, that was awake for all that time, and
//! that has just reached something beyond itself; it is told once, and its end once. Start at [`Primary::poll`].

use super::telling::{Episode, Telling};
use crate::time::{Moment, Now};
use serde::{Deserialize, Serialize};

/// A standby that has not asked for so long is missed, in milliseconds. It asks every 10 s at most.
pub const MISSED_MS: u64 = 300_000;
/// One that was missed must have asked for so long without a break, in milliseconds.
const STEADY_MS: u64 = 60_000;
/// A longer silence is a break, in milliseconds.
const BREAK_MS: u64 = 30_000;
/// A guard that has not polled for so long has slept or starved, in milliseconds.
const ASLEEP_MS: u64 = 60_000;

/// What outlives the guard and the boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// There was a standby once.
    pub heard: bool,
    /// The latest time without one.
    pub episode: Episode,
}

/// One fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The standby has asked.
    Asked,
    /// Something beyond this node was reached just now, or nothing was.
    Reaches(bool),
}

/// What comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// See whether this node reaches anything: it may be the one that is cut off.
    Doubt,
    /// Tell people, under the number of [`Memory::episode`].
    Tell(Telling),
    /// [`Primary::memory`] has changed: make it durable before anything else is done.
    Persist,
}

/// Watches for the standby of one primary.
#[derive(Debug)]
pub struct Primary {
    memory: Memory,
    /// When it asked last; before that, and after a sleep, when this node began to wait.
    last: Now,
    /// Since when it asks without a break.
    steady: Option<Moment>,
    polled: Moment,
    doubts: bool,
}

impl Primary {
    /// Begins to wait.
    #[must_use]
    pub const fn new(memory: Memory, now: Now) -> Self {
        Self { memory, last: now, steady: None, polled: now.mono, doubts: false }
    }

    /// What outlives this guard.
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Takes one fact.
    pub fn observe(&mut self, now: Now, evidence: Evidence, out: &mut Vec<Output>) {
        match evidence {
            Evidence::Asked => self.asked(now, out),
            Evidence::Reaches(reaches) => {
                let doubted = std::mem::take(&mut self.doubts);
                if !reaches {
                    // It may ask all the time, and nothing of it comes here.
                    self.begin_anew(now);
                } else if doubted && self.is_missed(now.mono) {
                    let number = self.memory.episode.number.saturating_add(1);
                    self.memory.episode = Episode { number, since: self.last.wall, open: true };
                    out.extend([Output::Persist, Output::Tell(Telling::StandbyLost)]);
                }
            }
        }
    }

    /// Time passes. To be called a few times a minute.
    pub fn poll(&mut self, now: Now, out: &mut Vec<Output>) {
        if now.mono.since(self.polled) > ASLEEP_MS {
            self.begin_anew(now);
        }
        self.polled = now.mono;
        if self.is_missed(now.mono) && !self.doubts {
            self.doubts = true;
            out.push(Output::Doubt);
        }
    }

    fn is_missed(&self, now: Moment) -> bool {
        self.memory.heard && !self.memory.episode.open && now.since(self.last.mono) >= MISSED_MS
    }

    const fn begin_anew(&mut self, now: Now) {
        (self.last, self.steady) = (now, None);
    }

    fn asked(&mut self, now: Now, out: &mut Vec<Output>) {
        if !self.memory.heard {
            self.memory.heard = true;
            out.push(Output::Persist);
        }
        if now.mono.since(self.last.mono) > BREAK_MS {
            self.steady = None;
        }
        let since = *self.steady.get_or_insert(now.mono);
        self.last = now;
        if self.memory.episode.open && now.mono.since(since) >= STEADY_MS {
            self.memory.episode.open = false;
            out.extend([Output::Persist, Output::Tell(Telling::StandbyBack)]);
        }
    }
}
