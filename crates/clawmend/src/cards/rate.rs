//! How much is let through: a bucket of tokens.
//!
//! Invariant: within any span at most the bucket and what flows in meanwhile; a clock that goes back gives nothing.

/// A bucket. Times are in ms of a clock that does not go back.
#[derive(Clone, Debug)]
pub struct Bucket {
    most: u32,
    every_ms: u64,
    left: u32,
    since: u64,
}

impl Bucket {
    /// A full one: `most` at once, and one more for each `every_ms`.
    #[must_use]
    pub const fn new(most: u32, every_ms: u64) -> Self {
        Self { most, every_ms: if every_ms == 0 { 1 } else { every_ms }, left: most, since: 0 }
    }

    /// Whether one more may pass now.
    pub fn take(&mut self, now_ms: u64) -> bool {
        let grown = now_ms.saturating_sub(self.since) / self.every_ms;
        if grown > 0 {
            self.left = self.most.min(self.left.saturating_add(u32::try_from(grown).unwrap_or(u32::MAX)));
            self.since = self.since.saturating_add(grown.saturating_mul(self.every_ms));
        }
        let passes = self.left > 0;
        self.left = self.left.saturating_sub(1);
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_by_one() {
        let mut bucket = Bucket::new(3, 100);
        let passed = |bucket: &mut Bucket, now, times: usize| (0..times).filter(|_| bucket.take(now)).count();
        assert_eq!(passed(&mut bucket, 1_000, 10), 3);
        assert_eq!(passed(&mut bucket, 1_099, 10), 0);
        assert_eq!(passed(&mut bucket, 1_250, 10), 2);
        assert_eq!(passed(&mut bucket, 500, 10), 0, "a clock that was set back");
        assert_eq!(passed(&mut bucket, 1_000_000, 10), 3);
    }
}
