//! What the calls of a day may cost, and that there is one at a time.
//!
//! Invariants: a call is on disk before it is made, so that a guard that dies in it has paid for it; nobody pays for
//! yesterday; a file that cannot be understood counts as a day that is used up, never as a new one. Days are those of
//! UTC. Start at [`Turn::take`].

use crate::host::files::{DirError, Durability, FileLock, LockError, private_dir, write_atomic};
use crate::settings::AiSettings;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Largest file that is read.
const MAX_FILE: u64 = 4096;

/// The right to make one call, already paid for. Others wait until it is dropped.
#[derive(Debug)]
pub struct Turn {
    /// Held until the end of the call.
    _lock: FileLock,
    path: PathBuf,
    spent: Spent,
    counted_micro_usd: u64,
    limit_micro_usd: u64,
}

/// What a day has cost so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spent {
    schema: u32,
    /// `2026-09-21`.
    day: String,
    calls: u64,
    micro_usd: u64,
}

const SCHEMA: u32 = 1;

/// Why there is no call now.
#[derive(Debug, thiserror::Error)]
pub enum NoTurn {
    /// Another call is under way.
    #[error("another question is being answered just now")]
    Busy,
    /// The calls of the day are used up.
    #[error("the {limit} calls of today are used up (ai.calls_per_day)")]
    Calls {
        /// How many.
        limit: u64,
    },
    /// The money of the day is used up.
    #[error("{} of {} US dollars of today are used up, and one call counts {} (ai.cost_per_day_usd)",
        dollars(*spent), dollars(*limit), dollars(*call))]
    Cost {
        /// In millionths.
        spent: u64,
        /// In millionths.
        limit: u64,
        /// In millionths.
        call: u64,
    },
    /// The folder is not fit for us.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// It cannot be written down, so it is not made.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// `0.1` for a tenth of a dollar.
