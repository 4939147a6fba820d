//! The repository of a workspace: which one it is, what state it is in, and what of it is ours.
//!
//! Invariants: one Clawmend works on it at a time; the user's index is only replaced whole, under git's own lock, and
//! refs of the user only move forward from the value that was looked at. What is ours lies in `.git/clawmend`, in
//! `refs/clawmend` and in branches named `clawmend/…`.

use super::Workspace;
use super::error::{Person, Retry, WorkspaceError};
use super::git::{Call, Git, failed};
use super::names::{Branch, Remote};
use crate::host::files::{Durability, private_dir, write_atomic};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The last commit of the workspace that we made, or brought it to.
pub(super) const LAST: &str = "refs/clawmend/last";
/// What was fetched last.
pub(super) const REMOTE: &str = "refs/clawmend/remote";
/// In our folder: from where that is.
const SOURCE: &str = "fetched-from";
/// What the standby began from.
pub(super) const BEGUN: &str = "refs/clawmend/begun";
/// What was given back last.
pub(super) const GIVEN: &str = "refs/clawmend/given";
/// What could not be given back before the next takeover, each by the time of that.
pub(super) const OWED: &str = "refs/clawmend/owed/";
/// A lock that is older belongs to a git that has died.
const DEAD: Duration = Duration::from_secs(120);
/// Most files that are looked at for locks.
const MAX_ENTRIES: usize = 10_000;
/// Most heads of unfinished merges.
const MAX_HEADS: usize = 16;

/// An operation that somebody has begun and not ended: what tells it, its name, and how git forgets it without touching
/// a file.
const UNFINISHED: [(&str, &str, [&str; 2]); 5] = [
    ("MERGE_HEAD", "merge", ["merge", "--quit"]),
    ("CHERRY_PICK_HEAD", "cherry-pick", ["cherry-pick", "--quit"]),
    ("REVERT_HEAD", "revert", ["revert", "--quit"]),
    ("rebase-merge", "rebase", ["rebase", "--quit"]),
    ("rebase-apply", "rebase", ["rebase", "--quit"]),
];
/// Files that name commits which may be reachable in no other way.
const HEADS: [&str; 6] = [
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "rebase-merge/orig-head",
    "rebase-apply/orig-head",
];

/// What is done with locks of a git that has died.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DeadLocks {
    /// They are set aside, but for that of the index: a person may have an editor open for hours.
    ButIndex,
    /// All of them are.
    All,
}

fn source(remote: &Remote, branch: &Branch) -> String {
    format!("{remote}\n{}\n", branch.full())
}

/// What is made where it is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Create {
    /// But the repository of a folder that is there.
    Nothing,
    /// The folder as well.
    Folder,
}

/// An open repository.
pub(super) struct Repo {
    pub(super) git: Git,
    /// `.git`.
    pub(super) dir: PathBuf,
    own: PathBuf,
    _lock: File,
}

impl Repo {
    /// Opens the repository of the workspace's folder, and makes one where there is none.
    pub(super) fn open(workspace: &Workspace, create: Create, locks: DeadLocks) -> Result<Self, WorkspaceError> {
        let Workspace { folder, branch, limits, stop, .. } = workspace;
        let missing = |_| Person::NoWorkspace { folder: super::judge::shown(folder.as_os_str().as_encoded_bytes()) };
        if create == Create::Folder && !folder.exists() {
            private_dir(folder).map_err(|error| Person::Git { detail: error.to_string() })?;
        }
        let folder = folder.canonicalize().map_err(missing)?;
        if !folder.is_dir() {
            return Err(missing(io::Error::other("no folder")).into());
        }
        let git = Git::new(folder.clone(), limits.time, stop.clone());
        // One that was ended while it was made is completed; nothing of it is replaced.
        let dot_git = folder.join(".git");
        if dot_git.symlink_metadata().is_err() || (dot_git.is_dir() && !dot_git.join("HEAD").exists()) {
            git.must(Call::new(["init", "--quiet", "--template="]))?;
            git.must(Call::new(["symbolic-ref", "HEAD", &branch.full()]))?;
        }
        let dir = PathBuf::from(git.must(Call::new(["rev-parse", "--absolute-git-dir"]))?.line().unwrap_or_default());
        let top = git.must(Call::new(["rev-parse", "--show-toplevel"]))?.line().unwrap_or_default();
        if Path::new(&top).canonicalize().ok().as_deref() != Some(&folder) {
            let detail = "it is not the repository of this folder alone".to_owned();
            return Err(Person::BadRepository { detail }.into());
        }
        if git.ask(["config", "--type=bool", "--get", "core.sparseCheckout"])?.as_deref() == Some("true") {
            let detail = "it shows only a part of its files (sparse checkout)".to_owned();
            return Err(Person::BadRepository { detail }.into());
        }
        let own = dir.join("clawmend");
        private_dir(&own).map_err(|error| Person::Git { detail: error.to_string() })?;
        let lock = only_one(&own.join("lock"))?;
        let mut repo = Self { git, dir, own, _lock: lock };
        repo.tidy_up(locks);
        let empty = repo.tree_of(None)?;
        repo.git.set_attributes(empty);
        Ok(repo)
    }

