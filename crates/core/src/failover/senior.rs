//! The standbys that come before this one: it takes over only where none of them does.
//!
//! Invariants: what is not known of one of them yet makes this node wait; one that carries, or would in its turn, is waited
//! for within a bound, so that a standby that hangs leaves nobody without an answer; one that cannot be heard counts as
//! lost only after as many looks in a row as a primary. Start at [`Seniors::look`].

use super::figures::Figures;
use crate::time::Moment;
use serde::{Deserialize, Serialize};

/// One look at a standby that comes before this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Senior {
    /// It carries, or is taking over.
    Carries {
        /// Its gateway serves.
        serves: bool,
    },
    /// It stands by, and would take over by itself.
    Ready {
        /// It sees the primary at work.
        sees_primary: bool,
    },
    /// It stands by and would not: a person holds it, or its channels are not known to be its own.
    Unwilling,
    /// Nobody there answered in time, or not as a standby does.
    Silent,
}

/// Why this node waits although the primary is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waits {
    /// One that comes before has not been heard of for long enough to count as lost.
    Unheard,
    /// It says that the primary is at work.
    SeesPrimary,
    /// It is its turn.
    ItsTurn,
    /// It carries.
    Carries,
}

/// What is known of one of them.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// As it was last heard.
    heard: Option<Senior>,
    missed: u32,
    /// It carries, and its gateway has not served since.
    silent_since: Option<Moment>,
    serves_since: Option<Moment>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Seniors {
    all: Vec<Known>,
    /// Since when it would be this node's turn, if there were nobody before it.
    due_since: Option<Moment>,
}

impl Seniors {
    /// Most that there may be before one.
    pub const MAX: usize = 8;

    /// So many, of which nothing is known yet.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { all: vec![Known::default(); count.min(Self::MAX)], due_since: None }
    }

    /// One look at all of them, in their order.
    pub fn look(&mut self, now: Moment, seen: &[Senior]) {
        for (known, seen) in self.all.iter_mut().zip(seen) {
            known.look(now, *seen);
        }
    }

    /// What was known is from before a sleep.
    pub fn forget(&mut self) {
        self.all.fill(Known::default());
        self.due_since = None;
    }

    /// The primary is not lost, as far as this node knows.
    pub const fn not_due(&mut self) {
        self.due_since = None;
    }

    /// The primary is lost, or `broken`: its guard answers and has repaired it in vain for too long. Why this node waits
    /// all the same, or nothing. One that sees the primary knows better than a node that does not; of a broken one both see
    /// the same, so it has its turn as well.
    pub fn keep_waiting(&mut self, now: Moment, broken: bool, figures: &Figures) -> Option<Waits> {
        let due_since = *self.due_since.get_or_insert(now);
        let mut turn_ms = 0_u64;
        for known in &self.all {
            let turns = u64::from(matches!(known.heard, Some(Senior::Ready { .. })));
            turn_ms = turn_ms.saturating_add(turns.saturating_mul(figures.turn_ms()));
            let its_turn = now.since(due_since) < turn_ms;
            if let Some(waits) = known.waited_for(now, its_turn, broken, figures) {
                return Some(waits);
            }
        }
        None
    }

    /// For how long one of them has carried and served, in milliseconds.
    #[must_use]
    pub fn served_for(&self, now: Moment) -> Option<u64> {
        self.all.iter().filter_map(|known| known.serves_since).map(|since| now.since(since)).max()
    }
}

impl Known {
    fn look(&mut self, now: Moment, seen: Senior) {
        if seen == Senior::Silent {
            self.missed = self.missed.saturating_add(1);
            self.serves_since = None;
            return;
        }
        (self.heard, self.missed) = (Some(seen), 0);
        match seen {
            Senior::Carries { serves: true } => {
                self.silent_since = None;
                self.serves_since.get_or_insert(now);
            }
            Senior::Carries { serves: false } => {
                self.silent_since.get_or_insert(now);
                self.serves_since = None;
            }
            Senior::Ready { .. } | Senior::Unwilling | Senior::Silent => {
                (self.silent_since, self.serves_since) = (None, None);
            }
        }
    }

