//! Writes a composed config.
//!
//! Invariant: what was there is durable before anything is replaced; if one of several files cannot be written, those
//! already written are put back.

use super::keep::{Room, RoomError};
use super::object::{Snapshot, hash};
use super::write::{Target, WriteError, replace};
use clawmend_core::time::Wall;
use std::path::PathBuf;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Files that were written.
    pub written: Vec<PathBuf>,
    /// Where the old config lies beside the new one.
    pub aside: Option<PathBuf>,
    /// The generation that it is now.
    pub now: Option<String>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// What was there could not be kept.
    #[error("what is there could not be kept, so nothing was written: {0}")]
    Room(#[from] RoomError),
    /// A file could not be replaced.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Writes `files`. `before` is the config as it was when the new one was composed (`None`: there was none); whatever is
/// there must still be that. `label` names the copy that is left beside the config.
///
/// # Errors
/// Nothing has changed then.
pub fn apply(
    room: &Room,
    before: Option<&Snapshot>,
    files: &[(PathBuf, Vec<u8>)],
    label: Option<&str>,
    now: Wall,
) -> Result<Applied, ApplyError> {
    if let Some(before) = before {
        room.keep(before, now, |_| {})?;
    }
    let mut targets = Vec::new();
    for (path, bytes) in files {
        let (target, old) = Target::look(path)?;
        let expected =
            before.and_then(|all| all.files.iter().find(|file| file.path == *path)).map(|file| hash(&file.bytes));
        let known = target.sha256().map(str::to_owned);
        let is_config = before.is_some_and(|all| all.files.first().is_some_and(|file| file.path == *path));
        if (expected.is_some() || is_config || before.is_none()) && expected != known {
            return Err(WriteError::Changed { path: path.clone() }.into());
        }
        targets.push((target, old, path, bytes));
    }
    let mut done = Applied { written: Vec::new(), aside: None, now: None };
    let last = targets.len().saturating_sub(1);
    for (index, (target, old, path, bytes)) in targets.iter().enumerate() {
        if old.as_deref() == Some(bytes.as_slice()) {
            continue;
        }
        let aside = label.filter(|_| index == last).or_else(|| before.is_none().then_some("replaced"));
        match replace(target, bytes, aside.map(|label| (label, now))) {
            Ok(place) => {
                done.aside = place.or(done.aside);
                done.written.push((*path).clone());
            }
            Err(error) => {
                put_back(&targets[..index]);
                return Err(error.into());
            }
        }
    }
    Ok(done)
}

type Step<'a> = (Target, Option<Vec<u8>>, &'a PathBuf, &'a Vec<u8>);

/// Best effort: the content is kept in any case.
fn put_back(steps: &[Step<'_>]) {
    for (_, old, path, bytes) in steps {
        let Ok((target, there)) = Target::look(path) else { continue };
        if let (Some(old), true) = (old, there.as_deref() == Some(bytes.as_slice()))
            && let Err(error) = replace(&target, old, None)
        {
            tracing::warn!(%error, "a file of the config could not be put back; its content is kept as a generation");
        }
    }
}
