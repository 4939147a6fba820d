//! The passphrase that a person has set, as a slow hash, and the door that closes after too many wrong ones.

use crate::host::clock;
use crate::host::files::{Durability, is_private, write_atomic};
use crate::openclaw::files::read_bounded;
use clawmend_core::time::Moment;
use ring::pbkdf2;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// Its name in the state folder.
const NAME: &str = "approvals.json";
/// Rounds of PBKDF2-HMAC-SHA256: the figure that OWASP names for it (2023).
const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();
/// Shortest passphrase, in characters.
pub const SHORTEST: usize = 8;
/// Longest, in bytes.
const LONGEST: usize = 1_024;
/// Wrong tries within [`WINDOW_MS`] before the door closes.
const TRIES: usize = 5;
/// The window, and how long the door stays closed.
const WINDOW_MS: u64 = 10 * 60_000;

/// What is kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    schema: u32,
    salt: [u8; 16],
    rounds: NonZeroU32,
    hash: [u8; 32],
    /// For the codes of messages.
    key: [u8; 32],
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(…)")
    }
}

/// Why there is no passphrase, or none can be set.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Too short or too long.
    #[error("expected a passphrase of at least {SHORTEST} characters")]
    Length,
    /// The file is not ours alone.
    #[error("{} is not ours alone: `chmod 600` mends that", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandom,
}

impl Kept {
    /// What is kept in this state folder; `None`: nothing was set.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn load(state: &Path) -> Result<Option<Self>, PassphraseError> {
        let path = state.join(NAME);
        let failed = |why: String| PassphraseError::File { path: path.clone(), why };
        match is_private(&path) {
            Ok(true) => {}
            Ok(false) => return Err(PassphraseError::Open { path }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.to_string())),
        }
        let bytes = read_bounded(&path, 16 * 1024).map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| failed("it is damaged; remove it and pair again".to_owned()))
    }

    /// Sets the passphrase; the key of codes stays.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn set(state: &Path, passphrase: &SecretString, before: Option<&Self>) -> Result<(), PassphraseError> {
        let text = passphrase.expose_secret();
        if text.chars().count() < SHORTEST || text.len() > LONGEST {
            return Err(PassphraseError::Length);
        }
        let random = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(|_| PassphraseError::NoRandom);
        let mut kept = Self {
            schema: 1,
            salt: [0; 16],
            rounds: ROUNDS,
            hash: [0; 32],
            key: before.map_or([0; 32], |kept| kept.key),
        };
        random(&mut kept.salt)?;
        if before.is_none() {
            random(&mut kept.key)?;
        }
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, kept.rounds, &kept.salt, text.as_bytes(), &mut kept.hash);
        let path = state.join(NAME);
        let bytes = serde_json::to_vec(&kept).unwrap_or_default();
        write_atomic(&path, &bytes, Durability::Durable)
            .map_err(|error| PassphraseError::File { path, why: error.to_string() })
    }

    /// It is this passphrase. Slow on purpose: not for the loop.
    #[must_use]
    pub fn is(&self, passphrase: &SecretString) -> bool {
        let text = passphrase.expose_secret().as_bytes();
        text.len() <= LONGEST
            && pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, self.rounds, &self.salt, text, &self.hash).is_ok()
    }

    /// The key of codes.
    #[must_use]
    pub const fn key(&self) -> &[u8] {
        &self.key
    }
}

/// Counts wrong tries of this guard's life.
#[derive(Debug, Default)]
pub struct Door {
    wrong: RefCell<VecDeque<Moment>>,
}

impl Door {
    /// Nobody has tried too often.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let now = clock::now().mono;
        let mut wrong = self.wrong.borrow_mut();
        while wrong.front().is_some_and(|at| now.since(*at) > WINDOW_MS) {
            wrong.pop_front();
        }
        wrong.len() < TRIES
    }

    /// It was wrong.
    pub fn note_wrong(&self) {
        self.wrong.borrow_mut().push_back(clock::now().mono);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn phrase(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[test]
    fn only_the_same_passphrase_fits_and_it_is_nowhere_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Kept::load(folder.path()).unwrap().is_none());
        assert!(matches!(Kept::set(folder.path(), &phrase("short"), None), Err(PassphraseError::Length)));
        Kept::set(folder.path(), &phrase("correct horse battery"), None).unwrap();
        let kept = Kept::load(folder.path()).unwrap().unwrap();
        assert!(kept.is(&phrase("correct horse battery")));
        assert!(!kept.is(&phrase("correct horse batterx")) && !kept.is(&phrase("")));
        let file = std::fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert!(!file.contains("horse") && !format!("{kept:?}").contains("key"));
        // Another passphrase keeps the codes of letters that are on their way.
        Kept::set(folder.path(), &phrase("another one is set"), Some(&kept)).unwrap();
        let after = Kept::load(folder.path()).unwrap().unwrap();
        assert!(after.is(&phrase("another one is set")) && after.key() == kept.key());
    }

    #[test]
    fn the_door_closes_after_too_many_wrong_ones() {
        let door = Door::default();
        for _ in 0..TRIES {
            assert!(door.is_open());
            door.note_wrong();
        }
        assert!(!door.is_open());
    }
}
