//! The end of the whole gateway by force: the child, and all that it started.
//!
//! Invariant: only who is proven to belong to it is signalled, and it is over only when a look at the whole process
//! table finds nobody. Children that are born while it is ended are found by the next look.

use crate::host::family::{Family, members};
use crate::host::signal::{Signal, send};
use std::time::{Duration, Instant};

/// Looks in one turn of the loop.
const LOOKS: usize = 3;
/// Between turns, growing: a process that the kernel cannot end yet must not cost a processor.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// An end that is under way.
#[derive(Debug)]
pub struct Ending {
    family: Family,
    next: Instant,
    pause: Duration,
}

impl Ending {
    /// Ends the leader at once; the others with the first look.
    pub fn begin(family: Family) -> Self {
        if let Some(leader) = &family.leader {
            // It may have ended already.
            drop(send(leader, Signal::Kill));
        }
        Self { family, next: Instant::now(), pause: PAUSE_MIN }
    }

    /// A look is due.
    pub fn is_due(&self) -> bool {
        self.next <= Instant::now()
    }

    /// How long nothing need happen.
    pub fn patience(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Ends whoever is still there. Returns how many the last look found.
    pub fn go_on(&mut self) -> usize {
        let mut left = 0;
        for _ in 0..LOOKS {
            let found = members(&self.family);
            left = found.len();
            if found.is_empty() {
                break;
            }
            for one in &found {
                // One that has ended meanwhile needs none; one that we may not signal is found again, and told as left.
                drop(send(one, Signal::Kill));
            }
        }
        self.next = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        left
    }
}
