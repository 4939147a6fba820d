//! A small random source with a number for a name: the same seed gives the same life, on every machine.

/// xoshiro256**, seeded through SplitMix64 (both public domain, Blackman and Vigna).
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

impl Rng {
    /// A source for this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut x = seed;
        let mut next = || {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = x;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self([next(), next(), next(), next()])
    }

    /// The next 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Evenly from `low` to `high`, both included.
    #[inline]
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1).max(1);
        low + u64::try_from((u128::from(self.bits()) * u128::from(span)) >> 64).unwrap_or(0)
    }

    /// True in so many of a thousand cases.
    #[inline]
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.between(0, 999) < per_mille
    }

    /// Exponentially distributed with this mean, at least 1.
    pub fn waiting(&mut self, mean: u64) -> u64 {
        let unit = (self.between(0, 1 << 52) as f64 + 1.0) / ((1u64 << 52) as f64 + 2.0);
        (-(unit.ln()) * mean as f64).max(1.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_within_their_bounds() {
        let (mut one, mut two, mut other) = (Rng::new(7), Rng::new(7), Rng::new(8));
        let mut differs = false;
        for _ in 0..1_000 {
            let x = one.between(3, 9);
            assert!((3..=9).contains(&x));
            assert_eq!(x, two.between(3, 9));
            differs |= x != other.between(3, 9);
        }
        assert!(differs);
    }
}
