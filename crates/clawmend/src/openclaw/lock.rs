//! The gateway's own lock files: who says to be the gateway of a home, and on which port.
//!
//! Invariant: a lock file is a claim. It becomes proof only when the live process with that pid has the start time
//! that the file names; OpenClaw leaves both files behind when it is killed. Start at [`find`].

use super::discovery::Home;
use super::files;
use clawmend_core::gateway::Incarnation;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Larger lock files are not read (real ones: under 1 KiB).
const MAX_LOCK_BYTES: u64 = 64 * 1024;
/// At most this many files of one folder are looked at.
const MAX_FILES: usize = 64;

/// What one lock file says (OpenClaw 2026.7 to 2026.9).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockFile {
    /// Process that took the lock.
    pub pid: u32,
    /// Its start time in the kernel's unit (Linux: `/proc/PID/stat` field 22); some systems leave it out.
    #[serde(default)]
    pub start_time: Option<u64>,
    /// Port that it listens on. This one is right even after the config was edited.
    #[serde(default)]
    pub port: Option<u16>,
    /// Config that it uses.
    pub config_path: PathBuf,
    /// State folder that it uses; 2026.7 leaves it out.
    #[serde(default)]
    pub state_dir: Option<PathBuf>,
    /// RFC 3339, by its own clock.
    #[serde(default)]
    pub created_at: Option<String>,
}

impl LockFile {
    /// The life that holds the lock, if it is proven. `look` answers for a pid with the life that it is now.
    #[must_use]
    pub fn prove(&self, look: impl Fn(u32) -> Option<Incarnation>) -> Option<Incarnation> {
        let start = self.start_time?;
        look(self.pid).filter(|life| life.pid == self.pid && life.start == start)
    }

    /// The lock belongs to this home.
    #[must_use]
    pub fn is_of(&self, home: &Home) -> bool {
        same(&self.config_path, &home.config_path)
            && self.state_dir.as_deref().is_none_or(|state_dir| same(state_dir, &home.state_dir))
    }
}

/// The lock files of this home, the newest place first. `uid` is the gateway's user, `tmp` its temporary folder.
#[must_use]
pub fn find(home: &Home, uid: u32, tmp: &Path) -> Vec<LockFile> {
    let mut found: Vec<LockFile> = Vec::new();
    for folder in home.lock_folders(uid, tmp) {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten().take(MAX_FILES) {
            let name = entry.file_name();
            let is_lock = name.to_str().is_some_and(|name| name.starts_with("gateway.") && name.ends_with(".lock"));
            if !is_lock {
                continue;
            }
            let lock = files::read_owned(&entry.path(), uid, MAX_LOCK_BYTES).ok().and_then(|bytes| parse(&bytes));
            // A gateway takes two locks with the same content.
            if let Some(lock) = lock.filter(|lock| lock.is_of(home))
                && !found.iter().any(|other| other.pid == lock.pid && other.start_time == lock.start_time)
            {
                found.push(lock);
            }
        }
    }
    found
}

/// The JSON object at the start; OpenClaw appends a trailer of tabs and spaces.
fn parse(bytes: &[u8]) -> Option<LockFile> {
    serde_json::Deserializer::from_slice(bytes).into_iter::<LockFile>().next()?.ok()
}

fn same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::openclaw::discovery::discover;

    fn life(pid: u32, start: u64) -> Incarnation {
        Incarnation { pid, start, boot: "b".into() }
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_counts_only_with_a_living_proof() {
        let dir = tempfile::tempdir().unwrap();
        let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(dir.path()).unwrap());
        let home = discover(|_| None, dir.path()).remove(0);
        let folder = home.lock_folders(uid, dir.path())[0].clone();
        std::fs::create_dir_all(&folder).unwrap();
        let text = include_str!("../../tests/fixtures/openclaw/gateway.state.lock")
            .replace("/home/user", dir.path().to_str().unwrap());
        for name in ["gateway.state.lock", "gateway.b1498de7.lock", "gateway.x.lock.sqlite", "device.lock"] {
            std::fs::write(folder.join(name), &text).unwrap();
        }
        let locks = find(&home, uid, dir.path());
        assert_eq!(locks.len(), 1, "two files of one life are one claim: {locks:?}");
        assert_eq!((locks[0].pid, locks[0].start_time, locks[0].port), (11613, Some(162_596), Some(19810)));
        assert_eq!(locks[0].prove(|pid| Some(life(pid, 162_596))), Some(life(11613, 162_596)));
        assert_eq!(locks[0].prove(|pid| Some(life(pid, 162_597))), None, "the pid was taken over");
        assert_eq!(locks[0].prove(|_| None), None);
        let other = discover(|name| (name == "OPENCLAW_STATE_DIR").then(|| "/elsewhere".into()), dir.path()).remove(0);
        assert!(!locks[0].is_of(&other));
    }

    #[test]
    fn garbage_is_no_lock() {
        for text in ["", "{", "[]", "{\"pid\":-1,\"configPath\":\"/x\"}", "{\"pid\":1}"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
