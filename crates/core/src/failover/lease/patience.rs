//! When a reader may count a holder as gone, where the store has no clock of its own (a Lease of Kubernetes).
//!
//! A holder counts its lease from before it wrote; a reader counts from after it first saw what was written, by its own
//! clock that counts sleep, and adds the drift bound. So the reader is always later. Whoever takes the lease writes only
//! if nothing was written since, so a holder that renewed at the last moment keeps it. `client-go`'s leader election
//! counts in the same way (`observedTime`), without the drift bound.
//!
//! Invariant: times that other machines wrote down are never compared with a clock of this one.

use crate::time::Moment;

/// One reader's patience with what lies in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patience(Option<Sighting>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sighting {
    /// `None`: there is nothing in the store.
    version: Option<String>,
    since: Moment,
}

impl Patience {
    /// Whether what was just seen may still live: it was first seen less than a time to live ago, by this reader.
    /// `version` changes with each write; `None`: nothing is there. `now` is read after the store has answered.
    pub fn lives(&mut self, version: Option<&str>, now: Moment, ttl_ms: u64, drift_ppm: u32) -> bool {
        let same = |seen: &&Sighting| seen.version.as_deref() == version;
        if let Some(seen) = self.0.as_ref().filter(same) {
            let extra_ms = ttl_ms.saturating_mul(u64::from(drift_ppm)).div_ceil(1_000_000);
            return now.since(seen.since) < ttl_ms.saturating_add(extra_ms);
        }
        self.0 = Some(Sighting { version: version.map(str::to_owned), since: now });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: u64 = 10_000;
    /// 1 %.
    const DRIFT: u32 = 10_000;

    fn lives(patience: &mut Patience, version: &str, at: u64) -> bool {
        patience.lives(Some(version), Moment(at), TTL, DRIFT)
    }

    #[test]
    fn a_holder_is_gone_when_this_reader_has_waited_a_whole_lease_and_the_drift() {
        let mut patience = Patience::default();
        assert!(lives(&mut patience, "1", 1_000_000), "an old record is new to a new reader");
        assert!(lives(&mut patience, "1", 1_010_099));
        assert!(!lives(&mut patience, "1", 1_010_100));
        assert!(!lives(&mut patience, "1", 9_000_000));
    }

    #[test]
    fn each_write_begins_anew_and_so_does_what_is_gone() {
        let mut patience = Patience::default();
        lives(&mut patience, "1", 0);
        assert!(lives(&mut patience, "2", 10_099));
        assert!(lives(&mut patience, "2", 20_198));
        assert!(patience.lives(None, Moment(30_000), TTL, DRIFT), "it may have been deleted under its holder");
        assert!(!patience.lives(None, Moment(40_100), TTL, DRIFT));
        assert!(lives(&mut patience, "2", 40_200), "seen once more is seen anew");
    }

    #[test]
    fn sleep_counts_and_a_clock_that_goes_back_does_not() {
        let mut patience = Patience::default();
        lives(&mut patience, "1", 50_000);
        assert!(lives(&mut patience, "1", 10));
        assert!(!lives(&mut patience, "1", 50_000 + 3_600_000));
        assert!(patience.lives(Some("1"), Moment(u64::MAX), u64::MAX, DRIFT), "no overflow");
    }
}
