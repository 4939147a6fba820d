//! What became of repairs, kept in the state folder: `experience.jsonl`.
//!
//! One line of JSON for each repair whose outcome was verified, the oldest first:
//! `{"at":"2026-11-25T08:00:00.000Z","case":"killed","worked":true}`, and `"from"` where it was taken over from an
//! earlier system. Invariants: 0600; a line is added whole or not at all, also by several processes at once; at most
//! [`MAX_KEPT`] are read, the newest; a line that does not parse counts for nothing and harms no other.

use crate::api::types::Time;
use crate::host::clock;
use crate::host::files::{DirError, Durability, FileLock, LockError, private_dir, private_options, write_atomic};
use clawmend_core::diagnosis::record::{self, Repair, Standing};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most repairs that count.
pub const MAX_KEPT: usize = 2_000;
/// The file is written anew, with the newest ones only, when it has grown beyond this.
const MAX_BYTES: u64 = 1024 * 1024;
/// Longest line; a case's id has 64 characters at most.
const MAX_LINE: usize = 512;
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why an outcome was not written down.
#[derive(Debug, thiserror::Error)]
pub enum ExperienceError {
    /// A person must make the folder usable.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// Somebody else holds the file for too long; it may work later.
    #[error("the experience is locked: {0}")]
    Locked(#[from] LockError),
    /// It may work later.
    #[error("the experience could not be written: {0}")]
    Io(#[from] io::Error),
    /// A fault of ours: there is no such case.
    #[error("`{0}` is no id of a case")]
    NoCase(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    at: Time,
    case: String,
    worked: bool,
    /// Where it was taken over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

/// A repair of an earlier system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// When.
    pub at: Time,
    /// What became of which case.
    pub repair: Repair,
    /// Names it for ever, so that it is taken over once only.
    pub from: String,
}

/// The repairs, oldest first. Nothing is an answer, too.
#[must_use]
pub fn load(state: &Path) -> Vec<Repair> {
    lines(state).into_iter().map(|line| Repair { case: line.case, worked: line.worked }).collect()
}

/// How every case has done.
#[must_use]
pub fn standings(state: &Path) -> BTreeMap<String, Standing> {
    record::standings(&load(state))
}

/// Adds the outcome of a repair, durable.
///
/// # Errors
/// [`ExperienceError`]; what was there is unharmed.
pub fn append(state: &Path, repair: &Repair) -> Result<(), ExperienceError> {
    let text =
        text_of(&Line { at: Time(clock::now().wall), case: repair.case.clone(), worked: repair.worked, from: None })?;
    let _lock = lock(state)?;
    let mut file = private_options().read(true).append(true).create(true).open(file(state))?;
    let length = file.metadata()?.len();
    // A line that a crash has cut short must not take the new one with it.
    let open_end = length > 0 && {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        last != *b"\n"
    };
    file.write_all(format!("{}{text}", if open_end { "\n" } else { "" }).as_bytes())?;
    file.sync_data()?;
    drop(file);
    if length > MAX_BYTES { write(state, &lines(state)) } else { Ok(()) }
}

/// Takes repairs of an earlier system over, before our own; each once only. How many were new.
///
/// # Errors
/// [`ExperienceError`]; what was there is unharmed.
pub fn import(state: &Path, earlier: Vec<Earlier>) -> Result<usize, ExperienceError> {
    let _lock = lock(state)?;
    let present = lines(state);
    let known: BTreeSet<&str> = present.iter().filter_map(|line| line.from.as_deref()).collect();
    let mut new: Vec<Line> = earlier
        .into_iter()
        .filter(|one| !known.contains(one.from.as_str()))
        .map(|one| Line { at: one.at, case: one.repair.case, worked: one.repair.worked, from: Some(one.from) })
        .collect();
    for line in &new {
        text_of(line)?;
    }
    let count = new.len();
    new.sort_by_key(|line| line.at);
    new.extend(present);
    let skip = new.len().saturating_sub(MAX_KEPT);
    write(state, new.get(skip..).unwrap_or_default())?;
    Ok(count)
}

fn file(state: &Path) -> PathBuf {
    state.join("experience.jsonl")
}

fn lock(state: &Path) -> Result<FileLock, ExperienceError> {
    private_dir(state)?;
    let path = state.join("experience.lock");
    let note = std::process::id().to_string();
    for _ in 1..LOCK_TRIES {
        match FileLock::try_lock(&path, &note) {
            Err(LockError::Busy { .. }) => std::thread::sleep(LOCK_PAUSE),
            other => return Ok(other?),
        }
    }
    Ok(FileLock::try_lock(&path, &note)?)
}

fn text_of(line: &Line) -> Result<String, ExperienceError> {
    let text = serde_json::to_string(line).map_err(io::Error::from)?;
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if line.case.is_empty() || !line.case.chars().all(fine) || text.len() >= MAX_LINE {
        return Err(ExperienceError::NoCase(line.case.chars().filter(|c| !c.is_control()).take(64).collect()));
    }
    Ok(text + "\n")
}

fn write(state: &Path, lines: &[Line]) -> Result<(), ExperienceError> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&text_of(line)?);
    }
    Ok(write_atomic(&file(state), text.as_bytes(), Durability::Durable)?)
}

