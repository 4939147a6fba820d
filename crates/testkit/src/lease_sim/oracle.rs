//! The only one who knows which gateways are alive at the same time.
//!
//! A gateway is alive from its exec until the kernel has ended it, while its machine is not paused; one that was started
//! mute from when its channels are on. Two that are alive at one instant are two owners, whether they poll or not.

use std::collections::BTreeMap;

/// A rule that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// True time, in microseconds.
    pub at_us: u64,
    /// The rule.
    pub rule: &'static str,
    /// For people.
    pub text: String,
}

/// What lives added up to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Lives.
    pub seeds: u64,
    /// True seconds that the groups lived.
    pub seconds: u64,
    /// Milliseconds in which somebody owned.
    pub owned_ms: u64,
    /// Gateways started.
    pub starts: u64,
    /// Mute gateways whose channels were switched on under a lease.
    pub opened: u64,
    /// Times that two owned because a mute gateway was switched on by hand, or came up speaking under a stuck guard.
    pub astray: u64,
    /// Takeovers by another node than the one before.
    pub takeovers: u64,
    /// Times that two owned although nobody's machine was paused, or although the setting excludes it.
    pub double: u64,
    /// Times that two owned because a machine that was paused went on, under the setting that accepts it.
    pub residual: u64,
    /// The longest of these, in milliseconds: after a pause that the guard can notice, and after one that it cannot.
    pub residual_max_ms: [u64; 2],
    /// What happened, by name.
    pub events: BTreeMap<&'static str, u64>,
    /// Rules broken in all.
    pub broken_total: u64,
    /// The first of them.
    pub broken: Vec<Violation>,
}

impl Tally {
    const KEPT: usize = 20;

    /// Adds another.
    pub fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.seconds += other.seconds;
        self.owned_ms += other.owned_ms;
        self.starts += other.starts;
        self.opened += other.opened;
        self.astray += other.astray;
        self.takeovers += other.takeovers;
        self.double += other.double;
        self.residual += other.residual;
        for (mine, theirs) in self.residual_max_ms.iter_mut().zip(other.residual_max_ms) {
            *mine = (*mine).max(theirs);
        }
        for (name, times) in other.events {
            *self.events.entry(name).or_default() += times;
        }
        self.broken_total += other.broken_total;
        self.broken.extend(other.broken);
        self.broken.truncate(Self::KEPT);
    }

    /// One more of these.
    pub fn count(&mut self, name: &'static str) {
        *self.events.entry(name).or_default() += 1;
    }

    /// A rule is broken.
    pub fn breaks(&mut self, violation: Violation) {
        self.broken_total += 1;
        if self.broken.len() < Self::KEPT {
            self.broken.push(violation);
        }
    }
}

/// One gateway as the oracle sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// On this node.
    pub node: usize,
    /// Its machine was paused since its lease was asked for: in a way that the guard can notice, because its
    /// clock counts it or somebody tells it (`true`), or not.
    pub paused: Option<bool>,
    /// Its guard cannot run, so that only the deadman can end it.
    pub guard_stuck: bool,
    /// It speaks without anybody's order, and could not be ended in time.
    pub astray: bool,
}

/// Two owners, since when and why.
#[derive(Clone, Copy, Debug)]
struct Overlap {
    since: u64,
    /// The machine that was paused, and whether its guard can notice.
    paused: Option<bool>,
    guard_stuck: bool,
    astray: bool,
}

/// Watches one life.
#[derive(Debug)]
pub struct Oracle {
    seed: u64,
    accepts: bool,
    /// The longest window after a pause that the guard can notice, in milliseconds.
    window_ms: u64,
    overlap: Option<Overlap>,
    owned_since: Option<u64>,
    last_owner: Option<usize>,
    /// The result.
    pub tally: Tally,
}

impl Oracle {
    /// For a life in which windows of this length are accepted after a sleep, or none.
    #[must_use]
    pub fn new(seed: u64, accepts: bool, window_ms: u64) -> Self {
        let tally = Tally { seeds: 1, ..Tally::default() };
        Self { seed, accepts, window_ms, overlap: None, owned_since: None, last_owner: None, tally }
    }

