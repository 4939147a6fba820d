//! What the gateway itself has printed since it was last well: Node's and V8's last words are nowhere else.
//!
//! Invariant: at rest nothing is read, only the place is remembered. Reading waits for the disk, and for a unit for
//! another program: never from the loop. Start at [`Printed::read`].

use crate::doctor::ai::{self, collect};
use crate::doctor::exam::Exam;
use crate::doctor::here;
use crate::doctor::log::Log;
use crate::host::clock;
use crate::service::UnitWords;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Of a file at most so much before now is read.
const MAX_BYTES: u64 = 1 << 20;
/// A unit's words from so long before all was last seen to be well: V8 speaks, and is still well for as long as a core
/// dump takes. Nothing of an earlier trouble is as young: all is well only some time after it.
const GRACE_MS: i64 = 5_000;

/// Where it is, and until when or where all was well.
#[derive(Clone, Debug)]
pub enum Printed {
    /// Nowhere that we know of.
    Unknown,
    /// A child's output, as our keeper writes it.
    File {
        /// The file.
        path: PathBuf,
        /// Its length then, in bytes.
        well_at: Arc<AtomicU64>,
    },
    /// With the service manager.
    Unit {
        /// Whose.
        words: UnitWords,
        /// Milliseconds since 1970.
        well_at: Arc<AtomicI64>,
        /// The user that the unit runs under.
        uid: u32,
    },
}

impl Printed {
    /// Into this file; what stands in it now is of the past.
    #[must_use]
    pub fn into_file(path: PathBuf) -> Self {
        let well_at = Arc::new(AtomicU64::new(length(&path)));
        Self::File { path, well_at }
    }

    /// By this unit; nothing is known of when it was well.
    #[must_use]
    pub fn by_unit(words: UnitWords, uid: u32) -> Self {
        Self::Unit { words, uid, well_at: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// All is well: what it has printed up to here is of the past.
    pub fn all_is_well(&self) {
        match self {
            Self::Unknown => {}
            Self::File { path, well_at } => well_at.store(length(path), Ordering::Relaxed),
            Self::Unit { well_at, .. } => well_at.store(clock::now().wall.0, Ordering::Relaxed),
        }
    }

    /// Reads it. `since_ms`: from when on a unit's words count where it was never seen to be well, in milliseconds since
    /// 1970. What was left out is told to the log.
    pub fn read(&self, exam: &mut Exam<'_>, since_ms: i64) {
        let read = match self {
            Self::Unknown => Ok(()),
            Self::File { path, well_at } => {
                Log::open_from(path, begin(path, well_at)).map(|log| exam.read(log)).map_err(|error| error.to_string())
            }
            Self::Unit { words, well_at, uid } => here::read_unit(exam, words, *uid, from(well_at, since_ms)),
        };
        if let Err(why) = read {
            tracing::debug!(why, "the gateway's output was left out");
        }
    }

    /// Adds the end of it to an AI's evidence. Why it was left out, for people.
    pub fn add_to(&self, evidence: &mut ai::Evidence, since_ms: i64) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::File { path, .. } => collect::log(evidence, path, |_| true),
            Self::Unit { words, well_at, uid } => collect::unit(evidence, words, *uid, from(well_at, since_ms)),
        }
    }
}

/// The offset from which on a file counts.
fn begin(path: &Path, well_at: &AtomicU64) -> u64 {
    let (well_at, now) = (well_at.load(Ordering::Relaxed), length(path));
    // A shorter file than then is a new one.
    if now < well_at { 0 } else { well_at }.max(now.saturating_sub(MAX_BYTES))
}

/// The time from which on a unit's words count.
fn from(well_at: &AtomicI64, since_ms: i64) -> i64 {
    well_at.load(Ordering::Relaxed).saturating_sub(GRACE_MS).max(since_ms)
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |seen| seen.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_printed_before_all_was_well_is_of_the_past() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.log");
        std::fs::write(&path, "old\n").unwrap();
        let Printed::File { path, well_at } = Printed::into_file(path) else { unreachable!() };
        assert_eq!(begin(&path, &well_at), 4);
        std::fs::write(&path, "new").unwrap();
        assert_eq!(begin(&path, &well_at), 0, "a shorter one is a new one");
        std::fs::write(&path, vec![b'x'; 2 << 20]).unwrap();
        assert_eq!(begin(&path, &well_at), MAX_BYTES);
        let never = AtomicI64::new(i64::MIN);
        assert_eq!(from(&never, 1_000), 1_000);
        assert_eq!(from(&AtomicI64::new(90_000), 1_000), 85_000);
        assert_eq!(from(&AtomicI64::new(90_000), 88_000), 88_000);
    }
}
