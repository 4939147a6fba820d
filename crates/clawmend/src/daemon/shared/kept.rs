//! What a node of a shared group remembers over the end of its guard.
//!
//! Invariant: written whole or not at all, durable before it counts, readable by us alone, and in the order in which it
//! was decided. A file that cannot be read is as good as none: a process that nobody remembers is ended. Terms count
//! within one record of one kind of store: of another group's nothing is believed.

use crate::host::clock;
use crate::host::files::{Durability, write_atomic};
use clawmend_core::failover::lease::{Active, Memory, Term};
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;

/// In our own state folder.
pub const FILE: &str = "shared.json";
/// Largest that is read, in bytes.
const MAX: u64 = 64 * 1024;

/// As it lies in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Where its terms count.
    #[serde(default)]
    lease: Option<String>,
    #[serde(flatten)]
    memory: Memory,
}

/// Reads it. `lease` names the record that this node counts on now.
#[must_use]
pub fn load(state: &Path, lease: &str) -> Memory {
    let read = || -> io::Result<Kept> {
        let mut text = String::new();
        std::fs::File::open(state.join(FILE))?.take(MAX).read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    };
    match read() {
        Ok(Kept { lease: Some(before), memory }) if before != lease => {
            tracing::info!(before, lease, "this node counts on another lease than before; its terms begin anew");
            // Nobody goes on with a gateway that was started under the other one.
            let active = memory.active.map(|active| Active { opened: false, ..active });
            Memory { seen: Term::default(), epoch: now_s(), active, store_lost: None, ..memory }
        }
        Ok(kept) => kept.memory,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::error!(%error, "what this node of a shared group remembers cannot be read; a gateway that runs is ended");
            }
            Memory { epoch: now_s(), ..Memory::default() }
        }
    }
}

fn now_s() -> i64 {
    clock::now().wall.0 / 1_000
}

/// A gateway of this node ran with its channels on, or was about to, when its guard ended.
#[must_use]
pub fn left_as_owner(state: &Path) -> bool {
    // The record that its terms count in does not matter.
    load(state, "").active.is_some()
}

/// Writes it, one write after the other.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    lease: String,
    /// A write that took too long. The next one waits for it, so that an older memory never replaces a newer one.
    under_way: Option<JoinHandle<io::Result<()>>>,
}

impl Writer {
    /// Into our own state folder.
    #[must_use]
    pub fn new(state: &Path, lease: &str) -> Self {
        Self { path: state.join(FILE), lease: lease.to_owned(), under_way: None }
    }

    /// Answers whether it is durable, within this time.
    pub async fn save(&mut self, memory: &Memory, patience: Duration) -> bool {
        let kept = Kept { lease: Some(self.lease.clone()), memory: memory.clone() };
        let Ok(bytes) = serde_json::to_vec(&kept) else { return false };
        let path = self.path.clone();
        let written = tokio::time::timeout(patience, async {
            if let Some(before) = &mut self.under_way {
                let _ = before.await;
            }
            let write = tokio::task::spawn_blocking(move || write_atomic(&path, &bytes, Durability::Durable));
            let write = self.under_way.insert(write);
            let written = write.await;
            self.under_way = None;
            written
        });
        match written.await {
            Ok(Ok(Ok(()))) => true,
            Ok(Ok(Err(error))) => {
                tracing::error!(%error, "what this node of a shared group remembers could not be written");
                false
            }
            Ok(Err(_)) | Err(_) => {
                tracing::error!("what this node of a shared group remembers was not written in time");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clawmend_core::failover::lease::NodeId;
    use clawmend_core::gateway::Incarnation;

    #[tokio::test(flavor = "current_thread")]
    async fn it_comes_back_whole_and_a_torn_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let load = |folder: &Path| load(folder, "etcd:home");
        let new = load(folder.path());
        assert!(new.epoch > 0, "words of its terms are not those of another store");
        assert_eq!(new, Memory { epoch: new.epoch, ..Memory::default() });
        assert!(!left_as_owner(folder.path()));
        let memory = Memory {
            store_lost: Some(true),
            active: Some(Active { term: Term(4), life: None, opened: true, to: Some(NodeId(2)) }),
            mute: Some(Incarnation { pid: 7, start: 8, boot: "b".into() }),
            seen: Term(5),
            epoch: 1_700_000_000,
            held: true,
            wanted: true,
        };
        let mut writer = Writer::new(folder.path(), "etcd:home");
        assert!(writer.save(&Memory::default(), Duration::from_secs(60)).await);
        assert!(writer.save(&memory, Duration::from_secs(60)).await);
        assert_eq!(load(folder.path()), memory);
        let other = super::load(folder.path(), "kubernetes:home");
        let active = Some(Active { term: Term(4), life: None, opened: false, to: Some(NodeId(2)) });
        assert_eq!(
            other,
            Memory { seen: Term(0), epoch: other.epoch, active, store_lost: None, ..memory.clone() },
            "terms of another store say nothing"
        );
        assert!(other.epoch > memory.epoch);
        assert!(left_as_owner(folder.path()));
        let older = r#"{"active":{"term":4,"life":null},"seen":5,"held":false}"#;
        std::fs::write(folder.path().join(FILE), older).unwrap();
        let read = load(folder.path());
        assert!(read.active.is_some_and(|active| active.opened) && read.mute.is_none(), "of an older version");
        std::fs::write(folder.path().join(FILE), b"{\"active\":{\"term\":").unwrap();
        assert!(load(folder.path()).active.is_none());
        let mut nowhere = Writer::new(&folder.path().join("gone"), "etcd:home");
        assert!(!nowhere.save(&memory, Duration::from_secs(60)).await);
    }
}
