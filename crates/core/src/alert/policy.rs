//! When people want to be told.

use super::Level;
use serde::{Deserialize, Serialize};

/// A minute of the local day, 0 to 1439.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Minute(u16);

impl Minute {
    /// Minutes in a day.
    pub const DAY: u16 = 1_440;

    /// From hours and minutes; `None` when there is no such time of day.
    #[must_use]
    pub const fn new(hour: u16, minute: u16) -> Option<Self> {
        if hour < 24 && minute < 60 { Some(Self(hour * 60 + minute)) } else { None }
    }

    /// Since midnight.
    #[must_use]
    pub const fn of_day(self) -> u16 {
        self.0
    }

    /// Minutes from `self` until the clock shows `then`, 0 to 1439.
    #[must_use]
    pub const fn until(self, then: Self) -> u16 {
        (then.0 + Self::DAY - self.0) % Self::DAY
    }
}

/// Hours in which only what is loud enough disturbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// From this minute on.
    pub from: Minute,
    /// To this one, exclusive; over midnight where it is earlier.
    pub to: Minute,
    /// What is at least as loud breaks them.
    pub broken_by: Level,
}

impl Quiet {
    /// Whether this minute lies within.
    #[must_use]
    pub fn contains(&self, minute: Minute) -> bool {
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// What is told, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPolicy {
    /// Only what the guard cannot mend, or has not mended in time; else every incident.
    pub escalation_only: bool,
    /// Quieter notices are left out.
    pub at_least: Level,
    /// When not to disturb.
    pub quiet: Option<Quiet>,
    /// Again after so long while it is still open, then after twice that, and so on to a day; 0: never.
    pub remind_after_ms: u64,
    /// When what was repaired without a word is told in one note; `None`: never.
    pub morning_note: Option<Minute>,
    /// More ends than this within an hour are told, though each was mended.
    pub crashes_per_hour: u32,
    /// An incident that has been open for longer is critical.
    pub critical_after_ms: u64,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        Self {
            escalation_only: true,
            at_least: Level::Info,
            quiet: None,
            remind_after_ms: 4 * 3_600_000,
            morning_note: Minute::new(8, 30),
            crashes_per_hour: 5,
            critical_after_ms: 30 * 60_000,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quiet_hours_go_over_midnight() {
        let at = |hour, minute| Minute::new(hour, minute).unwrap();
        let quiet = Quiet { from: at(23, 0), to: at(7, 30), broken_by: Level::Critical };
        assert!(quiet.contains(at(23, 0)) && quiet.contains(at(0, 0)) && quiet.contains(at(7, 29)));
        assert!(!quiet.contains(at(7, 30)) && !quiet.contains(at(22, 59)));
        let noon = Quiet { from: at(12, 0), to: at(13, 0), broken_by: Level::Critical };
        assert!(noon.contains(at(12, 59)) && !noon.contains(at(13, 0)) && !noon.contains(at(0, 0)));
        assert_eq!((at(23, 0).until(at(7, 30)), at(7, 0).until(at(7, 0))), (510, 0));
        assert_eq!((Minute::new(24, 0), Minute::new(0, 60)), (None, None));
    }
}
