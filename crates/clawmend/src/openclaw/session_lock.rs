//! Locks of sessions whose owner has died (OpenClaw up to 2026.8: `agents/*/sessions/*.lock`, JSON with a `pid`).
//!
//! Invariant: a lock counts as left behind only when its pid is that of a life of this very gateway whose end was seen
//! (pid and start time), nobody has that pid now, and it was written a while ago. In doubt its owner lives: another
//! container may share the folder, and its processes are not ours to see. Nothing is moved here. Start at
//! [`candidates`], and ask [`is_left`] again right before a lock is moved.

use super::discovery::Home;
use super::files;
use clawmend_core::gateway::Incarnation;
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

/// Whether nobody has a pid now.
pub type Free<'a> = &'a dyn Fn(u32) -> bool;

/// The session locks of this home, for [`is_left`] to judge.
#[must_use]
pub fn candidates(home: &Home) -> Vec<PathBuf> {
    let Ok(agents) = std::fs::read_dir(home.state_dir.join("agents")) else { return Vec::new() };
    let mut found = Vec::new();
    for agent in agents.flatten().take(MAX_ENTRIES) {
        let Ok(entries) = std::fs::read_dir(agent.path().join("sessions")) else { continue };
        let paths = entries.flatten().take(MAX_ENTRIES).map(|entry| entry.path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|extension| extension == "lock")));
    }
    found.sort();
    found
}

/// One of `ended`, the lives of this gateway whose end was seen, left it.
#[must_use]
pub fn is_left(path: &Path, uid: u32, now: SystemTime, ended: &[Incarnation], free: Free<'_>) -> bool {
    let claim = files::read_owned(path, uid, MAX_LOCK_BYTES).ok().and_then(|bytes| parse(&bytes));
    let written = std::fs::symlink_metadata(path).and_then(|seen| seen.modified()).ok();
    let (Some(claim), Some(age)) = (claim, written.and_then(|at| now.duration_since(at).ok())) else { return false };
    age >= SETTLE && ended.iter().any(|life| life.pid == claim.pid) && free(claim.pid)
}

fn parse(bytes: &[u8]) -> Option<Claim> {
    serde_json::Deserializer::from_slice(bytes).into_iter::<Claim>().next()?.ok().filter(|claim| claim.pid > 0)
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
        let life = |pid| Incarnation { pid, start: 1, boot: "b".into() };
        let (ended, free) = ([life(11), life(12), life(13)], |pid: u32| pid != 12);
        let left = |ended: &[Incarnation], uid: u32, after_s: u64| -> Vec<String> {
            let now = SystemTime::now() + Duration::from_secs(after_s);
            let found = candidates(&home).into_iter().filter(|path| is_left(path, uid, now, ended, &free));
            found.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert!(left(&ended, uid, 5).is_empty(), "too young to be judged");
        assert_eq!(left(&ended, uid, 600), ["dead.jsonl.lock", "reused.jsonl.lock"]);
        assert!(left(&ended[1..2], uid, 600).is_empty(), "who is not known to have been ours may live elsewhere");
        assert!(left(&ended, uid + 1, 600).is_empty(), "files of another user are not ours");
    }
}
