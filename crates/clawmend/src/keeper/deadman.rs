//! The moment at which the whole gateway ends, whatever happens to the guard.
//!
//! Shared mode only: a guard that never arms it has a keeper without one. Here is when it strikes; `ending` is how.
//!
//! Invariants: what is armed is only replaced by a later moment under the same term or by a higher term; it is on record
//! in `deadman.json` before anybody is told so, and a successor of the keeper goes on with it; at its moment, and until
//! it is armed anew or disarmed, nothing may be started.

use super::protocol::{self, Refusal, RefusalCode, Struck};
use super::timer::Timer;
use crate::host::clock;
use crate::host::files::{Durability, write_atomic};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// Leases last seconds. A moment further away than this is of another clock, and would fence nobody.
const AHEAD_MAX_MS: u64 = 60 * 60 * 1000;

/// The deadman of one keeper.
#[derive(Debug)]
pub struct Deadman {
    record: PathBuf,
    timer: Timer,
    state: Option<protocol::Deadman>,
}

/// `deadman.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// Its moments are those of this boot.
    boot: String,
    deadman: Option<protocol::Deadman>,
}

impl Deadman {
    /// Takes up what an earlier keeper left in `dir`. What cannot be read is not armed: then the guard ends what runs.
    pub fn load(dir: &Path) -> io::Result<Self> {
        let record = dir.join("deadman.json");
        let known = std::fs::read(&record).ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
        let state = known.filter(|known| known.boot == clock::boot_id()).and_then(|known| known.deadman);
        let deadman = Self { record, timer: Timer::new()?, state };
        deadman.timer.set(deadman.moment())?;
        Ok(deadman)
    }

    /// As it stands; `None` when it was never armed, or disarmed.
    pub const fn state(&self) -> Option<protocol::Deadman> {
        self.state
    }

    /// The term under which it has struck, as long as it is not armed anew.
    pub fn struck_under(&self) -> Option<u64> {
        self.state.filter(|state| state.struck.is_some()).map(|state| state.term)
    }

    /// For `poll`.
    pub fn timer(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd as _;
        self.timer.as_fd()
    }

    /// When it strikes, if it has not.
    fn moment(&self) -> Option<u64> {
        self.state.filter(|state| state.struck.is_none()).map(|state| state.until_ms)
    }

    /// Sets the moment.
    pub fn arm(&mut self, term: u64, until_ms: u64, now_ms: u64) -> Result<protocol::Deadman, Refusal> {
        let refuse = |reason: &str| Err(Refusal::new(RefusalCode::NotArmed, reason));
        match self.state {
            Some(state) if term < state.term => return refuse("it is armed under a higher term"),
            Some(state) if term == state.term && until_ms < state.until_ms => return refuse("it is armed for later"),
            Some(_) | None if until_ms <= now_ms => return refuse("that moment has passed"),
            Some(_) | None if until_ms - now_ms > AHEAD_MAX_MS => return refuse("that moment is too far away"),
            Some(state) if term == state.term && until_ms == state.until_ms => return Ok(state),
            Some(_) | None => {}
        }
        let new = protocol::Deadman { term, until_ms, struck: None };
        self.save(Some(new)).map_err(|error| not_armed("it could not be recorded", &error))?;
        if let Err(error) = self.timer.set(Some(until_ms)) {
            // The old moment stands, here as on record.
            let _ = self.timer.set(self.moment());
            let _ = self.save(self.state);
            return Err(not_armed("its timer could not be set", &error));
        }
        self.state = Some(new);
        Ok(new)
    }

    /// Takes it away. That nothing runs is for the caller to know.
    pub fn disarm(&mut self, term: u64) -> Result<(), Refusal> {
        if self.state.is_some_and(|state| term < state.term) {
            return Err(Refusal::new(RefusalCode::NotArmed, "it is armed under a higher term"));
        }
        self.save(None).map_err(|error| not_armed("that could not be recorded", &error))?;
        self.state = None;
        let _ = self.timer.set(None);
        Ok(())
    }

