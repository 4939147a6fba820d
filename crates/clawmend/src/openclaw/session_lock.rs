//! Locks of sessions whose owner has died (OpenClaw up to 2026.8: `agents/*/sessions/*.lock`, JSON with a `pid`).
//!
//! Invariant: a lock counts as left behind only when no process has its pid, or the one that has it began after the lock
//! was written. In doubt its owner lives. Nothing is moved here. Start at [`left_behind`].

use super::discovery::Home;
use super::files;
use clawmend_core::gateway::Incarnation;
use clawmend_core::time::Now;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Larger lock files are not read.
const MAX_LOCK_BYTES: u64 = 16 * 1024;
/// Agents, and files of one agent, that are looked at.
const MAX_ENTRIES: usize = 1_024;
/// A younger lock may belong to a process that we do not see yet.
const SETTLE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Claim {
    pid: u32,
}

/// What is known of a process.
pub struct Seen {
    /// Its age in milliseconds.
    pub age_ms: u64,
}

/// How a pid is looked up: `None` when there is no such process.
pub type Look<'a> = &'a dyn Fn(u32) -> Option<Seen>;

/// The session locks of this home that a dead process left.
#[must_use]
pub fn left_behind(home: &Home, uid: u32, now: SystemTime, look: Look<'_>) -> Vec<PathBuf> {
    let Ok(agents) = std::fs::read_dir(home.state_dir.join("agents")) else { return Vec::new() };
    let mut found = Vec::new();
    for agent in agents.flatten().take(MAX_ENTRIES) {
        let Ok(entries) = std::fs::read_dir(agent.path().join("sessions")) else { continue };
        for entry in entries.flatten().take(MAX_ENTRIES) {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "lock") && is_left(&path, uid, now, look) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn is_left(path: &Path, uid: u32, now: SystemTime, look: Look<'_>) -> bool {
    let claim = files::read_owned(path, uid, MAX_LOCK_BYTES).ok().and_then(|bytes| parse(&bytes));
    let written = std::fs::symlink_metadata(path).and_then(|seen| seen.modified()).ok();
    let (Some(claim), Some(age)) = (claim, written.and_then(|at| now.duration_since(at).ok())) else { return false };
    if age < SETTLE {
        return false;
    }
    match look(claim.pid) {
        None => true,
        // Somebody else has got the number since.
        Some(seen) => Duration::from_millis(seen.age_ms) + SETTLE < age,
    }
}

fn parse(bytes: &[u8]) -> Option<Claim> {
    serde_json::Deserializer::from_slice(bytes).into_iter::<Claim>().next()?.ok().filter(|claim| claim.pid > 0)
}

/// Looks a pid up on this machine.
#[must_use]
pub fn look_here(now: Now) -> impl Fn(u32) -> Option<Seen> {
    move |pid| {
        let life: Incarnation = crate::host::process::incarnation_of(pid)?;
        // A process whose age cannot be told counts as old enough to be the owner.
        Some(Seen { age_ms: crate::host::process::age_ms(&life, now).unwrap_or(u64::MAX / 2) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openclaw::discovery::discover;

    #[test]
    fn only_what_the_dead_left_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let home = discover(|_| None, folder.path()).remove(0);
        let sessions = home.state_dir.join("agents/main/sessions");
        std::fs::create_dir_all(&sessions).unwrap();
        let put = |name: &str, text: &str| std::fs::write(sessions.join(name), text).unwrap();
        put("dead.jsonl.lock", r#"{"pid":11,"createdAt":"2026-01-01T00:00:00Z"}"#);
        put("alive.jsonl.lock", r#"{"pid":12}"#);
        put("reused.jsonl.lock", r#"{"pid":13}   "#);
        put("nonsense.jsonl.lock", "pid 11");
        put("zero.jsonl.lock", r#"{"pid":0}"#);
        put("session.jsonl", r#"{"pid":11}"#);
        let uid = crate::daemon::own_uid();
        let look = |pid: u32| match pid {
            12 => Some(Seen { age_ms: 10_000_000 }),
            13 => Some(Seen { age_ms: 1_000 }),
            _ => None,
        };
        let soon = SystemTime::now() + Duration::from_secs(5);
        assert!(left_behind(&home, uid, soon, &look).is_empty(), "too young to be judged");
        let later = SystemTime::now() + Duration::from_secs(600);
        let names = |paths: Vec<PathBuf>| -> Vec<String> {
            paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(left_behind(&home, uid, later, &look)), ["dead.jsonl.lock", "reused.jsonl.lock"]);
        assert!(left_behind(&home, uid + 1, later, &look).is_empty(), "files of another user are not ours");
    }
}
