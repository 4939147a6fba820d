//! Small remedies on files: old logs are deleted from a full disk, locks of the dead are moved aside.
//!
//! Invariant: what is deleted are logs that nobody writes any more, on the very disk that has no room; all else is only
//! moved. Runs beside the loop, bounded, and says what it did.

use crate::host::process;
use crate::openclaw::discovery::Home;
use crate::openclaw::{logs, session_lock};
use clawmend_core::directive::ActionResult;
use clawmend_core::gateway::Incarnation;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What is needed to do it.
#[derive(Clone, Debug)]
pub struct Housekeeping {
    /// The gateway's home.
    pub home: Home,
    /// The gateway's user.
    pub uid: u32,
    /// Where our keeper writes the gateway's output, if it does.
    pub output: Option<PathBuf>,
    /// Lives of this gateway whose end was seen.
    pub ended: Vec<Incarnation>,
}

impl Housekeeping {
    /// Deletes old logs on the disk of the gateway's state. Resolves when it is done.
    pub fn free_logs(self) -> impl Future<Output = ActionResult> {
        beside(move || self.delete_old_logs())
    }

    /// Moves session locks aside that a dead process left. Resolves when it is done.
    pub fn set_locks_aside(self) -> impl Future<Output = ActionResult> {
        beside(move || self.move_locks())
    }

    fn delete_old_logs(&self) -> ActionResult {
        let today = jiff::Zoned::now().date();
        let mut old = logs::old::find(&self.home, self.uid, &std::env::temp_dir(), today);
        old.extend(self.output.iter().flat_map(|folder| rotated(folder)));
        old.retain(|path| same_disk(path, &self.home.state_dir));
        let (mut files, mut bytes, mut failed) = (0_u32, 0_u64, None);
        for path in old {
            let size = std::fs::symlink_metadata(&path).map_or(0, |seen| seen.len());
            match std::fs::remove_file(&path) {
                Ok(()) => (files, bytes) = (files + 1, bytes + size),
                Err(error) => failed = Some(format!("{}: {error}", path.display())),
            }
        }
        tracing::warn!(gateway = %self.home.id.0, files, mib = bytes >> 20, "old logs were deleted from a full disk");
        match (files, failed) {
            (0, Some(reason)) => ActionResult::Retry { reason },
            (0, None) => ActionResult::Moot { reason: "there are no old logs on that disk".to_owned() },
            (_, _) => ActionResult::Done,
        }
    }

    fn move_locks(&self) -> ActionResult {
        let free = |pid: u32| process::incarnation_of(pid).is_none();
        let mut moved = 0_u32;
        let mut failed = None;
        for path in session_lock::candidates(&self.home) {
            // Judged right before it is moved: a lock of today may have taken the place of one of yesterday.
            if !session_lock::is_left(&path, self.uid, SystemTime::now(), &self.ended, &free) {
                continue;
            }
            let aside = aside(&path);
            match std::fs::rename(&path, &aside) {
                Ok(()) => {
                    moved += 1;
                    tracing::warn!(gateway = %self.home.id.0, lock = %path.display(), aside = %aside.display(), "the lock of a dead process was moved aside");
                }
                Err(error) => failed = Some(format!("{}: {error}", path.display())),
            }
        }
        match (moved, failed) {
            (0, Some(reason)) => ActionResult::Retry { reason },
            (0, None) => ActionResult::Moot { reason: "every lock's owner lives, or cannot be proven dead".to_owned() },
            (_, _) => ActionResult::Done,
        }
    }
}

/// `x.lock.clawmend-aside-20260102T030405Z`; put back by renaming it.
fn aside(path: &Path) -> PathBuf {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".clawmend-aside-{time}"));
    PathBuf::from(name)
}

/// The keeper's own rotated files: `gateway.log.1`, `gateway.log.2`.
fn rotated(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let paths = (1..=9).map(|number| folder.join(format!("gateway.log.{number}")));
    paths
        .filter(|path| std::fs::symlink_metadata(path).is_ok_and(|seen| seen.is_file()))
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(unix)]
fn same_disk(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let disk = |path: &Path| std::fs::metadata(path).ok().map(|seen| seen.dev());
    disk(one).is_some() && disk(one) == disk(other)
}

#[cfg(not(unix))]
fn same_disk(one: &Path, other: &Path) -> bool {
    one.components().next() == other.components().next()
}

async fn beside(work: impl FnOnce() -> ActionResult + Send + 'static) -> ActionResult {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| ActionResult::Retry { reason: format!("it was not finished: {error}") })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openclaw::discovery::discover;

    #[test]
    fn old_logs_go_and_all_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let home = discover(|_| None, folder.path()).remove(0);
        std::fs::create_dir_all(&home.state_dir).unwrap();
        let output = folder.path().join("output");
        std::fs::create_dir(&output).unwrap();
        let put = |name: &str| std::fs::write(output.join(name), "x").unwrap();
        ["gateway.log", "gateway.log.1", "gateway.log.2", "gateway.log.old", "notes.txt"]
            .iter()
            .for_each(|name| put(name));
        let keeping =
            Housekeeping { home, uid: crate::daemon::own_uid(), output: Some(output.clone()), ended: Vec::new() };
        assert_eq!(keeping.delete_old_logs(), ActionResult::Done);
        let mut left: Vec<String> = std::fs::read_dir(&output)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        assert_eq!(left, ["gateway.log", "gateway.log.old", "notes.txt"]);
        assert!(matches!(keeping.delete_old_logs(), ActionResult::Moot { .. }), "nothing is left to delete");
    }

    #[test]
    fn a_lock_of_the_dead_is_moved_and_can_be_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let home = discover(|_| None, folder.path()).remove(0);
        let sessions = home.state_dir.join("agents/main/sessions");
        std::fs::create_dir_all(&sessions).unwrap();
        let lock = |name: &str, pid: u32| {
            let path = sessions.join(name);
            std::fs::write(&path, format!("{{\"pid\":{pid}}}")).unwrap();
            let file = std::fs::File::open(&path).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(7 * 86_400)).unwrap();
            path
        };
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = lock("dead.jsonl.lock", child.id());
        let ours = Incarnation { pid: child.id(), start: 1, boot: "b".into() };
        child.wait().unwrap();
        let keeping = Housekeeping { home, uid: crate::daemon::own_uid(), output: None, ended: vec![ours] };
        assert_eq!(keeping.move_locks(), ActionResult::Done);
        assert!(!dead.exists());
        let aside: Vec<_> = std::fs::read_dir(&sessions).unwrap().flatten().collect();
        assert_eq!(aside.len(), 1);
        assert!(aside[0].file_name().to_string_lossy().starts_with("dead.jsonl.lock.clawmend-aside-"));
        assert!(matches!(keeping.move_locks(), ActionResult::Moot { .. }));
    }
}
