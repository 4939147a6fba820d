//! The standby's side, when it steps back: what it wrote goes to a branch of its own, for a person or the primary to
//! merge.
//!
//! Invariant: the main branch of the remote is never written here.

use super::error::WorkspaceError;
use super::judge::LeftOut;
use super::names::OURS;
use super::remote::{Sent, send};
use super::repo::{BEGUN, DeadLocks, LAST, Repo};
use super::snapshot::{For, base, commit, take};
use super::{Workspace, follow, stamp};

/// What giving back came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveBack {
    /// The branch of the remote that has it; none where nothing was written.
    pub branch: Option<String>,
    /// Files that stayed here, at most 50 of them.
    pub left_out: Vec<LeftOut>,
    /// How many more stayed.
    pub left_out_more: usize,
}

impl Workspace {
    /// Commits what was written here since the last [`Workspace::pull`], and pushes it to `clawmend/NODE`, or, where that
    /// has other commits by now, to `clawmend/NODE-TIME`.
    ///
    /// # Errors
    /// By consequence. The commit is kept here, and goes with the next call.
    pub fn give_back(&self) -> Result<GaveBack, WorkspaceError> {
        let repo = Repo::open(&self.folder, &self.branch, self.limits.time, false, DeadLocks::ButIndex)?;
        let base = base(&repo)?;
        let snapshot = take(&repo, base.as_deref(), For::Remote, self.limits.file)?;
        let parents = [repo.commit_of(LAST)?, repo.commit_of("HEAD")?].into_iter().flatten().collect();
        let tip = commit(&repo, &snapshot.tree, parents, &self.message("Workspace"))?;
        let mut gave = GaveBack { branch: None, left_out: snapshot.left_out.clone(), left_out_more: snapshot.more };
        let Some(tip) = tip.filter(|tip| !matches!(repo.commit_of(BEGUN), Ok(Some(begun)) if begun == *tip)) else {
            return Ok(gave);
        };
        repo.set_ref(LAST, &tip, None)?;
        follow(&repo, &snapshot.index, &tip)?;
        let mut branch = format!("{OURS}{}", self.node.as_str());
        if send(&repo, &self.remote, &tip, &branch)? == Sent::Diverged {
            branch = format!("{branch}-{}", stamp());
            send(&repo, &self.remote, &tip, &branch)?;
        }
        gave.branch = Some(branch);
        Ok(gave)
    }
}
