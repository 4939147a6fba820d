//! The smallest set of changed keys that has to be taken back.
//!
//! Delta debugging (Zeller's `ddmin`): the answer is minimal in the sense that no single key of it can be left out.
//! Invariant: at most [`MAX_TRIALS`] trials.

use super::path::KeyPath;
use super::restore::{candidates, revert};
use super::tree::Tree;

/// Most configs that the oracle is asked about.
pub const MAX_TRIALS: usize = 400;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bisected {
    /// Taking these from the good config makes the present one pass.
    pub keys: Vec<KeyPath>,
    /// The present config with just those taken back.
    pub tree: Tree,
    /// Configs that were tried.
    pub trials: usize,
    /// No key of the set can be left out; `false` when the trials ran out first.
    pub minimal: bool,
}

/// Finds the keys. `passes` says whether a config is good. `None` when `present` passes already, or `goal` does not.
pub fn bisect(present: &Tree, goal: &Tree, mut passes: impl FnMut(&Tree) -> bool) -> Option<Bisected> {
    let mut keys = candidates(present, goal);
    if keys.is_empty() || passes(present) || !passes(&revert(present, goal, &keys).0) {
        return None;
    }
    let mut trials = 2;
    let mut parts = 2;
    let mut minimal = keys.len() == 1;
    while !minimal && trials < MAX_TRIALS {
        let mut good = |set: &[KeyPath]| {
            trials += 1;
            trials <= MAX_TRIALS && passes(&revert(present, goal, set).0)
        };
        let size = keys.len().div_ceil(parts);
        let chunks: Vec<&[KeyPath]> = keys.chunks(size).collect();
        if let Some(chunk) = chunks.iter().find(|chunk| good(chunk)).map(|chunk| chunk.to_vec()) {
            keys = chunk;
            parts = 2;
        } else if let Some(rest) = complements(&chunks).into_iter().find(|rest| good(rest)) {
            keys = rest;
            parts = parts.saturating_sub(1).max(2);
        } else if parts < keys.len() {
            parts = (parts * 2).min(keys.len());
        } else {
            minimal = trials < MAX_TRIALS;
            break;
        }
        minimal = keys.len() == 1;
    }
    let tree = revert(present, goal, &keys).0;
    Some(Bisected { keys, tree, trials: trials.min(MAX_TRIALS), minimal })
}

/// All but one chunk each. With two chunks those are the chunks themselves.
fn complements(chunks: &[&[KeyPath]]) -> Vec<Vec<KeyPath>> {
    if chunks.len() <= 2 {
        return Vec::new();
    }
    (0..chunks.len())
        .map(|left_out| {
            let others = chunks.iter().enumerate().filter(|(index, _)| *index != left_out);
            others.flat_map(|(_, chunk)| chunk.iter().cloned()).collect()
        })
        .collect()
}