/// The newest ones that parse, oldest first.
fn lines(state: &Path) -> Vec<Line> {
    let newest = || -> io::Result<Vec<u8>> {
        let mut file = File::open(file(state))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(2 * MAX_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(2 * MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = newest().unwrap_or_default();
    let parse = |line: &[u8]| serde_json::from_slice::<Line>(line.get(..line.len().min(MAX_LINE))?).ok();
    let mut found: Vec<Line> = bytes.split(|byte| *byte == b'\n').rev().filter_map(parse).take(MAX_KEPT).collect();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clawmend_core::time::Wall;

    fn repair(case: &str, worked: bool) -> Repair {
        Repair { case: case.to_owned(), worked }
    }

    #[test]
    fn what_is_added_is_there_and_a_torn_line_harms_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        assert_eq!(load(&state), []);
        append(&state, &repair("killed", true)).unwrap();
        let torn = std::fs::read_to_string(file(&state)).unwrap() + "{\"at\":\"2026-";
        std::fs::write(file(&state), torn).unwrap();
        append(&state, &repair("killed", false)).unwrap();
        append(&state, &repair("deaf", true)).unwrap();
        assert_eq!(load(&state), [repair("killed", true), repair("killed", false), repair("deaf", true)]);
        assert_eq!(standings(&state)["killed"].tries, 2);
        assert!(append(&state, &repair("no case\n", true)).is_err());
        assert!(append(&state, &repair(&"x".repeat(600), true)).is_err());
        assert_eq!(load(&state).len(), 3);
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            assert_eq!(std::fs::metadata(file(&state)).unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn it_is_bounded_to_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let line =
            |number: usize| format!("{{\"at\":\"2026-11-25T08:00:00.000Z\",\"case\":\"c{number}\",\"worked\":true}}\n");
        let text: String = (0..20_000).map(line).collect();
        std::fs::write(file(dir.path()), &text).unwrap();
        assert!(text.len() as u64 > MAX_BYTES);
        append(dir.path(), &repair("newest", false)).unwrap();
        let all = load(dir.path());
        assert_eq!((all.len(), all[0].case.as_str()), (MAX_KEPT, "c18001"));
        assert_eq!(all.last().unwrap(), &repair("newest", false));
        assert!(std::fs::metadata(file(dir.path())).unwrap().len() < MAX_BYTES);
    }

    #[test]
    fn earlier_repairs_come_first_and_once_only() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), &repair("ours", true)).unwrap();
        let earlier =
            |id: &str, at: i64| Earlier { at: Time(Wall(at)), repair: repair(id, false), from: id.to_owned() };
        assert_eq!(import(dir.path(), vec![earlier("b", 2), earlier("a", 1)]).unwrap(), 2);
        assert_eq!(import(dir.path(), vec![earlier("a", 1), earlier("c", 3)]).unwrap(), 1);
        let cases: Vec<String> = load(dir.path()).into_iter().map(|repair| repair.case).collect();
        assert_eq!(cases, ["c", "a", "b", "ours"]);
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let state = dir.path();
                scope.spawn(move || (0..10).for_each(|_| append(state, &repair(&format!("t{thread}"), true)).unwrap()));
            }
        });
        assert_eq!(load(dir.path()).len(), 40);
    }
}
