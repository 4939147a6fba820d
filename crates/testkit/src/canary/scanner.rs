//! Finds canaries in bytes.

use super::{Canary, forms};
use aho_corasick::AhoCorasick;
use std::fmt;

/// What may be hit: one automaton over all forms of all canaries.
#[derive(Debug)]
pub struct Scanner {
    automaton: AhoCorasick,
    /// Of each form, whose it is.
    owners: Vec<usize>,
    names: Vec<String>,
}

/// One canary that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// In bytes from the beginning.
    pub offset: usize,
    /// Which canary: its name, never itself.
    pub what: String,
}

impl fmt::Display for Hit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at byte {}", self.what, self.offset)
    }
}

impl Scanner {
    /// One that knows these.
    ///
    /// # Panics
    /// When they are too many for an automaton.
    #[must_use]
    pub fn of<'a>(canaries: impl IntoIterator<Item = &'a Canary>) -> Self {
        let (mut all, mut owners, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for canary in canaries {
            for form in forms::of(canary) {
                all.push(form);
                owners.push(names.len());
            }
            names.push(canary.what.clone());
        }
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&all);
        assert!(automaton.is_ok(), "too many canaries");
        let automaton = automaton.unwrap_or_else(|_| unreachable!());
        Self { automaton, owners, names }
    }

    /// Each canary that is in there, once, at its first place.
    #[must_use]
    pub fn hits(&self, bytes: &[u8]) -> Vec<Hit> {
        let mut seen = vec![false; self.names.len()];
        let mut hits = Vec::new();
        for found in self.automaton.find_iter(bytes) {
            let owner = self.owners[found.pattern().as_usize()];
            if !std::mem::replace(&mut seen[owner], true) {
                hits.push(Hit { offset: found.start(), what: self.names[owner].clone() });
            }
        }
        hits
    }
}
