//! The assistant's workspace, as a pair carries it: pushed by the primary, brought by a standby that takes over, given
//! back on a branch by one that steps back.
//!
//! Invariants: git runs beside the loop, one call at a time, and a change of role waits for it only within its bound; what
//! runs while this node stands by ([`Meanwhile`]) is ended by a change.

use super::super::own_uid;
use super::super::ward::multiple_after;
use super::Pair;
use crate::api::types::NOT_PUSHED;
use crate::failover::workspace::{
    Branch, GaveBack, KeptBack, LeftOut, Limits, Node, Pulled, PulledTo, Pushed, PushedTo, Stays, Stop, Why, Workspace,
    WorkspaceError, folders,
};
use crate::host::alarm::Alarm;
use crate::host::folders::FolderWatch;
use crate::host::{clock, machine};
use crate::openclaw;
use crate::openclaw::environ::Environ;
use crate::settings::WorkspaceSettings;
use clawmend_core::time::Moment;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Mutex;

/// A takeover waits for the workspace so long at most.
const PULL_LIMIT: Duration = Duration::from_secs(15);
/// What nobody waits for: a slow line carries much in it.
const LONG: Duration = Duration::from_secs(1_800);
/// Git that does not even end when it is killed, such as on a network's folder that is gone, is left behind so long after
/// its time.
const STUCK: Duration = Duration::from_secs(5);
/// Nothing was written for so long: it is done.
const QUIET: Duration = Duration::from_secs(2);
/// Somebody who does not stop writing is not waited for any longer, in milliseconds.
const SETTLES_WITHIN_MS: u64 = 30_000;
/// Between two pushes that follow changes, in milliseconds: something may write all the time.
const APART_MS: u64 = 30_000;
/// Between two looks whether the workspace is there.
const MISSING_EVERY: Duration = Duration::from_secs(10);
/// Files that are named at most.
const NAMED: usize = 5;

impl Pair {
    /// The assistant's folder, with nothing in it that must stay on this host.
    fn workspace_folder(&self) -> Result<PathBuf, String> {
        let environ = Environ::of(&self.home, own_uid());
        let env = |name: &str| environ.get(name);
        let folder = openclaw::workspace::folder(&self.home, &env)?;
        let secrets = self.settings.secrets.as_ref().map(|secrets| secrets.into.as_path());
        Stays { home: &self.home, state: &self.state, secrets }.apart_from(&folder)?;
        Ok(folder)
    }

    fn workspace(&self, settings: &WorkspaceSettings, time: Duration) -> Result<Workspace, String> {
        let branch = match &settings.branch {
            Some(branch) => branch.clone(),
            None => Branch::parse("main").map_err(|error| error.to_string())?,
        };
        Ok(Workspace {
            folder: self.workspace_folder()?,
            remote: settings.remote.clone(),
            branch,
            node: node(&machine::name())?,
            limits: Limits { time, ..Limits::default() },
            stop: Stop::default(),
        })
    }
}

/// This machine in a branch's letters.
fn node(name: &str) -> Result<Node, String> {
    let lower = name.to_ascii_lowercase();
    let plain: String = lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(32).collect();
    let trimmed = plain.trim_matches('-');
    Node::parse(trimmed).or_else(|_| Node::parse("standby")).map_err(|error| error.to_string())
}

/// Git while this node stands by.
#[derive(Debug, Default)]
pub struct Meanwhile {
    alone: Mutex<()>,
    stop: RefCell<Stop>,
}

impl Meanwhile {
    /// Runs it; `None` while something else is under way.
    async fn run<T: Send + 'static>(
        &self,
        workspace: Workspace,
        call: impl FnOnce(&Workspace) -> Result<T, WorkspaceError> + Send + 'static,
    ) -> Option<Result<T, String>> {
        let _alone = self.alone.try_lock().ok()?;
        let stop = Stop::default();
        self.stop.replace(stop.clone());
        Some(beside(Workspace { stop, ..workspace }, call).await)
    }

    /// Ends what is under way: a change of role has come.
    pub async fn end(&self) {
        self.stop.borrow().now();
        let _ = tokio::time::timeout(STUCK, self.alone.lock()).await;
    }
}

