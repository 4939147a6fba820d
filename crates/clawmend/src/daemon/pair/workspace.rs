//! The assistant's workspace, as a pair carries it: pushed by the primary, brought by a standby that takes over, given
//! back on a branch by one that steps back.
//!
//! Invariants: git runs beside the loop, one call at a time, and a change of role waits for it only within its bound; what
//! runs while this node stands by ([`Meanwhile`]) is ended by a change.

use super::super::own_uid;
use super::super::ward::multiple_after;
use super::Pair;
use crate::api::types::{NOT_FETCHED, NOT_GIVEN_BACK, NOT_PUSHED};
use crate::failover::workspace::{
    Branch, GaveBack, Limits, Node, Stays, Stop, Workspace, WorkspaceError, folders, words,
};
use crate::host::alarm::Alarm;
use crate::host::folders::FolderWatch;
use crate::host::{clock, machine};
use crate::openclaw;
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::settings::WorkspaceSettings;
use clawmend_core::time::Moment;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// A takeover waits for the workspace so long at most.
const PULL_LIMIT: Duration = Duration::from_secs(15);
/// What nobody waits for: a slow line carries much in it.
const LONG: Duration = Duration::from_secs(1_800);
/// What does not even end when it is killed, such as on a network's folder that is gone, is left behind so long after
/// its time.
pub(super) const STUCK: Duration = Duration::from_secs(5);
/// Nothing was written for so long: it is done.
const QUIET: Duration = Duration::from_secs(2);
/// Somebody who does not stop writing is not waited for any longer, in milliseconds.
const SETTLES_WITHIN_MS: u64 = 30_000;
/// Between two pushes that follow changes, in milliseconds: something may write all the time.
const APART_MS: u64 = 30_000;
/// Between two looks whether the workspace is there.
const MISSING_EVERY: Duration = Duration::from_secs(10);

/// What carries the workspace, on a thread of its own: git blocks, and the disk may be a network's that is gone.
struct Carrier {
    home: Home,
    state: PathBuf,
    secrets: Option<PathBuf>,
    settings: WorkspaceSettings,
    /// A thread that has not come back. None is sent after it.
    away: Arc<AtomicBool>,
}

impl Pair {
    fn carrier(&self, settings: &WorkspaceSettings) -> Carrier {
        Carrier {
            home: self.home.clone(),
            state: self.state.clone(),
            secrets: self.settings.secrets.as_ref().map(|secrets| secrets.into.clone()),
            settings: settings.clone(),
            away: Arc::clone(&self.away),
        }
    }

    /// The guard ends: nothing that git does is waited for.
    pub fn leave(&self) {
        self.leaving.now();
        self.meanwhile.stop.borrow().now();
    }
}

impl Carrier {
    /// The assistant's folder, with nothing in it that must stay on this host.
    fn folder(&self) -> Result<PathBuf, String> {
        let environ = Environ::of(&self.home, own_uid());
        let env = |name: &str| environ.get(name);
        let folder = openclaw::workspace::folder(&self.home, &env)?;
        Stays { home: &self.home, state: &self.state, secrets: self.secrets.as_deref() }.apart_from(&folder)?;
        Ok(folder)
    }

    fn workspace(&self, time: Duration, stop: Stop) -> Result<Workspace, String> {
        let branch = match &self.settings.branch {
            Some(branch) => branch.clone(),
            None => Branch::parse("main").map_err(|error| error.to_string())?,
        };
        let (folder, remote, node) = (self.folder()?, self.settings.remote.clone(), node(&machine::name())?);
        Ok(Workspace { folder, remote, branch, node, limits: Limits { time, ..Limits::default() }, stop })
    }

    /// Does this with the workspace, within the time.
    async fn carry<T: Send + 'static>(
        self,
        time: Duration,
        stop: Stop,
        call: impl FnOnce(&Workspace) -> Result<T, WorkspaceError> + Send + 'static,
    ) -> Result<T, String> {
        let carries = move |this: &Self| call(&this.workspace(time, stop)?).map_err(|error| error.to_string());
        self.beside(time + STUCK, carries).await
    }

    async fn beside<T: Send + 'static>(
        self,
        patience: Duration,
        call: impl FnOnce(&Self) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        if self.away.swap(true, Ordering::SeqCst) {
            return Err("what was begun on the workspace's disk before has not come back".to_owned());
        }
        let back = Back(Arc::clone(&self.away));
        let work = tokio::task::spawn_blocking(move || {
            let _back = back;
            call(&self)
        });
        match tokio::time::timeout(patience, work).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => Err(format!("a fault of the guard itself ended it: {error}")),
            Err(_) => Err(format!("the workspace's disk has not answered for {} s", patience.as_secs())),
        }
    }
}

/// The thread is back.
struct Back(Arc<AtomicBool>);

