//! The figures of a pair.

use serde::{Deserialize, Serialize};

/// How patient a standby is. The defaults are those of the failover-gateway document: a look every 10 s, and the third
/// one in a row that is missed promotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Between two looks at the primary, in milliseconds.
    pub every_ms: u64,
    /// Looks in a row without an answer after which the standby carries on.
    pub misses: u32,
    /// How long the primary's guard may repair before the standby carries on, in milliseconds.
    pub repair_ms: u64,
    /// How long a primary must have been well without a break before the standby steps back, in milliseconds.
    pub steady_ms: u64,
    /// The longest that [`Figures::steady_ms`] grows to, in milliseconds.
    pub steady_max_ms: u64,
    /// Takeovers within this time make it grow, in milliseconds.
    pub flap_window_ms: u64,
    /// Until a change of role that failed is tried again, in milliseconds.
    pub retry_ms: u64,
    /// How long the accounts of a primary that cannot read its own config count as last known, in milliseconds.
    pub doubt_ms: u64,
}

impl Figures {
    const LONGEST_LOOK_MS: u64 = 2_000;

    /// The document's timing.
    #[must_use]
    pub const fn document() -> Self {
        Self {
            every_ms: 10_000,
            misses: 3,
            repair_ms: 120_000,
            steady_ms: 60_000,
            steady_max_ms: 1_800_000,
            flap_window_ms: 3_600_000,
            retry_ms: 30_000,
            doubt_ms: 86_400_000,
        }
    }

    /// For a pair on a good network: the loss of a host is found within about two seconds.
    #[must_use]
    pub const fn fast() -> Self {
        Self { every_ms: 500, misses: 3, repair_ms: 60_000, steady_ms: 30_000, retry_ms: 5_000, ..Self::document() }
    }

    /// A look may take this long at most, in milliseconds.
    #[must_use]
    pub const fn look_ms(&self) -> u64 {
        let share = self.every_ms / 5 * 4;
        if share < Self::LONGEST_LOOK_MS { share } else { Self::LONGEST_LOOK_MS }
    }

    /// From one look to the next, in milliseconds. After a miss it comes sooner: a look that is not answered takes its
    /// whole time, and a third miss in a row is to be known three looks after the loss, and not later by that time.
    #[must_use]
    pub const fn next_look_ms(&self, missed: bool) -> u64 {
        if missed { self.every_ms - self.look_ms() / 2 } else { self.every_ms }
    }

    /// How long the primary must have been well after so many takeovers of late: twice as long after each.
    #[must_use]
    pub const fn steadiness_ms(&self, takeovers: u32) -> u64 {
        let doublings = takeovers.saturating_sub(1);
        let grown = if doublings < 32 { self.steady_ms.saturating_mul(1 << doublings) } else { u64::MAX };
        if grown < self.steady_max_ms { grown } else { self.steady_max_ms }
    }

    /// So long a standby that comes before this one has for its own decision, once the primary is lost: as long as that
    /// takes, and one look more. In milliseconds.
    #[must_use]
    pub const fn turn_ms(&self) -> u64 {
        self.every_ms.saturating_mul(self.misses as u64 + 1)
    }

    /// A node that has not looked for so long has slept or starved, and doubts itself.
    #[must_use]
    pub const fn asleep_ms(&self) -> u64 {
        self.every_ms.saturating_mul(3)
    }
}

impl Default for Figures {
    fn default() -> Self {
        Self::document()
    }
}