    /// Whether something may be started now; `not_after_ms` is the guard's own limit, in shared mode.
    pub fn may_start(&self, not_after_ms: Option<u64>, now_ms: u64) -> Result<(), Refusal> {
        let refuse = |reason: &str| Err(Refusal::new(RefusalCode::Fenced, reason));
        match (self.state, not_after_ms) {
            (_, Some(limit)) if now_ms >= limit => refuse("it is too late for this start"),
            (None, Some(_)) => refuse("no deadman is armed"),
            (Some(state), _) if now_ms >= state.until_ms => refuse("the deadman's moment has passed"),
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Its moment has come, and it has not struck, or something runs again.
    pub fn is_due(&self, now_ms: u64, runs: bool) -> bool {
        self.state.is_some_and(|state| now_ms >= state.until_ms && (runs || state.struck.is_none()))
    }

    /// Whether it strikes now: once while an end is under way, whoever began it. A process that the kernel does not let go
    /// is looked for by that.
    pub fn must_strike(&self, now_ms: u64, runs: bool, is_ending: bool) -> bool {
        let struck = self.state.is_some_and(|state| state.struck.is_some());
        self.is_due(now_ms, runs) && !(is_ending && struck)
    }

    /// A gateway that may not speak is started before this limit: what is armed for an earlier life is not for it. That
    /// nothing runs is for the caller to know.
    pub fn lift(&mut self, not_after_ms: Option<u64>, now_ms: u64) -> Result<(), Refusal> {
        if not_after_ms.is_none_or(|limit| now_ms >= limit) {
            return Err(Refusal::new(RefusalCode::Fenced, "it is too late for this start"));
        }
        match self.state {
            Some(state) => self.disarm(state.term),
            None => Ok(()),
        }
    }

    /// It strikes now; the kill comes before the record.
    pub fn strike(&mut self, now_ms: u64) {
        let _ = self.timer.set(None);
        self.note(|_| Struck { at_ms: now_ms, over_ms: None });
    }

    /// Nothing is left of what it struck.
    pub fn over(&mut self, now_ms: u64) {
        self.note(|before| Struck {
            over_ms: Some(now_ms),
            ..before.unwrap_or(Struck { at_ms: now_ms, over_ms: None })
        });
    }

    /// A failure costs a successor this knowledge only: it strikes again.
    fn note(&mut self, new: impl FnOnce(Option<Struck>) -> Struck) {
        if let Some(state) = &mut self.state {
            state.struck = Some(new(state.struck));
        }
        drop(self.save(self.state));
    }

    fn save(&self, deadman: Option<protocol::Deadman>) -> io::Result<()> {
        let record = Record { boot: clock::boot_id().to_owned(), deadman };
        let bytes = serde_json::to_vec(&record).map_err(io::Error::other)?;
        write_atomic(&self.record, &bytes, Durability::Fast)
    }
}

fn not_armed(what: &str, error: &io::Error) -> Refusal {
    Refusal::new(RefusalCode::NotArmed, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn code(outcome: Result<protocol::Deadman, Refusal>) -> RefusalCode {
        outcome.unwrap_err().code
    }

    #[test]
    fn only_a_later_moment_or_a_higher_term_replaces_what_is_armed() {
        let dir = tempfile::tempdir().unwrap();
        let mut deadman = Deadman::load(dir.path()).unwrap();
        let now = clock::now().mono.0;
        assert_eq!(deadman.arm(3, now + 60_000, now).unwrap().until_ms, now + 60_000);
        for (term, until_ms) in [(2, now + 90_000), (3, now + 59_999), (4, now), (4, 0), (4, u64::MAX)] {
            assert_eq!(code(deadman.arm(term, until_ms, now)), RefusalCode::NotArmed, "{term} {until_ms}");
        }
        assert_eq!(deadman.arm(3, now + 60_000, now).unwrap().term, 3, "again is no change");
        assert_eq!(deadman.arm(3, now + 70_000, now).unwrap().until_ms, now + 70_000);
        assert_eq!(deadman.arm(4, now + 50_000, now).unwrap().until_ms, now + 50_000, "another lease, another moment");
        assert_eq!(deadman.disarm(3).unwrap_err().code, RefusalCode::NotArmed);

        let successor = Deadman::load(dir.path()).unwrap();
        assert_eq!(successor.state(), deadman.state());
        deadman.disarm(4).unwrap();
        assert_eq!(Deadman::load(dir.path()).unwrap().state(), None);
    }

    #[test]
    fn nothing_starts_at_its_moment_or_without_it_or_too_late() {
        let dir = tempfile::tempdir().unwrap();
        let mut deadman = Deadman::load(dir.path()).unwrap();
        let now = clock::now().mono.0;
        deadman.may_start(None, now).unwrap();
        assert!(deadman.may_start(Some(now + 10), now).is_err(), "nothing would end it");
        deadman.arm(1, now + 1_000, now).unwrap();
        deadman.may_start(Some(now + 10), now + 9).unwrap();
        for (limit, at) in [(Some(now + 10), now + 10), (Some(now + 2_000), now + 1_000), (None, now + 1_000)] {
            assert_eq!(deadman.may_start(limit, at).unwrap_err().code, RefusalCode::Fenced);
        }
    }

    /// Its timer would wake the keeper without a pause for as long as somebody cannot be ended.
    #[test]
    fn it_strikes_once_in_an_end_that_is_not_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut deadman = Deadman::load(dir.path()).unwrap();
        let now = clock::now().mono.0;
        deadman.arm(1, now + 1_000, now).unwrap();
        assert!(!deadman.must_strike(now + 999, true, true));
        assert!(deadman.must_strike(now + 1_000, true, true) && deadman.must_strike(now + 1_000, false, false));
        deadman.strike(now + 1_000);
        assert!(!deadman.must_strike(now + 1_001, true, true));
        assert!(deadman.must_strike(now + 1_001, true, false), "something runs again");
    }

    #[test]
    fn a_mute_start_takes_an_earlier_deadman_away_and_has_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let mut deadman = Deadman::load(dir.path()).unwrap();
        let now = clock::now().mono.0;
        deadman.lift(Some(now + 1), now).unwrap();
        deadman.arm(3, now + 1_000, now).unwrap();
        for limit in [None, Some(now)] {
            assert_eq!(deadman.lift(limit, now).unwrap_err().code, RefusalCode::Fenced);
            assert!(deadman.state().is_some());
        }
        deadman.strike(now + 1_000);
        deadman.lift(Some(now + 2_000), now + 1_500).unwrap();
        assert_eq!((deadman.state(), deadman.is_due(u64::MAX, true)), (None, false));
        assert_eq!(Deadman::load(dir.path()).unwrap().state(), None);
        deadman.arm(4, now + 9_000, now + 2_000).unwrap();
    }

    #[test]
    fn it_strikes_once_unless_something_runs_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut deadman = Deadman::load(dir.path()).unwrap();
        let now = clock::now().mono.0;
        assert!(!deadman.is_due(u64::MAX, true));
        deadman.arm(1, now + 1_000, now).unwrap();
        assert!(!deadman.is_due(now + 999, true));
        assert!(deadman.is_due(now + 1_000, false));
        deadman.strike(now + 1_000);
        assert!(!deadman.is_due(now + 1_001, false));
        assert!(deadman.is_due(now + 1_001, true));
        deadman.over(now + 1_020);
        let struck = Some(Struck { at_ms: now + 1_000, over_ms: Some(now + 1_020) });
        assert_eq!(Deadman::load(dir.path()).unwrap().state().unwrap().struck, struck);
        assert_eq!(deadman.arm(1, now + 5_000, now + 1_500).unwrap().struck, None);
    }

    #[test]
    fn a_record_of_another_boot_or_of_nothing_is_not_armed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deadman.json");
        let other = r#"{"boot":"another","deadman":{"term":9,"until_ms":1}}"#;
        for text in [other, "", "[]", "{\"boot\":3}", "\0"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Deadman::load(dir.path()).unwrap().state(), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_recorded_is_not_armed() {
        let dir = tempfile::tempdir().unwrap();
        let mut deadman = Deadman::load(dir.path()).unwrap();
        let now = clock::now().mono.0;
        deadman.arm(1, now + 1_000, now).unwrap();
        std::fs::remove_dir_all(dir.path()).unwrap();
        assert_eq!(code(deadman.arm(1, now + 2_000, now)), RefusalCode::NotArmed);
        assert_eq!(deadman.state().unwrap().until_ms, now + 1_000);
    }
}
