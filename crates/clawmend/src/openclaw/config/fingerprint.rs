//! A stable hash of what a config consists of.
//!
//! Invariant: the same bytes give the same figure in every version and on every system (FNV-1a, 64 bit), so it may
//! be stored. It tells "changed" from "the same"; it protects nothing against intent.

pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds one file; its length goes in first, so that a border between files cannot move unseen.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.mix(&(bytes.len() as u64).to_le_bytes());
        self.mix(bytes);
    }

    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Never zero: that stands for a missing file.
    pub(super) const fn value(&self) -> u64 {
        if self.0 == 0 { 1 } else { self.0 }
    }
}