    /// From where [`REMOTE`] is from now on.
    pub(super) fn note_source(&self, remote: &Remote, branch: &Branch) -> Result<(), WorkspaceError> {
        let written = write_atomic(&self.own.join(SOURCE), source(remote, branch).as_bytes(), Durability::Fast);
        written.map_err(|error| Person::Git { detail: error.to_string() }.into())
    }

    /// Whether that is where the workspace is kept now.
    pub(super) fn fetched_from(&self, remote: &Remote, branch: &Branch) -> bool {
        std::fs::read_to_string(self.own.join(SOURCE)).is_ok_and(|from| from == source(remote, branch))
    }

    /// What an earlier Clawmend, or a git that died, has left.
    fn tidy_up(&self, locks: DeadLocks) {
        let entries = || std::fs::read_dir(&self.own).into_iter().flatten().flatten();
        let new_index = self.new_index();
        if let (Ok(ours), Ok(lock)) = (std::fs::read(&new_index), std::fs::read(self.dir.join("index.lock")))
            && ours == lock
        {
            // It died between taking git's lock and putting the index in place.
            drop(std::fs::remove_file(self.dir.join("index.lock")));
        }
        for entry in entries().filter(|entry| entry.file_name().to_string_lossy().starts_with("index-")) {
            drop(std::fs::remove_file(entry.path()));
        }
        for name in ["HEAD.lock", "packed-refs.lock", "config.lock"] {
            self.set_aside(&self.dir.join(name));
        }
        self.set_aside_below(&self.dir.join("refs"));
        if locks == DeadLocks::All {
            self.set_aside(&self.dir.join("index.lock"));
        }
    }