/// Brings the primary's files here, as far as they can be had.
pub async fn bring(pair: &Pair, settings: &WorkspaceSettings) -> Result<String, String> {
    let pulled = beside(pair.workspace(settings, PULL_LIMIT)?, Workspace::pull).await?;
    Ok(pulled_in_words(&pulled))
}

/// Has what the primary pushed here before it is needed, as far as it can be had. Nothing of the folder is touched.
pub fn fetch_regularly(pair: Rc<Pair>, settings: WorkspaceSettings) {
    tokio::task::spawn_local(async move {
        loop {
            if pair.stands_by()
                && let Ok(workspace) = pair.workspace(&settings, LONG)
                && let Some(Err(why)) = pair.meanwhile.run(workspace, Workspace::fetch).await
            {
                tracing::info!(why, "what the primary pushed was not fetched");
            }
            tokio::time::sleep(Duration::from_millis(settings.push_every_ms)).await;
        }
    });
}

/// Gives what was written here to a branch.
pub async fn give_back(pair: &Pair, settings: &WorkspaceSettings) -> Result<String, String> {
    let workspace = pair.workspace(settings, Limits::default().time)?;
    gave(beside(workspace, Workspace::give_back).await)
}

/// The same later, by a node that stands by and could not at its step back.
pub async fn give_again(pair: &Pair) {
    let Some(settings) = pair.settings.workspace.as_ref().filter(|_| pair.stands_by()) else { return };
    let Ok(workspace) = pair.workspace(settings, LONG) else { return };
    match pair.meanwhile.run(workspace, Workspace::give_back).await.map(gave) {
        Some(Ok(said)) => {
            pair.note_owed(false);
            pair.say(&format!("workspace: {said}"));
            pair.report.borrow_mut().workspace = Some(said);
        }
        Some(Err(why)) => tracing::info!(why, "what was written here still cannot be given back"),
        None => {}
    }
}

fn gave(gave: Result<GaveBack, String>) -> Result<String, String> {
    let gave = gave?;
    let said = gave_in_words(&gave);
    match gave.failed {
        None => Ok(said),
        Some(error) => Err(format!("{said}; what an earlier takeover wrote could not be given back: {error}")),
    }
}

/// When a push that failed is tried again: soon, for this host may be lost any time, and each time twice as late.
struct Again(u64);

impl Again {
    /// In milliseconds, and never later than the schedule wants it anyway.
    fn after(&mut self, failed: bool, every_ms: u64) -> u64 {
        if !failed {
            self.0 = APART_MS;
            return every_ms;
        }
        let wait = self.0;
        self.0 = self.0.saturating_mul(2);
        wait.min(every_ms)
    }
}

/// Pushes the primary's files soon after they have changed, and from time to time all the same.
pub fn push_regularly(pair: Rc<Pair>, settings: WorkspaceSettings) {
    tokio::task::spawn_local(async move {
        let mut alarm = Alarm::new();
        let mut again = Again(APART_MS);
        let mut time = Limits::default().time;
        let mut last = String::new();
        loop {
            // Before the push, so that what is written during it is seen.
            let watch = watch(&pair).await;
            let began = clock::now().mono;
            let said = match pair.workspace(&settings, time) {
                Ok(workspace) => beside(workspace, Workspace::push).await.map(|pushed| pushed_in_words(&pushed)),
                Err(why) => Err(why),
            };
            let failed = said.is_err();
            if failed && u128::from(clock::now().mono.since(began)) >= time.as_millis() {
                // Git begins each try anew: with the same time it would fail for ever.
                time = (time * 2).min(LONG);
            }
            let said = said.unwrap_or_else(|why| format!("{NOT_PUSHED}{why}"));
            if said != last {
                pair.say(&format!("workspace: {said}"));
                last.clone_from(&said);
            }
            pair.report.borrow_mut().workspace = Some(said);
            let pushed = clock::now().mono;
            let wait_ms = again.after(failed, settings.push_every_ms);
            let next = if failed { pushed.plus(wait_ms) } else { multiple_after(pushed, wait_ms) };
            tokio::select! {
                () = alarm.reached(next) => {}
                () = settled(&watch, pushed) => {}
            }
        }
    });
}