fn dollars(micro: u64) -> String {
    let text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The folder of everything about calls.
#[must_use]
pub fn folder(state: &Path) -> PathBuf {
    state.join("ai")
}

impl Turn {
    /// Takes the turn and books the call for `today`, durably.
    ///
    /// # Errors
    /// Another one has it, the day is used up, or it cannot be written down.
    pub fn take(state: &Path, settings: &AiSettings, today: &str) -> Result<Self, NoTurn> {
        let folder = folder(state);
        private_dir(&folder)?;
        let lock = FileLock::try_lock(&folder.join("lock"), "").map_err(|error| match error {
            LockError::Busy { .. } => NoTurn::Busy,
            LockError::Io { path, source } => NoTurn::File { path, source },
        })?;
        let path = folder.join("spent.json");
        let mut spent = read(&path, settings, today);
        let call = settings.cost_per_call_micro_usd;
        let after = spent.micro_usd.saturating_add(call);
        if spent.calls >= settings.calls_per_day {
            return Err(NoTurn::Calls { limit: settings.calls_per_day });
        }
        if after > settings.cost_per_day_micro_usd {
            let (limit, spent) = (settings.cost_per_day_micro_usd, spent.micro_usd);
            return Err(NoTurn::Cost { spent, limit, call });
        }
        spent.calls += 1;
        spent.micro_usd = after;
        let turn = Self {
            _lock: lock,
            path,
            spent,
            counted_micro_usd: call,
            limit_micro_usd: settings.cost_per_day_micro_usd,
        };
        turn.write()?;
        Ok(turn)
    }

    /// What this call may cost at most, in millionths of a US dollar.
    #[must_use]
    pub const fn may_cost(&self) -> u64 {
        self.limit_micro_usd.saturating_sub(self.spent.micro_usd).saturating_add(self.counted_micro_usd)
    }

    /// Books what the call cost in place of what it counted, where the engine told it.
    ///
    /// # Errors
    /// It cannot be written down; then the call counts as before.
    pub fn settle(&mut self, cost_micro_usd: u64) -> Result<(), NoTurn> {
        let others = self.spent.micro_usd.saturating_sub(self.counted_micro_usd);
        self.spent.micro_usd = others.saturating_add(cost_micro_usd);
        self.counted_micro_usd = cost_micro_usd;
        self.write()
    }

    fn write(&self) -> Result<(), NoTurn> {
        let file = |source| NoTurn::File { path: self.path.clone(), source };
        let bytes = serde_json::to_vec(&self.spent).map_err(|error| file(error.into()))?;
        write_atomic(&self.path, &bytes, Durability::Durable).map_err(file)
    }
}

fn read(path: &Path, settings: &AiSettings, today: &str) -> Spent {
    let fresh = || Spent { schema: SCHEMA, day: today.to_owned(), calls: 0, micro_usd: 0 };
    let spent = match crate::openclaw::files::read_bounded(path, MAX_FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return fresh(),
        Err(_) => None,
        Ok(bytes) => serde_json::from_slice::<Spent>(&bytes).ok().filter(|spent| spent.schema == SCHEMA),
    };
    match spent {
        Some(spent) if spent.day.as_str() < today => fresh(),
        // Also a day that has not come yet: a clock that was set back does not open a new one.
        Some(spent) => Spent { day: today.to_owned(), ..spent },
        None => {
            tracing::warn!(path = %path.display(), "the record of AI calls cannot be read; today counts as used up");
            let used_up = Spent { calls: settings.calls_per_day, ..fresh() };
            // So that tomorrow is a new day. When even that fails, tomorrow asks again.
            if let Ok(bytes) = serde_json::to_vec(&used_up) {
                drop(write_atomic(path, &bytes, Durability::Durable));
            }
            used_up
        }
    }
}

/// Today, in UTC.
#[must_use]
pub fn today() -> String {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(calls: u64, day: u64, call: u64) -> AiSettings {
        AiSettings {
            calls_per_day: calls,
            cost_per_day_micro_usd: day,
            cost_per_call_micro_usd: call,
            ..AiSettings::default()
        }
    }

    #[test]
    fn calls_are_counted_across_restarts_and_begin_anew_each_day() {
        let state = tempfile::tempdir().unwrap();
        let settings = settings(2, 1_000_000, 0);
        for _ in 0..2 {
            // Dropped without a word, as by a guard that dies.
            drop(Turn::take(state.path(), &settings, "2026-09-21").unwrap());
        }
        let error = Turn::take(state.path(), &settings, "2026-09-21").unwrap_err();
        assert_eq!(error.to_string(), "the 2 calls of today are used up (ai.calls_per_day)");
        drop(Turn::take(state.path(), &settings, "2026-09-22").unwrap());
        drop(Turn::take(state.path(), &settings, "2026-09-21").unwrap());
        assert!(Turn::take(state.path(), &settings, "2026-09-20").is_err(), "a clock set back opens no new day");
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let file = state.path().join("ai/spent.json");
            assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn money_is_counted_with_what_the_engine_tells() {
        let state = tempfile::tempdir().unwrap();
        let settings = settings(100, 1_000_000, 400_000);
        let mut turn = Turn::take(state.path(), &settings, "2026-09-21").unwrap();
        assert_eq!(turn.may_cost(), 1_000_000);
        turn.settle(150_000).unwrap();
        drop(turn);
        let mut turn = Turn::take(state.path(), &settings, "2026-09-21").unwrap();
        assert_eq!(turn.may_cost(), 850_000);
        turn.settle(700_000).unwrap();
        drop(turn);
        let error = Turn::take(state.path(), &settings, "2026-09-21").unwrap_err();
        let told = "0.85 of 1 US dollars of today are used up, and one call counts 0.4 (ai.cost_per_day_usd)";
        assert_eq!(error.to_string(), told);
    }

    #[test]
    fn one_at_a_time() {
        let state = tempfile::tempdir().unwrap();
        let settings = settings(9, 1_000_000, 0);
        let turn = Turn::take(state.path(), &settings, "2026-09-21").unwrap();
        assert!(matches!(Turn::take(state.path(), &settings, "2026-09-21"), Err(NoTurn::Busy)));
        drop(turn);
        Turn::take(state.path(), &settings, "2026-09-21").unwrap();
    }

    #[test]
    fn a_damaged_record_is_a_day_that_is_used_up() {
        let state = tempfile::tempdir().unwrap();
        let settings = settings(9, 1_000_000, 0);
        for damage in
            ["", "{\"schema\":1,", "{\"schema\":7,\"day\":\"2026-01-01\",\"calls\":0,\"micro_usd\":0}", "\u{0}"]
        {
            drop(Turn::take(state.path(), &settings, "2026-09-20"));
            std::fs::write(state.path().join("ai/spent.json"), damage).unwrap();
            assert!(matches!(Turn::take(state.path(), &settings, "2026-09-21"), Err(NoTurn::Calls { .. })));
            assert!(matches!(Turn::take(state.path(), &settings, "2026-09-21"), Err(NoTurn::Calls { .. })));
            drop(Turn::take(state.path(), &settings, "2026-09-22").unwrap());
            std::fs::remove_file(state.path().join("ai/spent.json")).unwrap();
        }
    }
}
