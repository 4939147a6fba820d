//! What a node of a pair remembers over the end of its guard.
//!
//! Invariant: written whole or not at all, and readable by us alone. A file that cannot be read is as good as none: the
//! node then knows of no takeover, stands by, and has compared nothing.

use super::peer::wire::Owned;
use crate::host::files::{Durability, write_atomic};
use clawmend_core::failover::{Memory, Reason, Role};
use clawmend_core::time::Wall;
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _};
use std::path::Path;

/// In our own state folder.
const FILE: &str = "standby.json";
/// Largest that is read, in bytes.
const MAX: u64 = 1024 * 1024;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The state machine's.
    pub memory: Memory,
    /// What the primary owned when it was last asked.
    pub theirs: Option<Owned>,
    /// The last change of role.
    pub last_change: Option<Change>,
}

/// A change of role, as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What this node became, or was to become.
    pub to: Role,
    /// Why.
    pub reason: Reason,
    /// When it was decided.
    pub at: Wall,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// It worked.
    pub worked: bool,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which: `workspace`, `gateway`.
    pub step: String,
    /// It worked.
    pub worked: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// For people.
    pub detail: String,
}

/// Reads it.
#[must_use]
pub fn load(state: &Path) -> Kept {
    let read = || -> io::Result<Kept> {
        let mut text = String::new();
        std::fs::File::open(state.join(FILE))?.take(MAX).read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    };
    read().unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            tracing::error!(%error, "what this node of a pair remembers cannot be read; it stands by");
        }
        Kept::default()
    })
}

/// Writes it, so that it survives a loss of power.
///
/// # Errors
/// What the system answered.
pub fn save(state: &Path, kept: &Kept) -> io::Result<()> {
    write_atomic(&state.join(FILE), &serde_json::to_vec(kept)?, Durability::Durable)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_comes_back_whole_and_a_torn_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()), Kept::default());
        let kept = Kept {
            memory: Memory { role: Role::Active, held: true, takeovers: vec![Wall(7)] },
            theirs: Some(Owned::Unknown { why: "gone".into() }),
            last_change: Some(Change {
                to: Role::Active,
                reason: Reason::Silent { misses: 3 },
                at: Wall(7),
                took_ms: 5,
                worked: true,
                steps: vec![Step { step: "gateway".into(), worked: true, took_ms: 5, detail: "healthy".into() }],
            }),
        };
        save(folder.path(), &kept).unwrap();
        assert_eq!(load(folder.path()), kept);
        std::fs::write(folder.path().join(FILE), b"{\"memory\":{\"role\":").unwrap();
        assert_eq!(load(folder.path()), Kept::default());
    }
}