    /// After everything that happens: who is alive.
    pub fn look(&mut self, us: u64, alive: &[Seen]) {
        match (alive.first(), self.owned_since) {
            (Some(_), None) => self.owned_since = Some(us),
            (None, Some(since)) => {
                self.tally.owned_ms += (us - since) / 1_000;
                self.owned_since = None;
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if let [only] = alive {
            self.tally.takeovers += u64::from(self.last_owner.is_some_and(|last| last != only.node));
            self.last_owner = Some(only.node);
        }
        if alive.len() > 1 {
            self.two_own(us, alive);
        } else if let Some(overlap) = self.overlap.take() {
            self.judge(us, overlap);
        }
    }

    fn two_own(&mut self, us: u64, alive: &[Seen]) {
        let guard_stuck = alive.iter().any(|one| one.guard_stuck);
        // Of several pauses the one that nobody can notice may be the cause, and then no window is promised.
        let pauses = || alive.iter().filter_map(|one| one.paused);
        let paused = pauses().find(|noticed| !noticed).or_else(|| pauses().next());
        let astray = alive.iter().any(|one| one.astray);
        match &mut self.overlap {
            Some(overlap) => overlap.guard_stuck |= guard_stuck,
            None => self.overlap = Some(Overlap { since: us, paused, guard_stuck, astray }),
        }
    }

    fn judge(&mut self, us: u64, overlap: Overlap) {
        let ms = (us - overlap.since).div_ceil(1_000);
        if overlap.astray {
            self.tally.astray += 1;
            return;
        }
        let Some(noticed) = overlap.paused.filter(|_| self.accepts) else {
            self.tally.double += 1;
            return self.breaks(overlap.since, "one_owner", format!("two owned for {ms} ms"));
        };
        self.tally.residual += 1;
        if let Some(longest) = self.tally.residual_max_ms.get_mut(usize::from(!noticed)) {
            *longest = (*longest).max(ms);
        }
        if noticed && !overlap.guard_stuck && ms > self.window_ms {
            self.breaks(overlap.since, "window", format!("after a pause that could be noticed two owned for {ms} ms"));
        }
    }

    /// The end of the life: `owned` tells whether somebody owns.
    pub fn finish(&mut self, us: u64, owned: bool) {
        if let Some(overlap) = self.overlap.take() {
            self.judge(us, overlap);
        }
        if let Some(since) = self.owned_since.take() {
            self.tally.owned_ms += (us - since) / 1_000;
        }
        self.tally.seconds += us / 1_000_000;
        if !owned {
            self.breaks(us, "stranded", "all is well, and nobody owns".to_owned());
        }
    }

    fn breaks(&mut self, at_us: u64, rule: &'static str, text: String) {
        self.tally.breaks(Violation { seed: self.seed, at_us, rule, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// Two own from the first second to the tenth, with these pauses behind them. The window is a second long.
    fn judged(paused: [Option<bool>; 2]) -> Tally {
        let mut oracle = Oracle::new(1, true, 1_000);
        let seen = |node: usize| Seen { node, paused: paused[node], guard_stuck: false, astray: false };
        oracle.look(SECOND, &[seen(0), seen(1)]);
        oracle.look(10 * SECOND, &[seen(1)]);
        oracle.finish(20 * SECOND, true);
        oracle.tally
    }

    #[test]
    fn a_window_is_promised_only_where_no_pause_was_one_that_nobody_can_notice() {
        let rule = |tally: &Tally| tally.broken.first().map(|one| one.rule);
        let noticed = judged([Some(true), None]);
        assert_eq!((rule(&noticed), noticed.double), (Some("window"), 0));
        for paused in [[Some(true), Some(false)], [Some(false), Some(true)], [None, Some(false)]] {
            let hidden = judged(paused);
            assert_eq!((rule(&hidden), hidden.residual, hidden.residual_max_ms), (None, 1, [0, 9_000]), "{paused:?}");
        }
        let none = judged([None, None]);
        assert_eq!((rule(&none), none.double), (Some("one_owner"), 1));
    }
}
