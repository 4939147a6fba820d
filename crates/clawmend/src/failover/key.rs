//! The key that the two guards of a pair share.
//!
//! Invariant: it is a file of its own that only we can read; what is sent is made with keys derived from it, one for each
//! use, and never the key itself.

use crate::host::files::{Durability, is_private, write_atomic};
use ring::hmac;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Bytes of a key.
const LEN: usize = 32;
/// By default, in our own state folder.
pub const FILE: &str = "pair.key";

/// The pair's key.
#[derive(Clone)]
pub struct PairKey([u8; LEN]);

/// Why there is none. All need a person.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No such file.
    #[error("{path} is not there: `clawmend standby init` makes it on the primary; copy it to the other host")]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// Others may read it, or it is none of ours.
    #[error(
        "{path} can be read by others: `chmod 600` it; if somebody has read it, delete it, make a new one on the primary, and copy that"
    )]
    Open {
        /// Which.
        path: PathBuf,
    },
    /// Not what we write.
    #[error("{path} holds no key, expected 64 hexadecimal digits: copy it from the primary again")]
    Garbled {
        /// Which.
        path: PathBuf,
    },
    /// The system said no.
    #[error("{path} cannot be used: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a key; try again")]
    NoEntropy,
}

impl std::fmt::Debug for PairKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PairKey(…)")
    }
}

impl PairKey {
    /// Reads it.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let io = |source: std::io::Error| {
            let path = path.to_owned();
            if source.kind() == std::io::ErrorKind::NotFound {
                KeyError::Missing { path }
            } else {
                KeyError::Io { path, source }
            }
        };
        if !is_private(path).map_err(io)? {
            return Err(KeyError::Open { path: path.to_owned() });
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        hex::<LEN>(text.trim()).map(Self).ok_or_else(|| KeyError::Garbled { path: path.to_owned() })
    }

    /// Makes a new one, unless there is one.
    ///
    /// # Errors
    /// It cannot be written or read.
    pub fn load_or_make(path: &Path) -> Result<(Self, bool), KeyError> {
        match Self::load(path) {
            Err(KeyError::Missing { .. }) => {}
            other => return other.map(|key| (key, false)),
        }
        let mut bytes = [0; LEN];
        getrandom::fill(&mut bytes).map_err(|_| KeyError::NoEntropy)?;
        let text = format!("{}\n", to_hex(&bytes));
        write_atomic(path, text.as_bytes(), Durability::Durable)
            .map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
        Ok((Self(bytes), true))
    }

    /// For what goes over the wire.
    #[must_use]
    pub fn for_wire(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.derived(b"wire"))
    }

    /// For fingerprints of credentials: both hosts have the same for the same credential, and nobody else can make them.
    #[must_use]
    pub fn for_fingerprints(&self) -> [u8; LEN] {
        self.derived(b"fingerprint")
    }

    /// Says whether what is remembered was heard under this key from the guard at `peer`. It tells nothing of the key.
    #[must_use]
    pub fn mark(&self, peer: SocketAddr) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.derived(b"mark")), peer.to_string().as_bytes());
        to_hex(tag.as_ref().get(..8).unwrap_or_default())
    }

    fn derived(&self, purpose: &[u8]) -> [u8; LEN] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), purpose);
        let mut key = [0; LEN];
        key.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        key
    }

    #[cfg(test)]
    pub(crate) const fn of_bytes(bytes: [u8; LEN]) -> Self {
        Self(bytes)
    }
}

/// As lower-case hexadecimal digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Exactly so many bytes.
pub(super) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert!(matches!(PairKey::load(&path), Err(KeyError::Missing { .. })));
        let (made, fresh) = PairKey::load_or_make(&path).unwrap();
        let (again, once_more) = PairKey::load_or_make(&path).unwrap();
        assert!(fresh && !once_more);
        assert_eq!(made.for_fingerprints(), again.for_fingerprints());
        assert_ne!(made.for_fingerprints(), made.0);
        assert!(!std::fs::read_to_string(&path).unwrap().contains(&to_hex(&made.for_fingerprints())));
        assert_eq!(format!("{made:?}"), "PairKey(…)");
        let [one, other] = ["10.0.0.1:1", "10.0.0.2:1"].map(|peer| made.mark(peer.parse().unwrap()));
        assert_eq!((one.len(), one == other), (16, false));
        assert_ne!(PairKey([7; LEN]).mark("10.0.0.1:1".parse().unwrap()), one);
    }

    #[test]
    #[cfg(unix)]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        PairKey::load_or_make(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(PairKey::load(&path), Err(KeyError::Open { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for wrong in ["", "abc", &"g".repeat(64), &"ä".repeat(32), &"0".repeat(66)] {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(PairKey::load(&path), Err(KeyError::Garbled { .. })), "{wrong}");
        }
    }
}
