//! The standby's side, when it steps back: what it wrote goes to a branch of its own, for a person or the primary to
//! merge.
//!
//! Invariant: the main branch of the remote is never written here.

use super::error::{Retry, WorkspaceError};
use super::git::Call;
use super::history::{Ground, KeptBack};
use super::judge::LeftOut;
use super::names::OURS;
use super::remote::{Sent, send};
use super::repo::{BEGUN, Create, DeadLocks, GIVEN, LAST, OWED, Repo};
use super::snapshot::{For, commit, take};
use super::{Workspace, follow, stamp};

/// What giving back came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveBack {
    /// The branch of the remote that has it; none where nothing was written.
    pub branch: Option<String>,
    /// Branches with what an earlier takeover could not give back.
    pub earlier: Vec<String>,
    /// Why some of that still could not be given back.
    pub failed: Option<WorkspaceError>,
    /// Files that stayed here, at most 50 of them.
    pub left_out: Vec<LeftOut>,
    /// How many more stayed.
    pub left_out_more: usize,
    /// Commits of the user's or the assistant's that stayed here, though their files went.
    pub kept_back: Option<KeptBack>,
}

impl Workspace {
    /// Commits what was written here since the last [`Workspace::pull`], and pushes it to `clawmend/NODE`, or, where that
    /// has other commits by now, to `clawmend/NODE-TIME`. What an earlier one could not push goes after it.
    ///
    /// # Errors
    /// By consequence. The commit is kept here, and goes with the next call. What became of an earlier one is in
    /// [`GaveBack::failed`].
    pub fn give_back(&self) -> Result<GaveBack, WorkspaceError> {
        let repo = self.open(Create::Nothing, DeadLocks::ButIndex)?;
        let Ground { index, parents, kept_back } = self.ground(&repo)?;
        let snapshot = take(&repo, index, For::Remote, self.limits.file)?;
        let tip = commit(&repo, &snapshot.tree, parents, &self.message("Workspace"))?;
        let (left_out, left_out_more) = (snapshot.left_out.clone(), snapshot.more);
        let mut gave = GaveBack { branch: None, earlier: Vec::new(), failed: None, left_out, left_out_more, kept_back };
        if let Some(tip) = tip.filter(|tip| !matches!(repo.commit_of(BEGUN), Ok(Some(begun)) if begun == *tip)) {
            repo.set_ref(LAST, &tip, None)?;
            follow(&repo, &snapshot.index, &tip)?;
            let name = format!("{OURS}{}", self.node.as_str());
            gave.branch = Some(self.give(&repo, &tip, &name, &stamp())?);
            repo.set_ref(GIVEN, &tip, None)?;
        }
        self.give_owed(&repo, &mut gave)?;
        Ok(gave)
    }

    /// To this branch, or, where somebody works on that, to one with another end.
    fn give(&self, repo: &Repo, commit: &str, name: &str, other: &str) -> Result<String, WorkspaceError> {
        for branch in [name.to_owned(), format!("{name}-{other}")] {
            if send(repo, &self.remote, commit, &branch)? != Sent::Diverged {
                return Ok(branch);
            }
        }
        Err(Retry::Busy { detail: "others push to the same branch".to_owned() }.into())
    }

    /// What an earlier takeover could not give back. One that the remote does not take keeps no other one from it.
    fn give_owed(&self, repo: &Repo, gave: &mut GaveBack) -> Result<(), WorkspaceError> {
        for (when, commit) in repo.refs_below(OWED)? {
            let name = format!("{OURS}{}-{when}", self.node.as_str());
            match self.give(repo, &commit, &name, commit.get(..8).unwrap_or(&commit)) {
                Ok(branch) => {
                    repo.git.must(Call::new(["update-ref", "-d", &format!("{OWED}{when}")]))?;
                    gave.earlier.push(branch);
                }
                Err(error) => gave.failed = Some(error),
            }
        }
        Ok(())
    }
}
