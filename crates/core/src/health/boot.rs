//! What earlier starts teach about the next one.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The last starts that succeeded. Bounded to [`Boots::KEPT`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Boots(VecDeque<Boot>);

/// One start that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// From the birth of the process to its first good answer.
    pub wall_ms: u64,
    /// CPU that it burnt for that.
    pub cpu_ms: u64,
}

impl Boots {
    /// How many starts are remembered.
    pub const KEPT: usize = 16;

    /// Learns from one.
    pub fn learn(&mut self, boot: Boot) {
        if self.0.len() >= Self::KEPT {
            self.0.pop_front();
        }
        self.0.push_back(boot);
    }

    /// The slowest one remembered, in wall time; `None` before the first.
    #[must_use]
    pub fn slowest_ms(&self) -> Option<u64> {
        self.0.iter().map(|boot| boot.wall_ms).max()
    }

    /// The CPU that the most expensive one burnt; `None` before the first.
    #[must_use]
    pub fn dearest_cpu_ms(&self) -> Option<u64> {
        self.0.iter().map(|boot| boot.cpu_ms).max()
    }

    /// The usual length of a start, for people.
    #[must_use]
    pub fn median_ms(&self) -> Option<u64> {
        let mut lengths: Vec<u64> = self.0.iter().map(|boot| boot.wall_ms).collect();
        lengths.sort_unstable();
        lengths.get(lengths.len() / 2).copied()
    }
}
