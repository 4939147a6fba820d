//! The standby's side, when it is promoted: bring the workspace to what the primary pushed last.
//!
//! Invariant: everything that would go is on a branch `clawmend/local-…` of this repository before any file changes:
//! changed and new files, commits that the remote does not have, what is staged, and the heads of a merge under way.

use super::error::{Person, Retry, WorkspaceError};
use super::git::Call;
use super::judge::shown;
use super::names::OURS;
use super::remote::fetch;
use super::repo::{BEGUN, Create, DeadLocks, GIVEN, LAST, OWED, REMOTE, Repo};
use super::snapshot::{For, Snapshot, base, begin, commit, take};
use super::tree::{bring, fits, in_the_way};
use super::{Workspace, stamp};

/// Branches with what was here are named with this and the time.
const LOCAL: &str = "refs/heads/clawmend/local-";

/// What a pull came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// What the workspace is now.
    pub to: PulledTo,
    /// The branch of this repository that keeps what was here before, where that was anything of its own.
    pub kept: Option<String>,
    /// The remote could not be asked, and it is what was fetched last.
    pub not_fetched: Option<Retry>,
}

/// What the workspace is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PulledTo {
    /// The remote has nothing: it is as it was.
    Nothing,
    /// The commit of the remote, which it was before as well.
    Known(String),
    /// The commit of the remote.
    Brought(String),
}

impl Workspace {
    /// Brings the folder to the remote's branch. It is made where there is none.
    ///
    /// # Errors
    /// By consequence. Whatever it is, nothing is lost, and a promotion can go on with the files that are there.
    pub fn pull(&self) -> Result<Pulled, WorkspaceError> {
        let repo = self.open(Create::Folder, DeadLocks::All)?;
        let (theirs, not_fetched) = self.newest(&repo)?;
        let Some(theirs) = theirs else {
            return Ok(Pulled { to: PulledTo::Nothing, kept: None, not_fetched });
        };
        if repo.is_locked() {
            return Err(Retry::Busy { detail: "another git works on it".to_owned() }.into());
        }
        let base = base(&repo, repo.commit_of("HEAD")?.as_deref(), repo.commit_of(LAST)?.as_deref())?;
        let mut snapshot = take(&repo, begin(&repo, base.as_deref())?, For::Here, self.limits.file)?;
        self.take_what_is_in_the_way(&repo, &mut snapshot, &theirs)?;
        let tree = repo.tree_of(Some(&theirs))?;
        let same_files = snapshot.tree == tree;
        let kept = self.keep_local(&repo, &snapshot, base.as_deref(), &theirs)?;
        owe(&repo, &theirs)?;
        if !same_files {
            bring(&repo, &snapshot, &theirs)?;
        }
        self.stand_on(&repo, &snapshot, &theirs)?;
        let to = if same_files { PulledTo::Known(theirs) } else { PulledTo::Brought(theirs) };
        Ok(Pulled { to, kept, not_fetched })
    }

    /// Fetches what the primary has pushed, and touches no file: so that a takeover has little left to fetch, and has
    /// something where the remote is lost as well.
    ///
    /// # Errors
    /// By consequence; what was fetched before is there.
    pub fn fetch(&self) -> Result<(), WorkspaceError> {
        let repo = self.open(Create::Folder, DeadLocks::ButIndex)?;
        fetch(&repo, &self.remote, &self.branch, self.limits.fetch, None).map(drop)
    }

