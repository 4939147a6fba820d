//! The primary's side: commit what changed, and push it.
//!
//! Invariants: the main branch of the remote only moves forward; what the remote has and this node has not is merged
//! into both, or, where it does not merge, left alone: then our commits go to a side branch.

use super::error::WorkspaceError;
use super::git::Call;
use super::history::{Ground, KeptBack};
use super::judge::LeftOut;
use super::names::OURS;
use super::remote::{Sent, fetch, send};
use super::repo::{Create, DeadLocks, LAST, Repo};
use super::snapshot::{For, Snapshot, commit, take};
use super::tree::{bring, in_the_way};
use super::{Workspace, follow, stamp};

/// How often a push is tried while others push as well.
const ATTEMPTS: usize = 3;
/// Side branches that are not merged yet.
const SIDES: &str = "refs/clawmend/side/";

/// What a push came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The commit that the workspace is in; none where it is empty.
    pub commit: Option<String>,
    /// Where that is now.
    pub to: PushedTo,
    /// Files that stayed here, at most 50 of them.
    pub left_out: Vec<LeftOut>,
    /// How many more stayed.
    pub left_out_more: usize,
    /// Commits of the user's or the assistant's that stayed here, though their files went.
    pub kept_back: Option<KeptBack>,
    /// An operation that somebody has begun in the workspace and not ended, such as `merge`. Its files were pushed as
    /// they are.
    pub unfinished: Option<&'static str>,
    /// HEAD and the user's index followed; else there was something in them that is the user's own.
    pub followed: bool,
}

/// Where the workspace is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushedTo {
    /// There was nothing to push.
    Nothing,
    /// The remote had all of it.
    Known,
    /// On the main branch.
    Branch,
    /// On the main branch, together with what the remote had, which is in the workspace now.
    Merged,
    /// The main branch has something that does not merge with it: on a branch of its own, for a person to merge.
    Side {
        /// Its name.
        branch: String,
        /// Why.
        why: Apart,
    },
}

/// Why two histories were not merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Apart {
    /// Both changed the same place.
    #[error("both sides changed the same place of a file")]
    Conflict,
    /// A file of the remote would replace one that git does not keep here.
    #[error("a file of the remote would replace one that is ignored or left out here")]
    InTheWay,
    /// Somebody is in the middle of a merge.
    #[error("somebody has begun a merge in the workspace and not ended it")]
    Unfinished,
    /// Others pushed again and again meanwhile.
    #[error("others push to the branch all the time")]
    Contended,
}

impl Workspace {
    /// Commits everything that changed, and pushes it. What the remote has besides is merged into the workspace.
    ///
    /// # Errors
    /// By consequence. Whatever it is, the files are as they were, or merged.
    pub fn push(&self) -> Result<Pushed, WorkspaceError> {
        let repo = self.open(Create::Nothing, DeadLocks::ButIndex)?;
        let Ground { index, parents, kept_back } = self.ground(&repo)?;
        let snapshot = take(&repo, index, For::Remote, self.limits.file)?;
        let tip = commit(&repo, &snapshot.tree, parents, &self.message("Workspace"))?;
        let mut pushed = Pushed {
            commit: tip.clone(),
            to: PushedTo::Nothing,
            left_out: snapshot.left_out.clone(),
            left_out_more: snapshot.more,
            kept_back,
            unfinished: repo.unfinished(),
            followed: false,
        };
        let Some(tip) = tip else { return Ok(pushed) };
        pushed.followed = keep(&repo, &snapshot, &tip)?;
        self.deliver(&repo, snapshot, tip, &mut pushed)?;
        Ok(pushed)
    }