impl Drop for Back {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
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
    /// Runs it; `None` while something else is under way, and where a change of role has ended it.
    async fn run<T: Send + 'static>(
        &self,
        carrier: Carrier,
        call: impl FnOnce(&Workspace) -> Result<T, WorkspaceError> + Send + 'static,
    ) -> Option<Result<T, String>> {
        let _alone = self.alone.try_lock().ok()?;
        let stop = Stop::default();
        self.stop.replace(stop.clone());
        let done = carrier.carry(LONG, stop.clone(), call).await;
        (done.is_ok() || !stop.is_set()).then_some(done)
    }

    /// Ends what is under way: a change of role has come.
    pub async fn end(&self) {
        self.stop.borrow().now();
        let _ = tokio::time::timeout(STUCK, self.alone.lock()).await;
    }
}

/// Brings the primary's files here, as far as they can be had.
pub async fn bring(pair: &Pair, settings: &WorkspaceSettings) -> Result<String, String> {
    let pulled = pair.carrier(settings).carry(PULL_LIMIT, pair.leaving.clone(), Workspace::pull).await?;
    Ok(words::pulled(&pulled))
}

/// Has what the primary pushed here before it is needed, as far as it can be had. Nothing of the folder is touched.
pub fn fetch_regularly(pair: Rc<Pair>, settings: WorkspaceSettings) {
    tokio::task::spawn_local(async move {
        let mut again = Again(APART_MS);
        loop {
            let mut failed = false;
            // What was written here comes first.
            let free = pair.only_watches() && !pair.kept.borrow().owed;
            if free && let Some(fetched) = pair.meanwhile.run(pair.carrier(&settings), Workspace::fetch).await {
                failed = fetched.is_err();
                note_fetched(&pair, fetched);
            }
            tokio::time::sleep(Duration::from_millis(again.after(failed, settings.push_every_ms))).await;
        }
    });
}

/// Whoever looks sees that it fails before it is needed.
fn note_fetched(pair: &Pair, fetched: Result<(), String>) {
    let mut report = pair.report.borrow_mut();
    match fetched {
        Ok(()) if report.workspace_fails().is_some() => {
            report.workspace = Some("what the primary pushed is here".to_owned())
        }
        Ok(()) => {}
        Err(why) => {
            let said = format!("{NOT_FETCHED}{why}");
            if report.workspace.as_ref() != Some(&said) {
                tracing::warn!(why, "what the primary pushed was not fetched");
            }
            report.workspace = Some(said);
        }
    }
}

/// Gives what was written here to a branch.
pub async fn give_back(pair: &Pair, settings: &WorkspaceSettings) -> Result<String, String> {
    let time = Limits::default().time;
    gave(pair.carrier(settings).carry(time, pair.leaving.clone(), Workspace::give_back).await)
}

/// The same later, by a node that stands by and could not at its step back.
pub async fn give_again(pair: &Pair) {
    let Some(settings) = pair.settings.workspace.as_ref().filter(|_| pair.only_watches()) else { return };
    match pair.meanwhile.run(pair.carrier(settings), Workspace::give_back).await.map(gave) {
        Some(Ok(said)) => {
            pair.note_owed(false);
            pair.say(&format!("workspace: {said}"));
            pair.report.borrow_mut().workspace = Some(said);
        }
        Some(Err(why)) => {
            tracing::warn!(why, "what was written here still cannot be given back");
            pair.report.borrow_mut().workspace = Some(format!("{NOT_GIVEN_BACK}{why}"));
        }
        None => {}
    }
}

fn gave(gave: Result<GaveBack, String>) -> Result<String, String> {
    let gave = gave?;
    let said = words::gave(&gave);
    match gave.failed {
        None => Ok(said),
        Some(error) => Err(format!("{said}; what an earlier takeover wrote could not be given back: {error}")),
    }
}

/// When a push or a fetch that failed is tried again: soon, for this host may be lost any time, and each time twice as late.
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
            let watch = watch(&pair, &settings).await;
            let began = clock::now().mono;
            let pushed = pair.carrier(&settings).carry(time, pair.leaving.clone(), Workspace::push).await;
            let said = pushed.map(|pushed| words::pushed(&pushed));
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
            let is_there = || {
                let root = root.clone();
                tokio::task::spawn_blocking(move || root.is_dir())
            };
            while !is_there().await.unwrap_or_default() {
                tokio::time::sleep(MISSING_EVERY).await;
            }
        }
        Watch::Untold => std::future::pending().await,
    }
}

/// Elsewhere than on Linux nothing tells.
async fn watch(pair: &Pair, settings: &WorkspaceSettings) -> Watch {
    let look = |carrier: &Carrier| {
        let root = carrier.folder()?;
        Ok(if root.is_dir() { Ok(folders(&root)) } else { Err(root) })
    };
    let folders = match pair.carrier(settings).beside(PULL_LIMIT, look).await {
        Ok(Ok(folders)) => folders,
        Ok(Err(root)) => return Watch::Missing(root),
        // The push says why.
        Err(_) => return Watch::Untold,
    };
    FolderWatch::new(&folders)
        .inspect_err(|error| tracing::debug!(%error, "the workspace is not watched"))
        .map_or(Watch::Untold, Watch::Told)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
