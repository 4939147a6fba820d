//! Small private files with a seal, so that an edit of the file alone is found out.
//!
//! Invariant: what is read is whole and was written by who has the key. The key lies in a file of the same user: a program
//! that reads that one, too, can make a seal. `docs/approvals.md` says so.

use crate::host::files::{Durability, is_private, write_atomic};
use crate::openclaw::files::read_bounded;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Largest file, in bytes.
const MAX_BYTES: u64 = 128 * 1024;

/// The keys of the bot, one for each use, so that no seal of one use is one of another.
#[derive(Clone)]
pub struct Sealing {
    root: hmac::Key,
}

impl std::fmt::Debug for Sealing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealing(…)")
    }
}

impl Sealing {
    /// From the key of [`crate::approval::Kept`].
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self { root: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// For this use.
    #[must_use]
    pub fn key(&self, purpose: &str) -> hmac::Key {
        let derived = hmac::sign(&self.root, format!("clawmend bot {purpose}").as_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    schema: u32,
    body: String,
    seal: String,
}

/// Why a sealed file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Others can read or change it.
    #[error("{} is not ours alone: `chmod 600` mends that", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It was changed, or was sealed with another key.
    #[error("{} was changed by somebody else or is damaged; remove it, then pair again with `clawmend pair`", path.display())]
    Broken {
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
}

/// Writes it, durably, readable by its owner only.
///
/// # Errors
/// [`SealError::File`].
pub(crate) fn write<T: Serialize>(path: &Path, key: &hmac::Key, value: &T) -> Result<(), SealError> {
    let failed = |why: String| SealError::File { path: path.to_owned(), why };
    let body = serde_json::to_string(value).map_err(|error| failed(error.to_string()))?;
    let seal = URL_SAFE_NO_PAD.encode(hmac::sign(key, body.as_bytes()));
    let bytes = serde_json::to_vec(&Sealed { schema: 1, body, seal }).map_err(|error| failed(error.to_string()))?;
    write_atomic(path, &bytes, Durability::Durable).map_err(|error| failed(error.to_string()))
}

/// What it holds; `None`: there is no such file.
///
/// # Errors
/// [`SealError`].
pub(crate) fn read<T: DeserializeOwned>(path: &Path, key: &hmac::Key) -> Result<Option<T>, SealError> {
    let failed = |why: String| SealError::File { path: path.to_owned(), why };
    match is_private(path) {
        Ok(true) => {}
        Ok(false) => return Err(SealError::Open { path: path.to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    }
    let bytes = read_bounded(path, MAX_BYTES).map_err(|error| failed(error.to_string()))?;
    let broken = || SealError::Broken { path: path.to_owned() };
    let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|_| broken())?;
    let seal = URL_SAFE_NO_PAD.decode(&sealed.seal).map_err(|_| broken())?;
    hmac::verify(key, sealed.body.as_bytes(), &seal).map_err(|_| broken())?;
    serde_json::from_str(&sealed.body).map(Some).map_err(|_| broken())
}

/// Takes it away.
///
/// # Errors
/// [`SealError::File`]; that it was not there is none.
pub(crate) fn remove(path: &Path) -> Result<(), SealError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(SealError::File { path: path.to_owned(), why: error.to_string() })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_changed_or_sealed_otherwise_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        let sealing = Sealing::new(b"key");
        let key = sealing.key("one");
        assert!(read::<u32>(&path, &key).unwrap().is_none());
        write(&path, &key, &7_u32).unwrap();
        assert_eq!(read::<u32>(&path, &key).unwrap(), Some(7));
        for other in [sealing.key("two"), Sealing::new(b"other").key("one")] {
            assert!(matches!(read::<u32>(&path, &other), Err(SealError::Broken { .. })));
        }
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"7\"", "\"8\"")).unwrap();
        assert!(matches!(read::<u32>(&path, &key), Err(SealError::Broken { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn what_others_can_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        let key = Sealing::new(b"key").key("one");
        write(&path, &key, &7_u32).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read::<u32>(&path, &key), Err(SealError::Open { .. })));
    }
}
