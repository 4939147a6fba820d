//! What may still be done: counts over sliding windows, and the pace of starts.
//!
//! Invariant: a window never holds more than [`Window::CAPACITY`] moments; when it is full the oldest is dropped,
//! which is only reached far beyond every limit that is asked of it.

use crate::policy::Policy;
use crate::time::{Moment, Now};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Moments within a sliding window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Window(VecDeque<Moment>);

impl Window {
    /// Most moments kept.
    pub const CAPACITY: usize = 256;

    /// Adds one.
    pub fn push(&mut self, at: Moment) {
        if self.0.len() >= Self::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(at);
    }

    /// Adds one that may lie before others that are here already.
    pub fn insert(&mut self, at: Moment) {
        if self.0.len() >= Self::CAPACITY {
            self.0.pop_front();
        }
        let place = self.0.partition_point(|other| *other <= at);
        self.0.insert(place, at);
    }

    /// How many lie within the last `span_ms`.
    #[must_use]
    pub fn count(&self, now: Moment, span_ms: u64) -> u32 {
        let n = self.0.iter().rev().take_while(|at| now.since(**at) < span_ms).count();
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    /// When fewer than `limit` will lie within `span_ms`; `None` when that is so now.
    #[must_use]
    pub fn below(&self, limit: u32, now: Moment, span_ms: u64) -> Option<Moment> {
        let count = self.count(now, span_ms);
        if count < limit || limit == 0 {
            return None;
        }
        let index = self.0.len().checked_sub(usize::try_from(limit).unwrap_or(usize::MAX))?;
        self.0.get(index).map(|at| at.plus(span_ms))
    }

    /// Drops what is older than `span_ms`.
    pub fn prune(&mut self, now: Moment, span_ms: u64) {
        while self.0.front().is_some_and(|at| now.since(*at) >= span_ms) {
            self.0.pop_front();
        }
    }

    /// Carries the window over a reboot: ages grow by what the wall clock says has passed, never shrink.
    pub fn rebase(&mut self, saved: Now, now: Now) {
        let passed = u64::try_from(now.wall.0.saturating_sub(saved.wall.0)).unwrap_or(0);
        for at in &mut self.0 {
            *at = now.mono.minus(saved.mono.since(*at).saturating_add(passed));
        }
    }
}

/// Spaces the starts of one gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Starts by anyone's hand.
    pub starts: Window,
    /// Starts by our hand.
    pub ours: Window,
    /// Lives in a row that ended before they were proven.
    pub unproductive: u32,
}

impl Pace {
    const FIVE_MINUTES_MS: u64 = 300_000;
    /// An hour.
    pub const HOUR_MS: u64 = 3_600_000;

    /// When the next start may be issued at the earliest, for a life that ended at `ended`. The first one that did not
    /// last is answered at once when it had `served`: its start is proven to work.
    #[must_use]
    pub fn earliest(&self, policy: &Policy, ended: Moment, served: bool, now: Moment) -> Moment {
        let row = if served && self.unproductive == 1 { 0 } else { self.unproductive };
        let mut wait = policy.backoff(row);
        if self.starts.count(now, Self::FIVE_MINUTES_MS) >= policy.starts_per_5_min {
            wait = wait.max(policy.backoff(u32::MAX));
        }
        let paced = ended.plus(wait);
        match self.ours.below(policy.starts_per_hour, now, Self::HOUR_MS) {
            Some(free) => paced.max(free),
            None => paced,
        }
    }

    /// Carries the pace over a reboot.
    pub fn rebase(&mut self, saved: Now, now: Now) {
        self.starts.rebase(saved, now);
        self.ours.rebase(saved, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Wall;

    #[test]
    fn a_window_forgets_and_tells_when_it_will() {
        let mut window = Window::default();
        window.push(Moment(1_000));
        window.push(Moment(2_000));
        assert_eq!(window.count(Moment(2_000), 1_500), 2);
        assert_eq!(window.count(Moment(2_500), 1_500), 1, "exactly one window old is outside");
        assert_eq!(window.below(2, Moment(2_000), 300), None, "only one within 300 ms");
        assert_eq!(window.below(2, Moment(2_000), 1_500), Some(Moment(2_500)));
        window.prune(Moment(10_000), 1_500);
        assert_eq!(window.count(Moment(10_000), 100_000), 0);
    }

    #[test]
    fn what_is_learned_late_takes_its_place_in_time() {
        let mut window = Window::default();
        for at in [5_000, 1_000, 3_000] {
            window.insert(Moment(at));
        }
        assert_eq!(window.count(Moment(5_000), 2_500), 2, "an older one hides no newer one");
        assert_eq!(window.below(3, Moment(5_000), 10_000), Some(Moment(11_000)));
        for at in 0..1_000 {
            window.insert(Moment(at));
        }
        assert_eq!(window.count(Moment(5_000), u64::MAX), 256);
    }

    #[test]
    fn a_full_window_stays_bounded() {
        let mut window = Window::default();
        for i in 0..1_000 {
            window.push(Moment(i));
        }
        assert_eq!(window.count(Moment(1_000), u64::MAX), 256);
    }

    #[test]
    fn ages_grow_over_a_reboot() {
        let mut window = Window::default();
        window.push(Moment(90_000));
        window.rebase(
            Now { mono: Moment(100_000), wall: Wall(1_000_000) },
            Now { mono: Moment(50_000), wall: Wall(1_020_000) },
        );
        assert_eq!(window.count(Moment(50_000), 30_000), 0);
        assert_eq!(window.count(Moment(50_000), 30_001), 1, "10 s before the save, 20 s since");
    }

    #[test]
    fn the_first_crash_of_a_proven_life_waits_for_nothing() {
        let policy = Policy::adaptive();
        let mut pace = Pace::default();
        assert_eq!(pace.earliest(&policy, Moment(5_000), false, Moment(5_000)), Moment(5_000));
        pace.unproductive = 1;
        assert_eq!(pace.earliest(&policy, Moment(5_000), false, Moment(5_000)), Moment(6_000));
        assert_eq!(pace.earliest(&policy, Moment(5_000), true, Moment(5_000)), Moment(5_000), "it had served");
        for i in 0..20 {
            pace.starts.push(Moment(4_000 + i));
        }
        assert_eq!(pace.earliest(&policy, Moment(5_000), false, Moment(5_000)), Moment(35_000));
    }
}