    /// The remote's commit; where the remote does not answer in time, the one that was fetched last, and why.
    fn newest(&self, repo: &Repo) -> Result<(Option<String>, Option<Retry>), WorkspaceError> {
        let known = if repo.fetched_from(&self.remote, &self.branch) { repo.commit_of(REMOTE)? } else { None };
        // Enough is left to bring the files of the one that is known.
        let within = known.is_some().then(|| self.limits.time * 2 / 3);
        match (fetch(repo, &self.remote, &self.branch, self.limits.fetch, within), known) {
            (Ok(theirs), _) => Ok((theirs, None)),
            (Err(WorkspaceError::Retry(why @ (Retry::Unreachable { .. } | Retry::TooSlow(_)))), Some(known)) => {
                fits(repo, &known, self.limits.fetch)?;
                Ok((Some(known), Some(why)))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Ignored files and those left out, where the remote has others of their names. It stays here, so what a filter
    /// would encrypt is kept as well, as it lies on the disk.
    fn take_what_is_in_the_way(
        &self,
        repo: &Repo,
        snapshot: &mut Snapshot,
        theirs: &str,
    ) -> Result<(), WorkspaceError> {
        let paths = in_the_way(repo, snapshot, theirs)?;
        if paths.is_empty() {
            return Ok(());
        }
        let list = paths.iter().flat_map(|path| path.iter().copied().chain([0])).collect();
        snapshot.add(repo, list)?;
        // They are in it with their present bytes from here on.
        for path in &paths {
            snapshot.as_before.remove(path);
        }
        match in_the_way(repo, snapshot, theirs)?.first() {
            None => Ok(()),
            Some(path) => Err(Person::InTheWay { path: shown(path) }.into()),
        }
    }

    /// The branch that keeps what is here, where that is anything of its own.
    fn keep_local(
        &self,
        repo: &Repo,
        snapshot: &Snapshot,
        base: Option<&str>,
        theirs: &str,
    ) -> Result<Option<String>, WorkspaceError> {
        let mut parents = Vec::new();
        for name in ["HEAD", LAST, &self.branch.full()] {
            parents.extend(repo.commit_of(name)?);
        }
        parents.extend(repo.unfinished_heads()?);
        let base_tree = repo.tree_of(base)?;
        parents.extend(self.staged(repo, &base_tree, &snapshot.tree, base)?);
        let mut ours = false;
        for parent in &parents {
            ours |= !repo.is_ancestor(parent, theirs)?;
        }
        if !ours && (snapshot.tree == base_tree || snapshot.tree == repo.tree_of(Some(theirs))?) {
            return Ok(None);
        }
        let message = self.message("Workspace as it was here");
        let Some(local) = commit(repo, &snapshot.tree, parents, &message)? else { return Ok(None) };
        if let Some(known) = self.kept_before(repo, &local)? {
            return Ok(Some(known));
        }
        let mut name = format!("{LOCAL}{}", stamp());
        if repo.commit_of(&name)?.is_some() {
            name = format!("{name}-{}", local.get(..8).unwrap_or(&local));
        }
        repo.set_ref(&name, &local, Some(None))?;
        Ok(name.strip_prefix("refs/heads/").map(str::to_owned))
    }

    /// A commit of what is staged, where that is neither what was there nor what is on the disk.
    fn staged(
        &self,
        repo: &Repo,
        base_tree: &str,
        disk_tree: &str,
        base: Option<&str>,
    ) -> Result<Option<String>, WorkspaceError> {
        let Some(staged) = repo.staged()? else { return Ok(None) };
        let empty = repo.tree_of(None)?;
        let head = repo.tree_of(repo.commit_of("HEAD")?.as_deref())?;
        if [base_tree, disk_tree, &empty, &head].contains(&staged.as_str()) {
            return Ok(None);
        }
        let parents = base.map(str::to_owned).into_iter().collect();
        commit(repo, &staged, parents, &self.message("What was staged in the workspace"))
    }

    /// The branch that has this commit already.
    fn kept_before(&self, repo: &Repo, local: &str) -> Result<Option<String>, WorkspaceError> {
        let list =
            ["for-each-ref", "--count=1", "--format=%(refname)", "--contains", local, &format!("refs/heads/{OURS}")];
        let name = repo.git.must(Call::new(list))?.line();
        Ok(name.and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned)))
    }

    /// Makes the index, the branch and HEAD say what the disk says.
    fn stand_on(&self, repo: &Repo, snapshot: &Snapshot, theirs: &str) -> Result<(), WorkspaceError> {
        repo.forget_unfinished()?;
        if !repo.adopt_index(&snapshot.index)? {
            return Err(Retry::Busy { detail: "another git works on it".to_owned() }.into());
        }
        // Their old commits are on the kept branch, or before `theirs`.
        let branch = self.branch.full();
        repo.set_ref(&branch, theirs, None)?;
        repo.git.must(Call::new(["symbolic-ref", "-m", "clawmend", "HEAD", &branch]))?;
        repo.set_ref(BEGUN, theirs, None)?;
        repo.set_ref(LAST, theirs, None)
    }
}

/// What could not be given back at the last step back is given with the next one.
fn owe(repo: &Repo, theirs: &str) -> Result<(), WorkspaceError> {
    let Some(last) = repo.commit_of(LAST)? else { return Ok(()) };
    for known in [BEGUN, GIVEN] {
        if repo.commit_of(known)?.as_ref() == Some(&last) {
            return Ok(());
        }
    }
    let owed = repo.refs_below(OWED)?.iter().any(|(_, commit)| *commit == last);
    if owed || repo.is_ancestor(&last, theirs)? {
        return Ok(());
    }
    // Two within one second are two all the same.
    repo.set_ref(&format!("{OWED}{}-{}", stamp(), last.get(..8).unwrap_or(&last)), &last, None)
}