    fn waited_for(&self, now: Moment, its_turn: bool, broken: bool, figures: &Figures) -> Option<Waits> {
        if self.missed >= figures.misses.max(1) {
            return None;
        }
        let silent_ms = self.silent_since.map_or(0, |since| now.since(since));
        match self.heard {
            None => Some(Waits::Unheard),
            Some(Senior::Carries { .. }) => (silent_ms < figures.repair_ms).then_some(Waits::Carries),
            Some(Senior::Ready { sees_primary: true }) if !broken => Some(Waits::SeesPrimary),
            Some(Senior::Ready { .. }) => its_turn.then_some(Waits::ItsTurn),
            Some(Senior::Unwilling | Senior::Silent) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: Senior = Senior::Ready { sees_primary: false };

    fn figures() -> Figures {
        Figures::document()
    }

    /// Looks every 10 s, and what this node does each time, from the loss of the primary on.
    fn waits<const N: usize>(looks: &[[Senior; N]]) -> Vec<Option<Waits>> {
        let mut seniors = Seniors::new(N);
        let at = |look: usize| Moment(1_000_000 + look as u64 * 10_000);
        let mut wait = |(look, seen): (usize, &[Senior; N])| {
            seniors.look(at(look), seen);
            seniors.keep_waiting(at(look), false, &figures())
        };
        looks.iter().enumerate().map(&mut wait).collect()
    }

    #[test]
    fn with_nobody_before_it_nothing_is_waited_for() {
        assert_eq!(Seniors::new(0).keep_waiting(Moment(5), false, &figures()), None);
    }

    #[test]
    fn one_that_is_ready_has_its_turn_first_and_within_a_bound() {
        let all = waits(&[[READY]; 5]);
        assert_eq!(all[..3], [Some(Waits::ItsTurn); 3], "{all:?}");
        assert_eq!(all[4], None, "one that does nothing is not waited for without an end: {all:?}");
        // The second in the row waits for both.
        let all = waits(&[[READY, READY]; 9]);
        assert_eq!(all.iter().filter(|wait| wait.is_some()).count(), 8, "{all:?}");
    }

    #[test]
    fn one_that_carries_is_enough_as_long_as_it_serves() {
        let serves = Senior::Carries { serves: true };
        assert_eq!(waits(&[[serves]; 60]).last(), Some(&Some(Waits::Carries)));
        let boots = Senior::Carries { serves: false };
        let all = waits(&[[boots]; 14]);
        assert_eq!(all[11], Some(Waits::Carries), "it starts");
        assert_eq!(all[12], None, "120 s are as long as a repair may take: {all:?}");
    }

    #[test]
    fn one_that_sees_the_primary_knows_better() {
        let sees = Senior::Ready { sees_primary: true };
        assert_eq!(waits(&[[sees]; 60]).last(), Some(&Some(Waits::SeesPrimary)));
    }

    /// Its guard answers, and its gateway stays broken: whoever comes first and cannot, once and again, does not keep the
    /// next one waiting without an end.
    #[test]
    fn of_a_broken_primary_each_has_its_turn() {
        let mut seniors = Seniors::new(1);
        let (sees, boots) = (Senior::Ready { sees_primary: true }, Senior::Carries { serves: false });
        let all: Vec<Option<Waits>> = (0..12)
            .map(|look| {
                let at = Moment(1_000_000 + look * 10_000);
                seniors.look(at, &[if look % 3 == 2 { boots } else { sees }]);
                seniors.keep_waiting(at, true, &figures())
            })
            .collect();
        assert_eq!(all[0], Some(Waits::ItsTurn));
        assert!(all[6..].contains(&None), "{all:?}");
    }

    #[test]
    fn one_that_would_not_and_one_that_is_lost_are_passed_over() {
        assert_eq!(waits(&[[Senior::Unwilling]]), [None]);
        let all = waits(&[[READY], [Senior::Silent], [Senior::Silent], [Senior::Silent]]);
        assert_eq!(all, [Some(Waits::ItsTurn), Some(Waits::ItsTurn), Some(Waits::ItsTurn), None]);
        // One of which nothing was ever heard counts as lost after as many looks.
        let all = waits(&[[Senior::Silent]; 3]);
        assert_eq!(all, [Some(Waits::Unheard), Some(Waits::Unheard), None]);
        // Whoever is first of those that are there.
        let all = waits(&[[Senior::Unwilling, Senior::Carries { serves: true }]]);
        assert_eq!(all, [Some(Waits::Carries)]);
    }

    #[test]
    fn after_a_sleep_nothing_is_known() {
        let mut seniors = Seniors::new(1);
        for look in 0..3 {
            seniors.look(Moment(look), &[Senior::Silent]);
        }
        assert_eq!(seniors.keep_waiting(Moment(3), false, &figures()), None);
        seniors.forget();
        assert_eq!(seniors.keep_waiting(Moment(4), false, &figures()), Some(Waits::Unheard));
    }

    #[test]
    fn how_long_one_has_served_begins_anew_with_each_gap() {
        let mut seniors = Seniors::new(2);
        let serves = Senior::Carries { serves: true };
        seniors.look(Moment(0), &[READY, serves]);
        seniors.look(Moment(10), &[READY, serves]);
        assert_eq!(seniors.served_for(Moment(10)), Some(10));
        seniors.look(Moment(20), &[READY, Senior::Silent]);
        assert_eq!(seniors.served_for(Moment(20)), None);
        seniors.look(Moment(30), &[READY, serves]);
        assert_eq!(seniors.served_for(Moment(35)), Some(5));
    }
}