/// How a change is heard of.
enum Watch {
    /// At once.
    Told(FolderWatch),
    /// It is not there yet; it is looked for.
    Missing(PathBuf),
    /// Not at all: the schedule comes all the same.
    Untold,
}

/// Whoever writes files rarely writes just one: they are pushed when that is over, or has lasted for too long.
async fn settled(watch: &Watch, pushed: Moment) {
    match watch {
        Watch::Told(watch) => {
            watch.changed().await;
            let at_last = clock::now().mono.plus(SETTLES_WITHIN_MS);
            while clock::now().mono < at_last && tokio::time::timeout(QUIET, watch.changed()).await.is_ok() {}
            Alarm::new().reached(pushed.plus(APART_MS)).await;
        }
        Watch::Missing(root) => {
            while !root.is_dir() {
                tokio::time::sleep(MISSING_EVERY).await;
            }
        }
        Watch::Untold => std::future::pending().await,
    }
}

/// Elsewhere than on Linux nothing tells.
async fn watch(pair: &Pair) -> Watch {
    let Ok(root) = pair.workspace_folder() else { return Watch::Untold };
    if !root.is_dir() {
        return Watch::Missing(root);
    }
    let Ok(folders) = tokio::task::spawn_blocking(move || folders(&root)).await else { return Watch::Untold };
    FolderWatch::new(&folders)
        .inspect_err(|error| tracing::debug!(%error, "the workspace is not watched"))
        .map_or(Watch::Untold, Watch::Told)
}

/// Git blocks, so it runs on a thread of its own.
async fn beside<T: Send + 'static>(
    workspace: Workspace,
    call: impl FnOnce(&Workspace) -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, String> {
    let time = workspace.limits.time;
    match tokio::time::timeout(time + STUCK, tokio::task::spawn_blocking(move || call(&workspace))).await {
        Ok(Ok(done)) => done.map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(format!("a fault of the guard itself ended it: {error}")),
        Err(_) => Err(format!("the workspace's disk has not answered for {} s", time.as_secs())),
    }
}

fn pulled_in_words(pulled: &Pulled) -> String {
    let now = match &pulled.to {
        PulledTo::Nothing => "nothing was pushed yet; the files here stay".to_owned(),
        PulledTo::Known(commit) => format!("it is at {} already", short(commit)),
        PulledTo::Brought(commit) => format!("brought to {}", short(commit)),
    };
    let now = match &pulled.not_fetched {
        Some(why) => format!("{now}, which was fetched before: {why}"),
        None => now,
    };
    match &pulled.kept {
        Some(branch) => format!("{now}; what was here is kept on the branch {branch}"),
        None => now,
    }
}

fn gave_in_words(gave: &GaveBack) -> String {
    let now = match &gave.branch {
        Some(branch) => format!("what was written here is on the branch {branch}; merge it on the primary"),
        None => "nothing was written here".to_owned(),
    };
    let now = match gave.earlier.as_slice() {
        [] => now,
        earlier => format!("{now}; what an earlier takeover wrote is on {}", earlier.join(", ")),
    };
    now + &left_out_in_words(&gave.left_out, gave.left_out_more) + &kept_back_in_words(gave.kept_back.as_ref())
}

fn pushed_in_words(pushed: &Pushed) -> String {
    let now = match &pushed.to {
        PushedTo::Nothing => "there is nothing to push yet".to_owned(),
        PushedTo::Known | PushedTo::Branch => "pushed".to_owned(),
        PushedTo::Merged => "merged with what others pushed, and pushed".to_owned(),
        PushedTo::Side { branch, why } => format!("pushed to the branch {branch}, for you to merge: {why}"),
    };
    now + &left_out_in_words(&pushed.left_out, pushed.left_out_more) + &kept_back_in_words(pushed.kept_back.as_ref())
}

fn left_out_in_words(left_out: &[LeftOut], more: usize) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    let named: Vec<String> = left_out.iter().take(NAMED).map(|one| format!("{} ({})", one.path, one.why)).collect();
    let more = left_out.len().saturating_sub(NAMED).saturating_add(more);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("; left out: {}{more}", named.join(", "))
}

