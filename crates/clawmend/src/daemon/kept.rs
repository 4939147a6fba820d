//! The state machine's memory as it is kept, and which of its copies counts.
//!
//! Copies: the database, a small file beside it (both written by the store), and, when neither could be written, one
//! in the gateway's runtime folder. Invariant: the newest copy that can be read counts, so no single damaged file
//! takes the budgets away.

use crate::host::clock;
use crate::host::files::{Durability, write_atomic};
use clawmend_core::guardian::Memory;
use clawmend_core::time::Now;
use serde::{Deserialize, Serialize};
use std::path::Path;

const NAME: &str = "memory.json";

/// The memory, with the boot that its clock belongs to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// Which boot.
    pub boot: String,
    /// The memory.
    pub memory: Memory,
}

impl Kept {
    /// The newest of several copies, whatever the others are worth; without any, one that knows nothing. One of this
    /// boot is newer than any of another. Of equals the last counts.
    #[must_use]
    pub fn newest<'a>(copies: impl IntoIterator<Item = &'a str>, boot: &str) -> Self {
        let age = |kept: &Self| {
            let (mono, wall) = kept.memory.saved.map_or((0, i64::MIN), |saved| (saved.mono.0, saved.wall.0));
            // Clocks for people can be set; within a boot ours cannot.
            if kept.boot == boot { (true, mono, 0) } else { (false, 0, wall) }
        };
        copies.into_iter().filter_map(|text| serde_json::from_str(text).ok()).max_by_key(age).unwrap_or_default()
    }

    /// This host has not booted since.
    #[must_use]
    pub fn is_of_this_boot(&self) -> bool {
        self.boot == clock::boot_id()
    }

    /// As it is to be used now.
    #[must_use]
    pub fn into_memory(self, now: Now) -> Memory {
        if self.is_of_this_boot() { self.memory } else { self.memory.after_reboot(now) }
    }
}

/// The copy in the runtime folder.
#[must_use]
pub fn read_beside(runtime: &Path) -> Option<String> {
    std::fs::read_to_string(runtime.join(NAME)).ok()
}

/// Writes it, for the time in which the store can write nothing.
pub fn write_beside(runtime: &Path, memory: &str) {
    if let Err(error) = write_atomic(&runtime.join(NAME), memory.as_bytes(), Durability::Fast) {
        tracing::error!(%error, "what the guard must remember could not be written down anywhere");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::{NAME as DATABASE, Store};
    use clawmend_core::gateway::GatewayId;
    use clawmend_core::time::{Moment, Wall};

    fn copy(boot: &str, mono: u64, wall: i64, ends: u64) -> String {
        let mut memory = Memory { saved: Some(Now { mono: Moment(mono), wall: Wall(wall) }), ..Memory::default() };
        (0..ends).for_each(|at| memory.unclean.push(Moment(at)));
        serde_json::to_string(&Kept { boot: boot.to_owned(), memory }).unwrap()
    }

    fn ends_in(copies: &[&str]) -> u32 {
        Kept::newest(copies.iter().copied(), "now").memory.unclean.count(Moment(10), 1_000)
    }

    #[test]
    fn the_newest_copy_that_can_be_read_counts() {
        let (older, newer) = (copy("now", 100, 900, 1), copy("now", 200, 800, 2));
        assert_eq!(ends_in(&[&newer, &older]), 2, "a clock that was set back makes nothing older");
        assert_eq!(ends_in(&[&older, &newer]), 2);
        assert_eq!(ends_in(&[&older, "{\"boot\":\"now\",\"mem"]), 1, "a torn copy costs nothing");
        let before = [copy("then", 9_000, 5_000, 3), copy("then", 1, 6_000, 4)];
        assert_eq!(ends_in(&[&before[0], &older, &before[1]]), 1, "this boot's is newer than any before");
        assert_eq!(ends_in(&[&before[0], &before[1]]), 4);
        assert_eq!(ends_in(&[]), 0);
    }

    #[test]
    fn budgets_survive_a_damaged_database() {
        let folder = tempfile::tempdir().unwrap();
        let id = GatewayId("default".to_owned());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = Store::open_daemon(folder.path()).unwrap();
        store.persist(&id, copy("now", 100, 900, 2)).durable_blocking().unwrap();
        runtime.block_on(store.close());
        std::fs::write(folder.path().join(DATABASE), vec![0x5a; 40_000]).unwrap();
        let store = Store::open_daemon(folder.path()).unwrap();
        let loaded = runtime.block_on(store.load(&id)).unwrap();
        let copies = [loaded.memory_copy.as_deref(), loaded.memory.as_deref()];
        let kept = Kept::newest(copies.into_iter().flatten(), "now");
        assert_eq!(kept.memory.unclean.count(Moment(10), 1_000), 2);
    }

    #[test]
    fn a_copy_in_the_runtime_folder_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_beside(folder.path()), None);
        write_beside(folder.path(), &copy("now", 100, 900, 2));
        assert_eq!(ends_in(&[&read_beside(folder.path()).unwrap()]), 2);
    }
}