    fn deliver(
        &self,
        repo: &Repo,
        mut snapshot: Snapshot,
        mut tip: String,
        pushed: &mut Pushed,
    ) -> Result<(), WorkspaceError> {
        let mut merged = false;
        for _ in 0..ATTEMPTS {
            match send(repo, &self.remote, &tip, self.branch.as_str())? {
                Sent::Known if !merged => pushed.to = PushedTo::Known,
                Sent::Known | Sent::Taken => pushed.to = if merged { PushedTo::Merged } else { PushedTo::Branch },
                Sent::Diverged => {
                    // The branch may be gone between the two calls: then the next push makes it.
                    let Some(theirs) = fetch(repo, &self.remote, &self.branch, self.limits.fetch, None)? else {
                        continue;
                    };
                    match self.merge(repo, &mut snapshot, &tip, &theirs)? {
                        Ok(both) => {
                            pushed.followed = keep(repo, &snapshot, &both)?;
                            (pushed.commit, tip, merged) = (Some(both.clone()), both, true);
                            continue;
                        }
                        Err(why) => return self.aside(repo, &tip, why, pushed),
                    }
                }
            }
            return forget_sides(repo);
        }
        self.aside(repo, &tip, Apart::Contended, pushed)
    }

    /// Merges `theirs` into the workspace. The commit of both, with the files brought to it.
    fn merge(
        &self,
        repo: &Repo,
        snapshot: &mut Snapshot,
        tip: &str,
        theirs: &str,
    ) -> Result<Result<String, Apart>, WorkspaceError> {
        if repo.unfinished().is_some() {
            return Ok(Err(Apart::Unfinished));
        }
        let tree = if repo.is_ancestor(tip, theirs)? {
            repo.tree_of(Some(theirs))?
        } else {
            // Git 2.38 and later; an older one does not know it, which is no merge either.
            let merge = ["merge-tree", "--write-tree", "--allow-unrelated-histories", tip, theirs];
            let said = repo.git.run(Call::new(merge))?;
            match said.line() {
                Some(tree) if said.code == 0 => tree,
                _ => return Ok(Err(Apart::Conflict)),
            }
        };
        let message = self.message("Workspace and what the remote had");
        let Some(both) = commit(repo, &tree, vec![tip.to_owned(), theirs.to_owned()], &message)? else {
            return Ok(Err(Apart::Conflict));
        };
        if !in_the_way(repo, snapshot, &both)?.is_empty() {
            return Ok(Err(Apart::InTheWay));
        }
        bring(repo, snapshot, &both)?;
        snapshot.tree = tree;
        Ok(Ok(both))
    }

    /// Pushes our commits to a side branch: the one of the last time, as long as it is not merged.
    fn aside(&self, repo: &Repo, tip: &str, why: Apart, pushed: &mut Pushed) -> Result<(), WorkspaceError> {
        let mut name = format!("{OURS}{}-{}", self.node.as_str(), stamp());
        for (side, commit) in repo.refs_below(SIDES)? {
            if repo.is_ancestor(&commit, tip)? {
                name = format!("{OURS}{side}");
                break;
            }
        }
        let side = name.strip_prefix(OURS).unwrap_or(&name);
        if send(repo, &self.remote, tip, &name)? == Sent::Diverged {
            // Somebody works on it: it is theirs now.
            repo.git.must(Call::new(["update-ref", "-d", &format!("{SIDES}{side}")]))?;
            name = format!("{OURS}{}-{}-{}", self.node.as_str(), stamp(), tip.get(..8).unwrap_or(tip));
            send(repo, &self.remote, tip, &name)?;
        }
        let side = name.strip_prefix(OURS).unwrap_or(&name);
        repo.set_ref(&format!("{SIDES}{side}"), tip, None)?;
        pushed.to = PushedTo::Side { branch: name, why };
        Ok(())
    }
}

/// Keeps `tip`, whatever becomes of it. True when HEAD follows.
fn keep(repo: &Repo, snapshot: &Snapshot, tip: &str) -> Result<bool, WorkspaceError> {
    repo.set_ref(LAST, tip, None)?;
    follow(repo, &snapshot.index, tip)
}

/// All is on the main branch now.
fn forget_sides(repo: &Repo) -> Result<(), WorkspaceError> {
    for (side, _) in repo.refs_below(SIDES)? {
        repo.git.must(Call::new(["update-ref", "-d", &format!("{SIDES}{side}")]))?;
    }
    Ok(())
}
