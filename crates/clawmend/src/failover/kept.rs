//! What a node of a pair remembers over the end of its guard.
//!
//! Invariant: written whole or not at all, and readable by us alone. A file that cannot be read is as good as none: the
//! node then knows of no takeover, stands by, and has compared nothing.

use crate::host::files::{Durability, write_atomic};
use clawmend_core::alert::notice::Notice;
use clawmend_core::failover::known::Knowledge;
use clawmend_core::failover::{Memory, Reason, Role, Step, primary};
use clawmend_core::time::Wall;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::SocketAddr;
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
    /// A primary's.
    #[serde(default)]
    pub primary: primary::Memory,
    /// Under which key, and of which primary, what follows was heard ([`super::key::PairKey::mark`]).
    #[serde(default)]
    pub heard_under: String,
    /// What the primary owns.
    #[serde(default)]
    pub theirs: Knowledge,
    /// What each standby owns that comes before this one, by its address.
    #[serde(default)]
    pub seniors: BTreeMap<SocketAddr, Knowledge>,
    /// The last change of role.
    pub last_change: Option<Change>,
    /// The last takeover after which this node could be reached, by its channel's own word.
    #[serde(default)]
    pub proven: Option<Proven>,
    /// The gateway was made warm, and left to run while this node stands by. Whoever has stopped it since is not overruled.
    #[serde(default)]
    pub warm: bool,
    /// What was written here while this node carried could not be given back yet.
    #[serde(default)]
    pub owed: bool,
    /// What people were to be told of late. Told again by the next guard: nobody hears it twice.
    #[serde(default, deserialize_with = "readable")]
    pub words: Vec<Notice>,
}

impl Kept {
    /// Words that are kept, fewer than the desk remembers ([`clawmend_core::alert::desk::Desk::WORDS_MAX`]).
    const WORDS: usize = 8;

    /// What others own is known from now on as heard under this mark. Fingerprints of another key compare with nothing, and
    /// another primary has other accounts: then nothing is known. True when something changed.
    pub fn hears_under(&mut self, mark: String) -> bool {
        let other = self.heard_under != mark;
        if other {
            (self.theirs, self.seniors) = (Knowledge::default(), BTreeMap::new());
            self.heard_under = mark;
        }
        other
    }

    /// Remembers what people are to be told.
    pub fn note_word(&mut self, word: Notice) {
        if self.words.len() >= Self::WORDS {
            self.words.remove(0);
        }
        self.words.push(word);
    }
}

/// A takeover that worked, to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// When it was decided.
    pub at: Wall,
    /// From then until it could be reached, in milliseconds.
    pub took_ms: u64,
}

impl Proven {
    /// What a change of role proves.
    #[must_use]
    pub fn by(change: &Change) -> Option<Self> {
        let reached = change.steps.iter().any(|step| step.step == "channel" && step.worked);
        let proves = change.to == Role::Active && change.worked && reached;
        proves.then_some(Self { at: change.at, took_ms: change.took_ms })
    }
}

/// A word of another version must not take the role along.
fn readable<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Notice>, D::Error> {
    let all = Vec::<serde_json::Value>::deserialize(from)?;
    Ok(all.into_iter().filter_map(|word| serde_json::from_value(word).ok()).collect())
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
    use clawmend_core::failover::ownership::Owned;
    use clawmend_core::failover::telling::notice;
    use clawmend_core::failover::{Episode, Telling};
    use clawmend_core::gateway::GatewayId;

    #[test]
    fn it_comes_back_whole_and_a_torn_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()), Kept::default());
        let mut theirs = Knowledge::default();
        theirs.hear(Wall(6), &Owned::Unknown { why: "gone".into() });
        let memory = Memory { role: Role::Active, held: true, takeovers: vec![Wall(7)], ..Memory::default() };
        let told = Telling::TookOver { reason: Reason::Silent { misses: 3 }, held: false };
        let word = notice(&GatewayId("default".into()), &Episode::default(), &told, &[], Wall(8));
        let kept = Kept {
            memory,
            heard_under: "a mark".into(),
            primary: primary::Memory { heard: true, ..primary::Memory::default() },
            seniors: BTreeMap::from([("10.0.0.2:18790".parse().unwrap(), theirs.clone())]),
            theirs,
            words: vec![word],
            proven: Some(Proven { at: Wall(3), took_ms: 4 }),
            warm: true,
            owed: true,
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
        let mut same = kept.clone();
        assert!(!same.hears_under("a mark".into()));
        assert_eq!(same, kept);
        assert!(same.hears_under("another".into()));
        assert_eq!((same.theirs, same.seniors.len()), (Knowledge::default(), 0));
        assert_eq!((same.memory, same.proven), (kept.memory.clone(), kept.proven));
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        std::fs::write(folder.path().join(FILE), text.replace("took_over", "sang_a_song")).unwrap();
        assert_eq!(
            load(folder.path()),
            Kept { words: Vec::new(), ..kept },
            "a word that is not known takes nothing along"
        );
        std::fs::write(folder.path().join(FILE), b"{\"memory\":{\"role\":").unwrap();
        assert_eq!(load(folder.path()), Kept::default());
    }
}
