//! How long to wait after trouble with a service.
//!
//! Invariant: whatever the service says, there is a wait between two tries, and it grows to a bound.

use super::api::Trouble;
use std::time::Duration;

/// How often it went wrong in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    failures: u32,
}

impl Pace {
    /// It went well.
    pub const fn well(&mut self) {
        self.failures = 0;
    }

    /// The wait after this.
    pub fn after(&mut self, trouble: &Trouble) -> Duration {
        let (first, most) = match trouble {
            // Whoever else asks takes every message that we ask for in between, and we take theirs.
            Trouble::Conflict { .. } => (5, 120),
            // Only a person helps.
            Trouble::Unauthorized { .. } | Trouble::Refused { .. } | Trouble::NotTheApi { .. } => (30, 600),
            Trouble::TooMany { .. } => (5, 120),
            Trouble::Later { .. } | Trouble::Cut => (1, 60),
        };
        let asked = match trouble {
            Trouble::TooMany { after } => *after,
            Trouble::Conflict { .. }
            | Trouble::Unauthorized { .. }
            | Trouble::Refused { .. }
            | Trouble::NotTheApi { .. }
            | Trouble::Later { .. }
            | Trouble::Cut => None,
        };
        self.wait(first, most, asked)
    }

    /// The wait after trouble, in seconds from `first` to `most`; one that the service asks for is kept.
    pub fn wait(&mut self, first: u64, most: u64, asked: Option<Duration>) -> Duration {
        let grown = Duration::from_secs(most).min(Duration::from_secs(first) * 2_u32.pow(self.failures.min(10)));
        self.failures = self.failures.saturating_add(1);
        asked.map_or(grown, |asked| asked.max(Duration::from_secs(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut pace = Pace::default();
        let later = || Trouble::Later { why: String::new() };
        let waits: Vec<u64> = (0..8).map(|_| pace.after(&later()).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        pace.well();
        assert_eq!(pace.after(&later()).as_secs(), 1);
        for _ in 0..100 {
            assert!(pace.after(&Trouble::Unauthorized { why: String::new() }).as_secs() <= 600);
        }
    }

    #[test]
    fn a_wait_that_the_service_asks_for_is_kept() {
        let mut pace = Pace::default();
        let asked = |seconds| Trouble::TooMany { after: Some(Duration::from_secs(seconds)) };
        assert_eq!(pace.after(&asked(7)).as_secs(), 7);
        assert_eq!(pace.after(&asked(0)).as_secs(), 1);
        assert!(pace.after(&Trouble::TooMany { after: None }).as_secs() >= 5);
    }
}
