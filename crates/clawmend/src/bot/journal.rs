//! What a chat has seen: how far it has read, which messages were answered, and which events came lately.
//!
//! Invariant: whoever acts on an update or event has kept the journal before, so that no update, no event and no button counts
//! twice, whatever dies in between.

use super::button::Nonce;
use super::sealed::{self, SealError, Sealing};
use clawmend_core::time::Wall;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Answered messages that are remembered at most.
const MAX_USED: usize = 256;
/// How long an answered message is remembered after its question has lapsed, in ms: longer than any question counts.
const REMEMBERED_MS: i64 = 25 * 3_600_000;

/// Events that are remembered at most.
const MAX_SEEN: usize = 128;
/// How long an event is remembered, in ms: longer than any that comes again is fresh.
const SEEN_MS: i64 = 20 * 60_000;

/// Whether an event is a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is, and is remembered now.
    New,
    /// It came before.
    Before,
    /// There is no room to remember it, so it must not count.
    Full,
}

/// It.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    bot: String,
    /// The first update that was not read.
    next: i64,
    /// Messages that were answered, with the end of their question.
    used: Vec<(Nonce, Wall)>,
    /// Events that came, with the time of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<(String, Wall)>,
}

impl Journal {
    const NAME: &'static str = "bot-journal.json";

    /// What is kept in this state folder. Another bot counts its updates anew.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn load(state: &Path, sealing: &Sealing, bot: &str) -> Result<Self, SealError> {
        let kept: Option<Self> = sealed::read(&state.join(Self::NAME), &sealing.key("journal v1"))?;
        let kept = kept.unwrap_or_default();
        let next = if kept.bot == bot { kept.next } else { 0 };
        Ok(Self { bot: bot.to_owned(), next, used: kept.used, seen: kept.seen })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// [`SealError`]: what was noted must not be acted upon.
    pub fn save(&self, state: &Path, sealing: &Sealing) -> Result<(), SealError> {
        sealed::write(&state.join(Self::NAME), &sealing.key("journal v1"), self)
    }

    /// For `getUpdates`: the first update that was not read.
    #[must_use]
    pub const fn offset(&self) -> i64 {
        self.next
    }

    /// This update is read. Between updates that nobody asked for within a week the service begins anew with any number,
    /// so a smaller one than before is read, too, as long as the service gives it.
    pub const fn read(&mut self, update: i64) {
        self.next = update.saturating_add(1);
    }

    /// An event with this id is here now.
    #[must_use]
    pub fn see(&mut self, id: &str, now: Wall) -> Seen {
        // A time to come is of a clock that was set back since: what it stands for may come again as well.
        self.seen.retain(|(_, at)| now.0.saturating_sub(at.0) <= SEEN_MS);
        if self.seen.iter().any(|(known, _)| known == id) {
            return Seen::Before;
        }
        if self.seen.len() >= MAX_SEEN {
            return Seen::Full;
        }
        self.seen.push((id.to_owned(), now));
        Seen::New
    }

    /// This message was answered before.
    #[must_use]
    pub fn is_used(&self, nonce: Nonce) -> bool {
        self.used.iter().any(|(used, _)| *used == nonce)
    }

    /// This message is answered now. `false`: there is no room to remember it, so it must not count.
    #[must_use]
    pub fn use_up(&mut self, nonce: Nonce, until: Wall, now: Wall) -> bool {
        self.used.retain(|(_, until)| now.0 <= until.0.saturating_add(REMEMBERED_MS));
        if self.used.len() >= MAX_USED || self.is_used(nonce) {
            return false;
        }
        self.used.push((nonce, until));
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_seen_outlives_the_guard() {
        let folder = tempfile::tempdir().unwrap();
        let sealing = Sealing::new(b"key");
        let load = |bot| Journal::load(folder.path(), &sealing, bot).unwrap();
        let mut journal = load("1");
        assert_eq!(journal.offset(), 0);
        let nonce = Nonce::fresh().unwrap();
        journal.read(41);
        assert!(!journal.is_used(nonce) && journal.use_up(nonce, Wall(10), Wall(5)));
        assert!(!journal.use_up(nonce, Wall(10), Wall(5)), "once");
        journal.save(folder.path(), &sealing).unwrap();
        let again = load("1");
        assert_eq!(again, journal);
        assert_eq!((again.offset(), again.is_used(nonce)), (42, true));
        let other = load("2");
        assert_eq!((other.offset(), other.is_used(nonce)), (0, true));
    }

    #[test]
    fn it_is_bounded_and_forgets_only_what_cannot_count() {
        let mut journal = Journal::default();
        for _ in 0..MAX_USED {
            assert!(journal.use_up(Nonce::fresh().unwrap(), Wall(10), Wall(5)));
        }
        let nonce = Nonce::fresh().unwrap();
        assert!(!journal.use_up(nonce, Wall(10), Wall(10 + REMEMBERED_MS)), "no room, so it does not count");
        assert!(journal.use_up(nonce, Wall(20), Wall(11 + REMEMBERED_MS)));
        assert_eq!(journal.used.len(), 1);
    }

    #[test]
    fn an_event_counts_once_and_there_is_a_bound() {
        let mut journal = Journal::default();
        assert_eq!(journal.see("a", Wall(1_000)), Seen::New);
        assert_eq!(journal.see("a", Wall(1_000 + SEEN_MS)), Seen::Before);
        assert_eq!(journal.see("a", Wall(500)), Seen::Before, "a clock that was set back");
        for at in 1..MAX_SEEN {
            assert_eq!(journal.see(&at.to_string(), Wall(1_000)), Seen::New);
        }
        assert_eq!(journal.see("b", Wall(1_000)), Seen::Full);
        assert_eq!(journal.see("b", Wall(1_001 + SEEN_MS)), Seen::New);
        assert_eq!(journal.seen.len(), 1);
    }
}
