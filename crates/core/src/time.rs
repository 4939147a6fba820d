//! Points in time, always passed in.
//!
//! Two clocks matter. [`Moment`] counts milliseconds since boot *including sleep*, so that durations
//! survive a closed laptop lid and clock changes; every decision is made on it. [`Wall`] is only for people
//! and for records that outlive a boot. A [`Now`] carries both, read together by an adapter.

use serde::{Deserialize, Serialize};

/// Milliseconds since boot on a clock that counts sleep (Linux `CLOCK_BOOTTIME`, macOS `mach_continuous_time`,
/// Windows interrupt time).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment `ms` later; saturates at the end of time.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `ms` earlier; saturates at boot.
    #[must_use]
    pub const fn minus(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }
}

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(pub i64);

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// For decisions.
    pub mono: Moment,
    /// For people.
    pub wall: Wall,
}

impl Now {
    /// The wall time of another moment of this boot, seen from here.
    #[must_use]
    pub fn wall_of(self, moment: Moment) -> Wall {
        let ahead = i64::try_from(moment.since(self.mono)).unwrap_or(i64::MAX);
        let behind = i64::try_from(self.mono.since(moment)).unwrap_or(i64::MAX);
        Wall(self.wall.0.saturating_add(ahead).saturating_sub(behind))
    }
}
