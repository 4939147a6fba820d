//! What a restore would write, decided from what is on disk and what was kept.
//!
//! Invariant: the result is a proven or named generation with guarded keys as they are now, or the present config with
//! single keys taken from it; it passes the check; nothing is written here.

use super::object::{Loaded, Snapshot};
use crate::openclaw::config::{self, edit};
use clawmend_core::generation::{self, Held, KeyPath, Tree, Witness};
use serde_json::Value;
use std::path::PathBuf;

/// What is on disk now.
#[derive(Debug, Default)]
pub struct Subject<'a> {
    /// The present config, when it can be read.
    pub present: Option<&'a Value>,
    /// Its own text, when it consists of one file.
    pub text: Option<&'a str>,
    /// The newest earlier config that could be read.
    pub witness: Option<&'a Value>,
}

/// How much is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// The whole generation.
    Whole,
    /// Only these keys of the present config: the ones that break it.
    Keys(Vec<KeyPath>),
}

/// What would be written.
#[derive(Debug)]
pub struct Composed {
    /// Files with their new content, the config itself last.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// What the config will say.
    pub tree: Tree,
    /// How much of it is restored.
    pub how: How,
    /// Keys that are left as they are now.
    pub held: Vec<Held>,
}

/// Why there is nothing to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// The present config says the same already, guarded keys apart.
    #[error("there is nothing to restore: the config says the same already")]
    Nothing,
    /// What comes out would be refused as well.
    #[error("what would come out does not pass the check either: {0}")]
    StillBroken(String),
    /// The generation cannot be read.
    #[error("the generation cannot be read: {0}")]
    Unreadable(String),
    /// Only a person can do it.
    #[error(
        "the config consists of several files, and keys that must stay as they are lie in them; restore it by hand"
    )]
    SeveralFiles,
}

/// Composes. `verdict` checks a config: `Some` is why it would not start. With `by_person` keys that a person gave up
/// come back too when `guard` is off.
///
/// # Errors
/// See [`ComposeError`].
pub fn compose(
    subject: &Subject<'_>,
    from: &Loaded,
    guard: bool,
    mut verdict: impl FnMut(&Value) -> Option<String>,
) -> Result<Composed, ComposeError> {
    let old = value_of(&from.snapshot).map_err(ComposeError::Unreadable)?;
    let old = config::tree(&old);
    let present = subject.present.map(config::tree);
    let witness = subject.witness.map(config::tree);
    let trees: Vec<&Tree> = if guard { present.iter().chain(&witness).collect() } else { Vec::new() };
    let witnesses: Vec<Witness<'_>> = trees.iter().map(|tree| Witness { tree }).collect();
    let goal = generation::restore(&old, &witnesses);
    if present.as_ref() == Some(&goal.tree) {
        return Err(ComposeError::Nothing);
    }
    if let Some(why) = verdict(&config::value(&goal.tree)) {
        return Err(ComposeError::StillBroken(why));
    }
    if let (Some(present), Some(text), true) = (&present, subject.text, guard)
        && let Some(found) = generation::bisect(present, &goal.tree, |tree| verdict(&config::value(tree)).is_none())
    {
        let edits = edit::edits_for(&found.keys, &goal.tree);
        let text = edit::edit(text, &edits, &found.tree);
        let path = main_file(&from.snapshot)?;
        let held = goal.held.into_iter().filter(|held| found.keys.iter().any(|key| key.covers(&held.path))).collect();
        return Ok(Composed {
            files: vec![(path, text.into_bytes())],
            tree: found.tree,
            how: How::Keys(found.keys),
            held,
        });
    }
    let files = whole(&from.snapshot, &goal)?;
    Ok(Composed { files, tree: goal.tree, how: How::Whole, held: goal.held })
}

/// The generation's own files, with the edits in the text of the config itself.
fn whole(snapshot: &Snapshot, goal: &generation::Restore) -> Result<Vec<(PathBuf, Vec<u8>)>, ComposeError> {
    let Some((main, others)) = snapshot.files.split_first() else { return Err(ComposeError::SeveralFiles) };
    if !goal.edits.is_empty() && !others.is_empty() {
        return Err(ComposeError::SeveralFiles);
    }
    let mut files: Vec<(PathBuf, Vec<u8>)> =
        others.iter().filter(|file| file.inside).map(|file| (file.path.clone(), file.bytes.clone())).collect();
    let bytes = if goal.edits.is_empty() {
        main.bytes.clone()
    } else {
        let text = std::str::from_utf8(&main.bytes).map_err(|error| ComposeError::Unreadable(error.to_string()))?;
        edit::edit(text, &goal.edits, &goal.tree).into_bytes()
    };
    files.push((main.path.clone(), bytes));
    Ok(files)
}

fn main_file(snapshot: &Snapshot) -> Result<PathBuf, ComposeError> {
    snapshot.files.first().map(|file| file.path.clone()).ok_or(ComposeError::SeveralFiles)
}

/// What a snapshot says.
///
/// # Errors
/// It does not parse.
pub fn value_of(snapshot: &Snapshot) -> Result<Value, String> {
    let files: Vec<(PathBuf, &[u8])> =
        snapshot.files.iter().map(|file| (file.path.clone(), file.bytes.as_slice())).collect();
    config::resolve_kept(&files).map_err(|problem| problem.message)
}
