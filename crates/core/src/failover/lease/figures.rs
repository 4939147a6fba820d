//! The figures of a lease, and whether they can keep two owners apart.

use crate::time::Moment;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How long everything may take. All nodes of a group use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Figures {
    /// The store forgets the lease so long after it has granted or renewed it, by its own clock, in milliseconds.
    pub ttl_ms: u64,
    /// Between two renewals, in milliseconds.
    pub renew_ms: u64,
    /// A request that was not answered for so long has an unknown outcome, in milliseconds.
    pub answer_ms: u64,
    /// How far the rates of any two clocks may be apart, in millionths: this machine's that counts sleep, and the
    /// store's. Crystals of computers keep within 100; a time daemon that slews may add 500.
    pub drift_ppm: u32,
    /// From the order to end a gateway to the proof that it has ended, in milliseconds: SIGKILL, and reaping.
    pub kill_ms: u64,
    /// How long a planned switch waits for work in flight, in milliseconds.
    pub drain_ms: u64,
    /// A guard that has not run for so long has slept, in milliseconds.
    pub asleep_ms: u64,
    /// Between two looks of a candidate at the store, in milliseconds.
    pub look_ms: u64,
    /// A candidate waits so long for each one that comes before it, from when it first saw the lease free, in
    /// milliseconds.
    pub rank_ms: u64,
    /// For so long a lease that was handed over is left to whom it was meant for, in milliseconds.
    pub handover_ms: u64,
    /// Until something that failed on this node is tried again, in milliseconds.
    pub retry_ms: u64,
}

/// Why figures cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unsound {
    /// An interval of no length.
    #[error("an interval of the lease is 0")]
    Zero,
    /// Clocks that differ that much are broken.
    #[error("a drift bound of {0} ppm is not below 500000")]
    Drift(u32),
    /// What is left of the lease does not hold two renewals and an answer.
    #[error(
        "of a lease of {ttl_ms} ms only {left_ms} ms are left after drift and kill budget; two renewals and an answer need {needs_ms} ms"
    )]
    NoRoom {
        /// The lease.
        ttl_ms: u64,
        /// What is left of it.
        left_ms: u64,
        /// What is needed.
        needs_ms: u64,
    },
    /// A guard that sleeps through its lease would not notice.
    #[error("a guard that slept {asleep_ms} ms would not notice before its lease of {left_ms} usable ms is over")]
    Asleep {
        /// The bound.
        asleep_ms: u64,
        /// What the lease leaves.
        left_ms: u64,
    },
}

impl Figures {
    /// For nodes in different places.
    #[must_use]
    pub const fn steady() -> Self {
        Self {
            ttl_ms: 15_000,
            renew_ms: 3_000,
            answer_ms: 2_000,
            drift_ppm: 1_000,
            kill_ms: 2_000,
            drain_ms: 10_000,
            asleep_ms: 6_000,
            look_ms: 1_000,
            rank_ms: 3_000,
            handover_ms: 10_000,
            retry_ms: 5_000,
        }
    }

    /// For nodes on a good network, and a store beside them.
    #[must_use]
    pub const fn fast() -> Self {
        Self {
            ttl_ms: 5_000,
            renew_ms: 1_000,
            answer_ms: 800,
            kill_ms: 1_000,
            asleep_ms: 2_000,
            look_ms: 300,
            rank_ms: 1_200,
            ..Self::steady()
        }
    }

    /// How much of a lease this node may count on, in its own milliseconds: the rest is for clocks that differ.
    #[must_use]
    pub const fn counted_ms(&self) -> u64 {
        // Rounded against ourselves.
        let lost = self.ttl_ms.saturating_mul(self.drift_ppm as u64).div_ceil(1_000_000);
        self.ttl_ms.saturating_sub(lost)
    }

    /// How long after the request was sent the end of the gateway must begin, in milliseconds.
    #[must_use]
    pub const fn usable_ms(&self) -> u64 {
        self.counted_ms().saturating_sub(self.kill_ms)
    }

    /// When the end of the gateway must begin, for a lease that was asked for at `sent`. The store granted it at that
    /// moment or later, so it cannot have forgotten it before the kill budget is over.
    #[must_use]
    pub const fn deadline(&self, sent: Moment) -> Moment {
        sent.plus(self.usable_ms())
    }

    /// Whether these figures can work.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<(), Unsound> {
        let intervals = [self.ttl_ms, self.renew_ms, self.answer_ms, self.asleep_ms, self.look_ms, self.retry_ms];
        if intervals.contains(&0) {
            return Err(Unsound::Zero);
        }
        if self.drift_ppm >= 500_000 {
            return Err(Unsound::Drift(self.drift_ppm));
        }
        let left_ms = self.usable_ms();
        let needs_ms = self.renew_ms.saturating_mul(2).saturating_add(self.answer_ms);
        if left_ms < needs_ms {
            return Err(Unsound::NoRoom { ttl_ms: self.ttl_ms, left_ms, needs_ms });
        }
        if self.asleep_ms >= left_ms {
            return Err(Unsound::Asleep { asleep_ms: self.asleep_ms, left_ms });
        }
        Ok(())
    }
}

impl Default for Figures {
    fn default() -> Self {
        Self::steady()
    }
}
