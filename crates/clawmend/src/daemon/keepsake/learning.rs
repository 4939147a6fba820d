//! When the schema of the version that runs is asked for.
//!
//! Invariant: only while the gateway has been well for a moment, so that no boot is slowed down; once per version, and
//! after a failure again only after [`AGAIN_MS`]. Start at [`Learning::due`].

use clawmend_core::time::Moment;

/// How long a gateway is well before its schema is asked for.
const SETTLED_MS: u64 = 2_000;
/// Between two attempts for one version.
const AGAIN_MS: u64 = 30 * 60_000;

/// The attempts for one gateway.
#[derive(Debug, Default)]
pub(super) struct Learning {
    last: Option<Attempt>,
}

#[derive(Debug)]
struct Attempt {
    version: String,
    at: Moment,
}

impl Learning {
    /// Whether to ask now for the schema of this version, which has run well for `well_ms`. `known` is the version
    /// whose schema is at hand. Counts as an attempt if it says yes.
    pub(super) fn due(&mut self, now: Moment, running: &str, well_ms: u64, known: Option<&str>) -> bool {
        let lately = self.last.as_ref().is_some_and(|last| last.version == running && now.since(last.at) < AGAIN_MS);
        let due = well_ms >= SETTLED_MS && known != Some(running) && !lately;
        if due {
            self.last = Some(Attempt { version: running.to_owned(), at: now });
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::{AGAIN_MS, Learning, SETTLED_MS};
    use clawmend_core::time::Moment;

    #[test]
    fn a_schema_is_asked_for_once_the_gateway_has_settled() {
        let mut learning = Learning::default();
        assert!(!learning.due(Moment(0), "1", SETTLED_MS - 1, None));
        assert!(learning.due(Moment(1), "1", SETTLED_MS, None));
        assert!(!learning.due(Moment(2), "1", SETTLED_MS, None), "the first attempt is under way");
    }

    #[test]
    fn a_failure_is_tried_again_rarely_and_another_version_at_once() {
        let mut learning = Learning::default();
        assert!(learning.due(Moment(0), "1", SETTLED_MS, None));
        assert!(!learning.due(Moment(AGAIN_MS - 1), "1", AGAIN_MS, None));
        assert!(learning.due(Moment(AGAIN_MS), "1", AGAIN_MS, None));
        assert!(learning.due(Moment(AGAIN_MS + 1), "2", SETTLED_MS, None));
    }

    #[test]
    fn a_known_schema_is_not_asked_for() {
        let mut learning = Learning::default();
        assert!(!learning.due(Moment(AGAIN_MS), "1", AGAIN_MS, Some("1")));
        assert!(learning.due(Moment(AGAIN_MS), "2", SETTLED_MS, Some("1")));
    }
}