    fn set_aside_below(&self, folder: &Path) {
        let (mut folders, mut seen) = (vec![folder.to_owned()], 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                seen += 1;
                if seen > MAX_ENTRIES {
                    return;
                }
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "lock") {
                    self.set_aside(&path);
                }
            }
        }
    }

    /// Moves a lock away whose git has died. Its content is kept, and goes with the next one of its name.
    fn set_aside(&self, lock: &Path) {
        let Ok(modified) = lock.metadata().and_then(|data| data.modified()) else { return };
        let now = SystemTime::now();
        // A clock that was set back makes no lock live for ever.
        let age = now.duration_since(modified).or_else(|_| modified.duration_since(now)).unwrap_or_default();
        if age >= DEAD
            && let Some(name) = lock.file_name()
        {
            let mut kept = std::ffi::OsString::from("dead-");
            kept.push(name);
            drop(std::fs::rename(lock, self.own.join(kept)));
        }
    }

    /// The user's index is locked.
    pub(super) fn is_locked(&self) -> bool {
        self.dir.join("index.lock").exists()
    }

    /// The commit that a name stands for.
    pub(super) fn commit_of(&self, name: &str) -> Result<Option<String>, WorkspaceError> {
        self.git.ask(["rev-parse", "--quiet", "--verify", &format!("{name}^{{commit}}")])
    }

    /// The tree of a commit; of none, the empty tree.
    pub(super) fn tree_of(&self, commit: Option<&str>) -> Result<String, WorkspaceError> {
        let said = match commit {
            Some(commit) => self.git.must(Call::new(["rev-parse", "--verify", &format!("{commit}^{{tree}}")]))?,
            None => self.git.must(Call::new(["hash-object", "-t", "tree", "-w", "--stdin"]).input(Vec::new()))?,
        };
        said.line().ok_or_else(|| failed(&said))
    }

    /// `older` is `newer`, or one of those before it.
    pub(super) fn is_ancestor(&self, older: &str, newer: &str) -> Result<bool, WorkspaceError> {
        let said = self.git.run(Call::new(["merge-base", "--is-ancestor", older, newer]))?;
        match said.code {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(failed(&said)),
        }
    }

    /// The branch that HEAD stands on, with `refs/heads/`; none where it is detached.
    pub(super) fn head_branch(&self) -> Result<Option<String>, WorkspaceError> {
        self.git.ask(["symbolic-ref", "--quiet", "HEAD"])
    }

    /// The operation that somebody has begun and not ended.
    pub(super) fn unfinished(&self) -> Option<&'static str> {
        UNFINISHED.iter().find(|(file, ..)| self.dir.join(file).exists()).map(|(_, name, _)| *name)
    }

    /// Commits of unfinished operations.
    pub(super) fn unfinished_heads(&self) -> Result<Vec<String>, WorkspaceError> {
        let mut heads = Vec::new();
        for name in HEADS {
            let text = crate::openclaw::files::read_bounded(&self.dir.join(name), 4096).unwrap_or_default();
            for line in
                String::from_utf8_lossy(&text).lines().filter(|line| line.bytes().all(|b| b.is_ascii_hexdigit()))
            {
                if heads.len() < MAX_HEADS
                    && let Some(commit) = self.commit_of(line)?
                {
                    heads.push(commit);
                }
            }
        }
        Ok(heads)
    }

    /// Forgets unfinished operations; no file of the workspace changes. One that git does not forget stays.
    pub(super) fn forget_unfinished(&self) -> Result<(), WorkspaceError> {
        for (_, _, forget) in UNFINISHED.iter().filter(|(file, ..)| self.dir.join(file).exists()) {
            self.git.run(Call::new(forget))?;
        }
        Ok(())
    }

    /// Moves a ref. With `from` only from there, and none means that it does not exist yet.
    pub(super) fn set_ref(&self, name: &str, to: &str, from: Option<Option<&str>>) -> Result<(), WorkspaceError> {
        let mut arguments = vec!["update-ref", "-m", "clawmend", name, to];
        if let Some(from) = from {
            arguments.push(from.unwrap_or(""));
        }
        self.git.must(Call::new(arguments)).map(drop)
    }

    /// The names of our refs below `folder`, without it, and their commits: the last names first, and a few only.
    pub(super) fn refs_below(&self, folder: &str) -> Result<Vec<(String, String)>, WorkspaceError> {
        let list = ["for-each-ref", "--sort=-refname", "--count=8", "--format=%(refname) %(objectname)", folder];
        let said = self.git.must(Call::new(list))?;
        let text = String::from_utf8_lossy(&said.out).into_owned();
        let pairs = text.lines().filter_map(|line| line.strip_prefix(folder)?.split_once(' '));
        Ok(pairs.map(|(name, commit)| (name.to_owned(), commit.to_owned())).collect())
    }

    /// The tree of what the user has staged; none where that is no tree, such as in a conflict.
    pub(super) fn staged(&self) -> Result<Option<String>, WorkspaceError> {
        let (index, copy) = (self.dir.join("index"), self.fresh_index("staged"));
        match std::fs::copy(&index, &copy) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.tree_of(None).map(Some),
            Err(error) => return Err(cannot("read the index", &error).into()),
        }
        let said = self.git.run(Call::new(["write-tree"]).index(&copy))?;
        drop(std::fs::remove_file(&copy));
        Ok(if said.code == 0 { said.line() } else { None })
    }

    /// A place for an index of ours. Each use has its own, so that a git that outlived its guard disturbs no other.
    pub(super) fn fresh_index(&self, what: &str) -> PathBuf {
        self.own.join(format!("index-{what}-{}", std::process::id()))
    }

    fn new_index(&self) -> PathBuf {
        self.own.join("index-new")
    }

    /// Makes `index` the user's. False where somebody has locked theirs.
    pub(super) fn adopt_index(&self, index: &Path) -> Result<bool, WorkspaceError> {
        let (new, lock) = (self.new_index(), self.dir.join("index.lock"));
        let adopt = || {
            // It may be another name of the index that is in place.
            if new.exists() {
                std::fs::remove_file(&new)?;
            }
            std::fs::copy(index, &new)?;
            File::open(&new)?.sync_all()?;
            // The lock is there with its whole content, or not at all.
            std::fs::hard_link(&new, &lock)?;
            std::fs::rename(&lock, self.dir.join("index"))?;
            std::fs::remove_file(&new)
        };
        match adopt() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(cannot("replace the index", &error).into()),
        }
    }
}

fn only_one(path: &Path) -> Result<File, WorkspaceError> {
    let open = File::options().create(true).truncate(false).write(true).open(path);
    let file = open.map_err(|error| cannot("write into .git", &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Retry::Busy { detail: "another Clawmend works on it".to_owned() }.into()),
        Err(TryLockError::Error(error)) => Err(cannot("lock .git", &error).into()),
    }
}

/// What the file system refused.
pub(super) fn cannot(what: &str, error: &io::Error) -> Person {
    let detail = format!("cannot {what}: {}", error.kind());
    if error.kind() == io::ErrorKind::StorageFull { Person::NoSpace { detail } } else { Person::Git { detail } }
}
