//! What became of repairs: a case's success rate orders candidates, and demotes a case that keeps failing.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many repairs in a row must have failed before a case loses its right to act alone.
const DEMOTED_AFTER: u32 = 3;
/// Most records that count: what was long ago says little of today's version.
const WINDOW: usize = 50;

/// One repair whose outcome was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    /// The case.
    pub case: String,
    /// The verification passed.
    pub worked: bool,
}

/// How a case has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Repairs that count.
    pub tries: u32,
    /// Of these, how many worked.
    pub successes: u32,
    /// How many failed since the last one that worked.
    pub failed_in_a_row: u32,
}

impl Standing {
    /// Expected success in percent: Laplace's rule, so that one good day is not a certainty. 50 without experience.
    #[must_use]
    pub const fn rate_percent(self) -> u32 {
        (self.successes + 1) * 100 / (self.tries + 2)
    }

    /// It keeps failing: it comes behind its peers and does nothing by itself.
    #[must_use]
    pub const fn demoted(self) -> bool {
        self.failed_in_a_row >= DEMOTED_AFTER
    }
}

/// The standing of every case in `repairs`, oldest first. Only the newest [`WINDOW`] of a case count.
#[must_use]
pub fn standings(repairs: &[Repair]) -> BTreeMap<String, Standing> {
    let mut seen: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for repair in repairs.iter().rev() {
        let of_case = seen.entry(&repair.case).or_default();
        if of_case.len() < WINDOW {
            of_case.push(repair.worked);
        }
    }
    let standing = |worked: Vec<bool>| Standing {
        tries: u32::try_from(worked.len()).unwrap_or(u32::MAX),
        successes: u32::try_from(worked.iter().filter(|worked| **worked).count()).unwrap_or(u32::MAX),
        failed_in_a_row: u32::try_from(worked.iter().take_while(|worked| !**worked).count()).unwrap_or(u32::MAX),
    };
    seen.into_iter().map(|(case, worked)| (case.to_owned(), standing(worked))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repairs(worked: &[bool]) -> Vec<Repair> {
        worked.iter().map(|worked| Repair { case: "a".into(), worked: *worked }).collect()
    }

    #[test]
    fn a_case_that_keeps_failing_is_demoted_and_earns_its_way_back() {
        let standing = |worked: &[bool]| standings(&repairs(worked)).remove("a").unwrap_or_default();
        assert_eq!(Standing::default().rate_percent(), 50);
        assert!(!standing(&[true, false, false]).demoted());
        assert!(standing(&[true, false, false, false]).demoted());
        assert!(!standing(&[false, false, false, true]).demoted());
        assert!(standing(&[true; 9]).rate_percent() >= 90);
    }

    #[test]
    fn what_was_long_ago_does_not_count() {
        let worked: Vec<bool> = [vec![true; 500], vec![false; WINDOW]].concat();
        let standing = standings(&repairs(&worked)).remove("a").unwrap_or_default();
        assert_eq!((standing.tries, standing.successes), (50, 0));
    }
}
