//! Clocks that run a little too fast or too slow, and do or do not count the time in which a machine was paused.

use clawmend_core::time::Moment;

/// Converts true microseconds of the world into milliseconds of one machine's clock, and back.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Parts per million faster than true time.
    ppm: i64,
    /// Added to the scaled time, in microseconds of this clock.
    offset_us: i128,
}

impl Clock {
    /// A clock that runs so much too fast, and begins somewhere.
    #[must_use]
    pub fn new(ppm: i64, offset_us: u64) -> Self {
        Self { ppm, offset_us: i128::from(offset_us) }
    }

    fn scaled(&self, us: u64) -> i128 {
        i128::from(us) * i128::from(1_000_000 + self.ppm) / 1_000_000
    }

    /// What it shows at this true time.
    #[must_use]
    pub fn at(&self, us: u64) -> Moment {
        Moment(u64::try_from((self.scaled(us) + self.offset_us) / 1_000).unwrap_or(0))
    }

    /// The first true time at which it shows this, not before `now`.
    #[must_use]
    pub fn when(&self, moment: Moment, now: u64) -> u64 {
        let scaled = i128::from(moment.0) * 1_000 - self.offset_us;
        let us = scaled * 1_000_000 / i128::from(1_000_000 + self.ppm) + 2;
        u64::try_from(us).unwrap_or(0).max(now)
    }

    /// It stood still for so long.
    pub fn stood_still(&mut self, us: u64) {
        self.offset_us -= self.scaled(us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_shows_a_moment_before_it_is_due() {
        for ppm in [-24_000, -3, 0, 499, 24_000] {
            let mut clock = Clock::new(ppm, 12_345_678);
            clock.stood_still(777_777);
            for ms in (13_000..200_000).step_by(997) {
                let us = clock.when(Moment(ms), 0);
                assert!(
                    clock.at(us) >= Moment(ms) && clock.at(us.saturating_sub(1_100)) < Moment(ms + 1),
                    "{ppm} {ms}"
                );
            }
        }
    }
}
