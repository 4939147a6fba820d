//! Whether a gateway takes far more memory than is usual for it, and how it has grown of late.
//!
//! What is usual is learned: an idle gateway takes 0.8 GB (OpenClaw 2026.9), one with many channels more, so no fixed
//! figure fits. Each life gives one figure, the least that it took from 5 to 15 min after its first good answer; the
//! median of the last ones is what is usual. Invariants: nothing is claimed before something was learned; a peak is no trouble, only
//! what lasts; a life that has grown already teaches nothing. Judged by evidence alone. Start at [`Weight::take`].

use crate::policy::Policy;
use crate::time::Moment;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What lives have taken once they had settled, in KiB. Bounded to [`Weights::KEPT`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Weights(VecDeque<u64>);

impl Weights {
    /// How many are remembered.
    pub const KEPT: usize = 8;

    /// Learns from one life.
    pub fn learn(&mut self, kib: u64) {
        while self.0.len() >= Self::KEPT {
            self.0.pop_front();
        }
        self.0.push_back(kib);
    }

    /// The median, of two in the middle the lower one, so that one heavy life alone changes nothing; `None` before the
    /// first.
    #[must_use]
    pub fn usual_kib(&self) -> Option<u64> {
        let mut sorted = [u64::MAX; Self::KEPT];
        let count = self.0.len().min(Self::KEPT);
        for (place, kib) in sorted.iter_mut().zip(&self.0) {
            *place = *kib;
        }
        sorted.sort_unstable();
        sorted.get(count.checked_sub(1)? / 2).copied()
    }
}

/// A trouble, as it was when it was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct High {
    /// What it is above, in KiB.
    pub limit_kib: u64,
    /// What is usual, in KiB.
    pub usual_kib: u64,
}

/// The least that a life took within some minutes: a peak is no growth.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    since: Moment,
    least_kib: u64,
}

/// How a life has grown over half an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// What it took then, in KiB.
    pub from_kib: u64,
    /// What it takes now, in KiB.
    pub to_kib: u64,
}

/// One life.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weight {
    /// Since when it has been above the limit without a break.
    above: Option<Moment>,
    high: Option<High>,
    /// The least since it has settled, until that is learned.
    least_kib: Option<u64>,
    learned: bool,
    /// The minutes that are not over.
    open: Option<Mark>,
    /// Those that are, the oldest first.
    marks: [Option<Mark>; Self::MARKS],
}

impl Weight {
    /// Of a mark.
    const MARK_MS: u64 = 5 * 60_000;
    /// So many reach over half an hour.
    const MARKS: usize = 7;
    /// From the first good answer until it counts as settled.
    pub const SETTLE_MS: u64 = 5 * 60_000;
    /// How long the least is looked for from then on.
    pub const LEARN_MS: u64 = 10 * 60_000;
    /// A life that was older than this when we saw it first may have grown already.
    const YOUNG_MS: u64 = 60 * 60_000;
    /// So many times what is usual is too much.
    const TIMES: u64 = 2;

    /// Takes one look at a life that has served since `served`, and was so old when it was first seen. Returns what is to
    /// be learned from it, once.
    pub fn take(
        &mut self,
        now: Moment,
        rss_kib: u64,
        (served, age_ms): (Moment, u64),
        usual: Option<u64>,
        policy: &Policy,
    ) -> Option<u64> {
        self.judge(now, rss_kib, usual, policy);
        let settled = now.since(served);
        if settled >= Self::SETTLE_MS {
            self.mark(now, rss_kib);
        }
        if self.learned || settled < Self::SETTLE_MS {
            return None;
        }
        let least = self.least_kib.map_or(rss_kib, |least| least.min(rss_kib));
        self.least_kib = Some(least);
        if settled < Self::SETTLE_MS + Self::LEARN_MS {
            return None;
        }
        self.learned = true;
        (least > 0 && (usual.is_none() || age_ms < Self::YOUNG_MS)).then_some(least)
    }