fn kept_back_in_words(kept_back: Option<&KeptBack>) -> String {
    let Some(KeptBack { commit, what: LeftOut { path, why } }) = kept_back else { return String::new() };
    let (stay, by_hand) = (short(commit), "commit what is open, then `git pull` and `git push`");
    if *why == Why::TooMuch {
        return format!(
            "; the commits up to {stay} stay here, their files went: they are {why}; to have them there, {by_hand}"
        );
    }
    format!(
        "; the commits up to {stay} stay here, their files went: {path} in one of them ({why}); take it out of all of them \
         (`git rebase --interactive`), or, if it may be there, {by_hand}"
    )
}

fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::workspace::{Apart, Retry};

    #[test]
    fn a_machine_has_a_name_for_branches() {
        for (name, wanted) in
            [("Mac-Mini.local", "mac-mini-local"), ("vps1", "vps1"), ("", "standby"), ("主机", "standby")]
        {
            assert_eq!(node(name).map(|node| node.as_str().to_owned()), Ok(wanted.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_push_that_failed_is_tried_again_soon_and_then_less_often() {
        let mut again = Again(APART_MS);
        let tries: Vec<u64> =
            [true, true, true, true, true, false, true].map(|failed| again.after(failed, 300_000)).into();
        assert_eq!(tries, [30_000, 60_000, 120_000, 240_000, 300_000, 300_000, 30_000]);
        assert_eq!(Again(APART_MS).after(true, 10_000), 10_000, "never later than by the schedule");
    }

    #[test]
    fn what_became_of_it_is_said() {
        let secret = LeftOut { path: ".env".into(), why: Why::Named };
        let pushed = Pushed {
            commit: None,
            to: PushedTo::Side { branch: "clawmend/vps-x".into(), why: Apart::Conflict },
            left_out: vec![secret; 7],
            left_out_more: 2,
            kept_back: None,
            unfinished: None,
            followed: true,
        };
        let named = ".env (named like a secret)";
        let five = [named; 5].join(", ");
        assert_eq!(
            pushed_in_words(&pushed),
            format!(
                "pushed to the branch clawmend/vps-x, for you to merge: both sides changed the same place of a file; left out: {five} and 4 more"
            )
        );
        let kept_back = |path: &str, why| {
            let what = LeftOut { path: path.into(), why };
            let kept_back = Some(KeptBack { commit: "0123456789abcdef".into(), what });
            let (left_out, left_out_more) = (Vec::new(), 0);
            Pushed { to: PushedTo::Known, left_out, left_out_more, kept_back, ..pushed.clone() }
        };
        assert_eq!(
            pushed_in_words(&kept_back("notes.md", Why::HoldsSecret)),
            "pushed; the commits up to 01234567 stay here, their files went: notes.md in one of them (holds a credential); \
             take it out of all of them (`git rebase --interactive`), or, if it may be there, commit what is \
             open, then `git pull` and `git push`"
        );
        assert_eq!(
            pushed_in_words(&kept_back("", Why::TooMuch)),
            "pushed; the commits up to 01234567 stay here, their files went: they are more than can be looked through; to \
             have them there, commit what is open, then `git pull` and `git push`"
        );
        let pulled = |not_fetched| {
            let (to, kept) = (PulledTo::Brought("0123456789abcdef".into()), Some("clawmend/local-x".into()));
            pulled_in_words(&Pulled { to, kept, not_fetched })
        };
        assert_eq!(pulled(None), "brought to 01234567; what was here is kept on the branch clawmend/local-x");
        assert_eq!(
            pulled(Some(Retry::TooSlow(Duration::from_secs(15)))),
            "brought to 01234567, which was fetched before: git on the workspace took longer than 15 s; what was here is kept \
             on the branch clawmend/local-x"
        );
        let gave = GaveBack {
            branch: Some("clawmend/vps".into()),
            earlier: Vec::new(),
            failed: None,
            left_out: Vec::new(),
            left_out_more: 0,
            kept_back: None,
        };
        assert_eq!(
            gave_in_words(&gave),
            "what was written here is on the branch clawmend/vps; merge it on the primary"
        );
    }
}
