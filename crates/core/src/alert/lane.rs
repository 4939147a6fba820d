//! The way to one place that letters go to: in order, paced, grouped, and again when it failed.
//!
//! Invariants: one letter is under way at a time, and its place in the order is kept while it is tried again; a storm
//! becomes one digest; nothing leaves the lane but by [`Lane::settle`].

use super::Level;
use crate::time::Moment;
use std::collections::VecDeque;

/// A letter that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its key.
    pub key: String,
    /// How loud.
    pub level: Level,
    /// Since when it waits here.
    pub since: Moment,
    /// An earlier guard may have delivered it.
    pub maybe_sent: bool,
    /// It asks something, so a digest must not swallow it.
    pub alone: bool,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing waits.
    Idle,
    /// Nothing before this moment.
    Wait(Moment),
    /// Send this one.
    One(Waiting),
    /// Send these as one digest, the oldest first.
    Digest(Vec<Waiting>),
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is there.
    Delivered,
    /// Surely not; again, not earlier than this many milliseconds from now.
    Retry {
        /// As the service said.
        after_ms: Option<u64>,
    },
    /// It may be there. It is not sent again.
    Unsure,
    /// Nothing gets through until a person changes something; tried again, slowly.
    NeedsPerson,
    /// This one will never get through.
    Refused,
}

/// One lane.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    waiting: VecDeque<Waiting>,
    /// How many of the first are under way.
    under_way: usize,
    /// When attempts were made, within the last window.
    sent: VecDeque<Moment>,
    not_before: Moment,
    failures: u32,
}

impl Lane {
    /// What is decided at the same time goes out together.
    pub const GATHER_MS: u64 = 1_000;
    /// The same once a storm is on.
    pub const GATHER_IN_STORM_MS: u64 = 10_000;
    /// More than so many at once are a storm.
    pub const STORM: usize = 3;
    /// Letters in one window; below what any of the services allows.
    pub const PER_WINDOW: usize = 6;
    /// The window.
    pub const WINDOW_MS: u64 = 60_000;
    /// Letters that one digest takes.
    pub const DIGEST_MAX: usize = 500;
    /// First pause after a failure; it doubles.
    const RETRY_MS: u64 = 2_000;
    /// Longest pause after a failure.
    const RETRY_MAX_MS: u64 = 5 * 60_000;
    /// First pause where a person has to do something; it doubles.
    const PERSON_MS: u64 = 60_000;
    /// Longest such pause.
    const PERSON_MAX_MS: u64 = 3_600_000;

    /// Another letter, at the end of the row.
    pub fn push(&mut self, letter: Waiting) {
        if !self.waiting.iter().any(|known| known.key == letter.key) {
            self.waiting.push_back(letter);
        }
    }

    /// Takes out what is not under way and fits.
    pub fn remove(&mut self, key: &str) {
        let (mut place, under_way) = (0, self.under_way);
        self.waiting.retain(|waiting| {
            place += 1;
            place <= under_way || waiting.key != key
        });
    }

    /// Forgets what is not known any more; while nothing is under way.
    pub fn retain(&mut self, known: impl Fn(&str) -> bool) {
        if self.under_way == 0 {
            self.waiting.retain(|waiting| known(&waiting.key));
        }
    }

    /// Letters that wait or are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Failures in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Settings have changed: whatever failed is tried again at once.
    pub const fn forgive(&mut self) {
        self.not_before = Moment(0);
        self.failures = 0;
    }

    /// What to do now. What it says to send is under way from here on.
    pub fn next(&mut self, now: Moment) -> Step {
        let Some(first) = self.waiting.front() else { return Step::Idle };
        if self.under_way > 0 {
            return Step::Idle;
        }
        let first = first.since;
        while self.sent.front().is_some_and(|sent| now.since(*sent) >= Self::WINDOW_MS) {
            self.sent.pop_front();
        }
        let gather = if self.sent.len() > Self::STORM { Self::GATHER_IN_STORM_MS } else { Self::GATHER_MS };
        let ready = self.not_before.max(first.plus(gather));
        if now < ready {
            return Step::Wait(ready);
        }
        if let (Some(oldest), true) = (self.sent.front(), self.sent.len() >= Self::PER_WINDOW) {
            return Step::Wait(oldest.plus(Self::WINDOW_MS));
        }
        self.sent.push_back(now);
        // What may have come already goes alone, so that only it is marked as a repeat.
        let fits = |waiting: &&Waiting| !waiting.maybe_sent && !waiting.alone;
        let certain = self.waiting.iter().take_while(fits).count();
        if certain > Self::STORM {
            self.under_way = certain.min(Self::DIGEST_MAX);
            return Step::Digest(self.waiting.iter().take(self.under_way).cloned().collect());
        }
        self.under_way = 1;
        self.waiting.front().map_or(Step::Idle, |first| Step::One(first.clone()))
    }

    /// What was under way has ended. Gives back the letters that leave the lane.
    pub fn settle(&mut self, now: Moment, ended: Ended) -> Vec<Waiting> {
        let count = std::mem::take(&mut self.under_way);
        match ended {
            Ended::Delivered => self.failures = 0,
            Ended::Unsure | Ended::Refused => {}
            Ended::Retry { after_ms } => {
                let pause = doubled(Self::RETRY_MS, self.failures, Self::RETRY_MAX_MS);
                self.not_before = now.plus(pause.max(after_ms.unwrap_or(0)));
                self.failures = self.failures.saturating_add(1);
                return Vec::new();
            }
            Ended::NeedsPerson => {
                self.not_before = now.plus(doubled(Self::PERSON_MS, self.failures, Self::PERSON_MAX_MS));
                self.failures = self.failures.saturating_add(1);
                return Vec::new();
            }
        }
        self.waiting.drain(..count.min(self.waiting.len())).collect()
    }
}

fn doubled(first: u64, times: u32, most: u64) -> u64 {
    first.saturating_mul(1 << times.min(20)).min(most)
}