    fn judge(&mut self, now: Moment, rss_kib: u64, usual: Option<u64>, policy: &Policy) {
        let Some(usual_kib) = usual.filter(|_| policy.memory_high_bytes > 0) else {
            (self.above, self.high) = (None, None);
            return;
        };
        if let Some(high) = self.high {
            // A tenth below, so that it is not named anew with every turn of its garbage collector.
            if rss_kib < high.limit_kib - high.limit_kib / 10 {
                (self.above, self.high) = (None, None);
            }
            return;
        }
        let limit_kib = (policy.memory_high_bytes / 1024).max(usual_kib.saturating_mul(Self::TIMES));
        if rss_kib <= limit_kib {
            self.above = None;
        } else if now.since(*self.above.get_or_insert(now)) >= policy.memory_confirm_ms {
            self.high = Some(High { limit_kib, usual_kib });
        }
    }

    fn mark(&mut self, now: Moment, rss_kib: u64) {
        let open = self.open.get_or_insert(Mark { since: now, least_kib: rss_kib });
        open.least_kib = open.least_kib.min(rss_kib);
        if now.since(open.since) >= Self::MARK_MS {
            self.marks.rotate_left(1);
            self.marks[Self::MARKS - 1] = self.open.take();
        }
    }

    /// How it has grown over half an hour; `None`: it was not looked at for so long without a break.
    #[must_use]
    pub fn growth(&self) -> Option<Growth> {
        let (from, to) = (self.marks[0]?, self.marks[Self::MARKS - 1]?);
        // Each look comes a little late; a machine that slept was not looked at.
        let at_most = (Self::MARKS as u64 + 1) * Self::MARK_MS;
        (to.since.since(from.since) <= at_most).then_some(Growth { from_kib: from.least_kib, to_kib: to.least_kib })
    }

    /// Time in which nobody looked.
    pub fn forgive(&mut self, now: Moment, unseen_ms: u64) {
        self.above = self.above.map(|at| at.plus(unseen_ms).min(now));
    }

    /// It takes too much.
    #[must_use]
    pub const fn high(&self) -> Option<High> {
        self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_heavy_life_changes_nothing_and_most_of_them_are_the_new_usual() {
        let mut weights = Weights::default();
        assert_eq!(weights.usual_kib(), None);
        weights.learn(800);
        weights.learn(3_000);
        assert_eq!(weights.usual_kib(), Some(800));
        (0..Weights::KEPT).for_each(|_| weights.learn(900));
        (0..4).for_each(|_| weights.learn(2_000));
        assert_eq!(weights.usual_kib(), Some(900));
        weights.learn(2_000);
        assert_eq!((weights.usual_kib(), weights.0.len()), (Some(2_000), Weights::KEPT));
    }

    /// Looks once a second for so many minutes.
    fn weighed(weight: &mut Weight, from_ms: u64, minutes: u64, kib: impl Fn(u64) -> u64) {
        for second in 0..minutes * 60 {
            let now = Moment(from_ms + second * 1_000);
            weight.take(now, kib(second), (Moment(0), 0), None, &Policy::adaptive());
        }
    }

    #[test]
    fn growth_is_known_after_half_an_hour_and_a_peak_is_none() {
        let mut weight = Weight::default();
        // The start does not count.
        weighed(&mut weight, 0, 5, |second| second);
        weighed(&mut weight, 300_000, 35, |second| 800 + second % 60);
        assert_eq!(weight.growth(), None);
        weighed(&mut weight, 2_400_000, 2, |_| 3_000);
        assert_eq!(weight.growth(), Some(Growth { from_kib: 800, to_kib: 800 }));
        weighed(&mut weight, 2_520_000, 30, |second| 1_000 + second);
        let Growth { from_kib, to_kib } = weight.growth().unwrap_or(Growth { from_kib: 0, to_kib: 0 });
        assert!(from_kib == 800 && (2_000..2_800).contains(&to_kib), "{from_kib} {to_kib}");
        // Four hours of sleep.
        weighed(&mut weight, 20_000_000, 12, |_| 9_000);
        assert_eq!(weight.growth(), None);
    }
}
