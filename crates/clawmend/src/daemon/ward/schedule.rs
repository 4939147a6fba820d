//! When a ward looks at what by itself.
//!
//! Waking up is what a guard at rest pays for. Invariant: whatever recurs lies on multiples of its own period on the
//! boot clock, so that all that is due in one half second, of all gateways, is done at one wake-up. Start at
//! [`Recurring::due`].

use clawmend_core::time::Moment;

/// Things that are due within this are done at the same wake-up.
const TOGETHER_MS: u64 = 20;

/// One thing that recurs. It begins as due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::daemon) struct Recurring(Moment);

impl Recurring {
    /// Whether it is to be done now; then the next time is planned. A pace that has risen since it was planned counts
    /// at once.
    pub(super) fn due(&mut self, now: Moment, every_ms: u64) -> bool {
        self.come_forward(now, every_ms);
        let due = self.0 <= now.plus(TOGETHER_MS);
        if due {
            self.0 = multiple_after(now.plus(TOGETHER_MS), every_ms);
        }
        due
    }

    /// It is planned for the next time at this pace, unless it comes sooner anyway.
    pub(super) fn come_forward(&mut self, now: Moment, every_ms: u64) {
        self.0 = self.0.min(multiple_after(now.plus(TOGETHER_MS), every_ms));
    }

    /// When it is to be done next.
    pub(super) const fn at(self) -> Moment {
        self.0
    }

    /// Plans it for that moment, once.
    pub(super) const fn set(&mut self, at: Moment) {
        self.0 = at;
    }
}

/// The first multiple of `every_ms` that lies behind `moment`.
pub(in crate::daemon) fn multiple_after(moment: Moment, every_ms: u64) -> Moment {
    let every_ms = every_ms.max(1);
    Moment((moment.0 / every_ms).saturating_add(1).saturating_mul(every_ms))
}

/// What recurs in a ward.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::daemon) struct Schedule {
    /// The process.
    pub(super) look: Recurring,
    /// `/healthz`.
    pub(super) probe: Recurring,
    /// `/readyz`, with a probe.
    pub(super) readiness: Recurring,
    /// Who listens, with anything else.
    pub(super) listener: Recurring,
    /// The surroundings.
    pub(super) around: Recurring,
    /// The state of the channels, while one of them is not well.
    pub(super) channels: Recurring,
    /// A message to the model, with anything else.
    pub(super) synthetic: Recurring,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lives through `for_ms` like the loop does, each time `late` after the plan; counts wake-ups and what was due.
    fn live(schedule: &mut Schedule, begin: u64, for_ms: u64, late: impl Fn(u64) -> u64) -> (u64, [u64; 5]) {
        let (mut now, mut wakes, mut done) = (Moment(begin), 0, [0; 5]);
        while now.0 < begin + for_ms {
            wakes += 1;
            let Schedule { look, probe, readiness, listener, around, synthetic: _, channels: _ } = schedule;
            for (at, (thing, every)) in
                [(look, 500), (probe, 1_000), (readiness, 5_000), (listener, 10_000), (around, 1_000)]
                    .into_iter()
                    .enumerate()
            {
                done[at] += u64::from(thing.due(now, every));
            }
            let next = schedule.look.at().min(schedule.probe.at()).min(schedule.around.at());
            assert!(next > now, "the loop would turn without a pause");
            now = next.plus(late(wakes));
        }
        (wakes, done)
    }

    #[test]
    fn a_plan_for_calmer_times_comes_forward_and_never_goes_back() {
        let mut look = Recurring::default();
        assert!(look.due(Moment(10_000), 500));
        assert_eq!(look.at(), Moment(10_500));
        look.come_forward(Moment(10_000), 50);
        assert_eq!(look.at(), Moment(10_050), "the next look at a stop is not half a second away");
        look.come_forward(Moment(10_000), 500);
        assert_eq!(look.at(), Moment(10_050));
    }

    #[test]
    fn everything_at_rest_shares_two_wake_ups_per_second() {
        // It came up at odd times, and timers are late by some milliseconds.
        let mut schedule = Schedule::default();
        schedule.around.set(Moment(1_234_567 + 333));
        schedule.look.set(Moment(1_234_567 + 77));
        let (wakes, done) = live(&mut schedule, 1_234_567, 600_000, |wake| wake % 4);
        assert!(wakes <= 1_200 + 4, "{wakes} wake-ups in 600 s");
        for (seen, wanted) in done.into_iter().zip([1_200, 600, 120, 60, 600]) {
            assert!(seen.abs_diff(wanted) <= 4, "{done:?}");
        }
    }

    #[test]
    fn a_look_is_never_later_than_its_period() {
        for offset in 0..1_000 {
            let mut look = Recurring::default();
            let now = Moment(50_000 + offset);
            assert!(look.due(now, 500));
            let pause = look.at().since(now);
            assert!((TOGETHER_MS..=500 + TOGETHER_MS).contains(&pause), "{pause} ms after {offset}");
            // Something off the grid does not move the grid.
            look.set(now);
            assert!(look.due(now, 500) && look.at().0 % 500 == 0);
        }
    }

    #[test]
    fn a_rising_pace_counts_at_once_and_a_falling_one_after_that() {
        let mut look = Recurring::default();
        assert!(look.due(Moment(10_000), 500));
        assert!(!look.due(Moment(10_010), 100));
        assert_eq!(look.at(), Moment(10_100));
        assert!(look.due(Moment(10_100), 500));
        assert_eq!(look.at(), Moment(10_500));
    }
}
