//! Keeps the assistant's workspace the same on both nodes, by git.
//!
//! The primary pushes what changed ([`Workspace::push`]); a standby fetches that from time to time ([`Workspace::fetch`]),
//! brings its folder to it when it is promoted ([`Workspace::pull`]), and when it steps back gives what it wrote to a branch
//! of its own ([`Workspace::give_back`]).
//!
//! Invariants: no byte of the workspace is lost, whenever any of these is ended: before a file is replaced or removed,
//! its bytes are in a commit that a branch holds. Nothing is reset, nothing is pushed by force, and only the primary
//! writes the main branch. What looks like a secret does not leave the machine. Each call is bounded in time, and
//! calling again goes on from where the last one was ended.
//!
//! How: a snapshot of the folder is made beside the user's index (`snapshot`), so that a merge that somebody has begun,
//! a detached HEAD or a lock is in nobody's way; files are changed by git itself, which refuses where one is not as the
//! snapshot has it (`tree`). These calls block: run them beside the loop.

mod error;
mod folders;
mod git;
mod give;
mod history;
mod judge;
mod names;
mod pull;
mod push;
mod remote;
mod repo;
mod snapshot;
mod stays;
mod tree;
pub mod words;

pub use error::{Person, Retry, WorkspaceError};
pub use folders::folders;
pub use give::GaveBack;
pub use history::KeptBack;
pub use judge::{LeftOut, Why};
pub use names::{BadName, Branch, Node, Remote};
pub use pull::{Pulled, PulledTo};
pub use push::{Apart, Pushed, PushedTo};
pub use stays::Stays;

use crate::host::files::private_dir;
use crate::host::program::Surroundings;
use repo::{Create, DeadLocks, Repo};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How much a call may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file that is taken in, in bytes. Larger ones are left out and named.
    pub file: u64,
    /// Most that is fetched at once, in bytes.
    pub fetch: u64,
    /// How long all of a call may take.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 5 << 20, fetch: 512 << 20, time: Duration::from_secs(60) }
    }
}

/// Ends a call early, from another thread: what cannot wait has come in between.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whoever runs under it ends within a moment, with [`Retry::Overtaken`].
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// It was ended.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A workspace, and where it is kept.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// OpenClaw's folder, such as `~/.openclaw/workspace`.
    pub folder: PathBuf,
    /// The repository that both nodes reach.
    pub remote: Remote,
    /// Its branch that the primary writes.
    pub branch: Branch,
    /// This node.
    pub node: Node,
    /// Bounds.
    pub limits: Limits,
    /// Ends what is under way.
    pub stop: Stop,
}

impl Workspace {
    /// Whether the remote lets this node read it and write to it, and has the branch. Nothing is written; the workspace's
    /// folder need not be there. `work` is made for it, and removed.
    ///
    /// # Errors
    /// Why it cannot be read or written.
    pub fn look(&self, work: &Path, surroundings: Surroundings) -> Result<bool, WorkspaceError> {
        let git =
            |folder: &Path| git::Git::new(folder.to_owned(), self.limits.time, self.stop.clone()).within(surroundings);
        let here = git(self.folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(&self.folder));
        let has = remote::has(&here, &self.remote, &self.branch)?;
        // The workspace's own repository may know how to log in.
        if here.ask(["rev-parse", "--git-dir"])?.is_some() {
            return remote::takes(&here, &self.remote).map(|()| has);
        }
        private_dir(work).map_err(|error| Person::Git { detail: error.to_string() })?;
        let empty = git(work);
        let made = empty.must(git::Call::new(["init", "--quiet", "--bare"]));
        let takes = made.and_then(|_| remote::takes(&empty, &self.remote));
        drop(std::fs::remove_dir_all(work));
        takes.map(|()| has)
    }

    fn open(&self, create: Create, locks: DeadLocks) -> Result<Repo, WorkspaceError> {
        Repo::open(self, create, locks)
    }

    /// The message of a commit of ours.
    fn message(&self, what: &str) -> String {
        format!("{what} of {}\n", self.node.as_str())
    }
}

/// The present second, as it stands in names of branches.
fn stamp() -> String {
    let now = crate::host::clock::now().wall.0;
    let time = jiff::Timestamp::from_millisecond(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Makes HEAD's branch and the user's index follow to `tip`, as a commit by the user would. False where that would take
/// something from the user: an operation under way, a detached HEAD, files staged otherwise than they are on the disk,
/// or another git at work. `tip` is kept all the same.
fn follow(repo: &Repo, index: &std::path::Path, tip: &str) -> Result<bool, WorkspaceError> {
    let Some(branch) = repo.head_branch()? else { return Ok(false) };
    let head = repo.commit_of("HEAD")?;
    if repo.unfinished().is_some() || repo.is_locked() {
        return Ok(false);
    }
    if let Some(head) = &head
        && !repo.is_ancestor(head, tip)?
    {
        return Ok(false);
    }
    let (old, new) = (repo.tree_of(head.as_deref())?, repo.tree_of(Some(tip))?);
    if repo.staged()?.is_none_or(|staged| staged != old && staged != new) || !repo.adopt_index(index)? {
        return Ok(false);
    }
    // Somebody may commit at this very moment: then theirs counts, and ours is merged at the next push.
    Ok(head.as_deref() == Some(tip) || repo.set_ref(&branch, tip, Some(head.as_deref())).is_ok())
}
