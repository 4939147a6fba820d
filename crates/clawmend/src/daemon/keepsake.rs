//! The guard's memory of configs: keeps every version, proves those that a gateway was well on, brings one back.
//!
//! Invariant: nothing here waits in the loop; files are read and written beside it, and what comes of a restore goes
//! back as the result of its directive. A generation is only proven by a life that began after its files had their
//! content. Start at [`Keepsake::seen`].

mod learning;
#[cfg(all(test, unix))]
mod tests;
mod trial;

use self::learning::Learning;
use super::news::{News, Sender};
use crate::generations::{ApplyError, ComposeError, How, Plan, WriteError};
use crate::generations::{Bench, Kept, Pending, Proof, RestoreError, Room, RoomError, Snapshot, Who, short, value_of};
use crate::host::clock;
use crate::openclaw::config::check::{Around, check};
use crate::openclaw::config::{self, schema};
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::install;
use crate::openclaw::redact::redact;
use clawmend_core::directive::ActionResult;
use clawmend_core::gateway::Incarnation;
use clawmend_core::generation::{Keeping, KeyPath, Tree, differences};
use clawmend_core::health::Verdict;
use clawmend_core::observation::{Appeared, ConfigDoubt, ConfigSeen, ConfigValidity, Evidence, RpcSeen};
use clawmend_core::time::{Moment, Now, Wall};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Between two looks at a config on trial.
const TRIAL_EVERY_MS: u64 = 1_000;
/// Longest message of a finding.
const MAX_MESSAGE: usize = 300;
/// A life that is seen this young began with what is on disk.
const YOUNG_MS: u64 = 5_000;

/// What is on disk now, as far as it was kept.
#[derive(Debug, Default)]
struct Present {
    seen: Option<ConfigSeen>,
    id: Option<String>,
}

/// What works beside the loop.
#[derive(Debug)]
struct Bookkeeper {
    home: Home,
    state: PathBuf,
    uid: u32,
    /// Where the installed version is looked for.
    path: Option<OsString>,
    present: Mutex<Present>,
    /// The version whose schema is at hand.
    learned: Mutex<Option<String>>,
    /// One piece of work at a time.
    busy: Mutex<()>,
}

#[derive(Debug)]
struct Living {
    incarnation: Incarnation,
    began: Wall,
    /// The generation on disk when it began, where that is known.
    with: Option<String>,
}

/// Keeps the configs of one gateway.
#[derive(Debug)]
pub struct Keepsake {
    work: Arc<Bookkeeper>,
    keeping: Keeping,
    life: Option<Living>,
    well_since: Option<Moment>,
    proven: Option<String>,
    trial_at: Moment,
    news: Sender,
    /// The version that runs, by its own word.
    running: Option<String>,
    learning: Learning,
}

impl Keepsake {
    /// For this home. `state` is our own state folder; what a closer look at a config finds goes to `news`.
    #[must_use]
    pub fn new(home: Home, state: PathBuf, uid: u32, news: Sender) -> Self {
        Self::of(
            Bookkeeper {
                home,
                state,
                uid,
                path: std::env::var_os("PATH"),
                present: Mutex::default(),
                learned: Mutex::default(),
                busy: Mutex::default(),
            },
            news,
        )
    }

    fn of(work: Bookkeeper, news: Sender) -> Self {
        Self {
            work: Arc::new(work),
            keeping: Keeping::default(),
            life: None,
            well_since: None,
            proven: None,
            trial_at: Moment::default(),
            news,
            running: None,
            learning: Learning::default(),
        }
    }

    /// Evidence that concerns a config.
    pub fn seen(&mut self, now: Now, evidence: &Evidence) {
        if let Evidence::Config(seen) = evidence {
            self.config(now, seen);
        } else if let Evidence::Appeared(appeared) = evidence {
            self.appeared(now, appeared);
        } else if let Evidence::Gone(_) = evidence {
            self.life = None;
        } else if let Evidence::Rpc(RpcSeen::Connected { version, .. }) = evidence {
            self.running = Some(version.clone());
        }
    }

    fn config(&mut self, now: Now, seen: &ConfigSeen) {
        self.well_since = None;
        *self.work.present() = Present { seen: Some(seen.clone()), id: None };
        if seen.fingerprint == 0 {
            return;
        }
        let (work, seen, news) = (Arc::clone(&self.work), seen.clone(), self.news.clone());
        let running = self.running.clone();
        tokio::task::spawn_blocking(move || {
            work.keep(&seen, now.wall);
            if let Some(doubt) = running.and_then(|running| work.look_closer(&seen, &running)) {
                let _ = news.blocking_send(News::Evidence(Evidence::ConfigDoubt(doubt)));
            }
        });
    }

    fn appeared(&mut self, now: Now, appeared: &Appeared) {
        let young = appeared.age_ms < YOUNG_MS;
        let age = i64::try_from(appeared.age_ms).unwrap_or(i64::MAX);
        self.life = Some(Living {
            incarnation: appeared.incarnation.clone(),
            began: Wall(now.wall.0.saturating_sub(age)),
            with: self.work.present().id.clone().filter(|_| young),
        });
        self.well_since = None;
        self.proven = None;
    }

    /// Whatever time has made due.
    pub fn turn(&mut self, now: Now, verdict: Verdict, proven_after_ms: u64) {
        if now.mono >= self.trial_at {
            self.trial_at = now.mono.plus(TRIAL_EVERY_MS);
            if let Some(pending) = Pending::read(&self.work.state, &self.work.home.id)
                && now.wall >= pending.until
            {
                self.trial_at = now.mono.plus(10 * TRIAL_EVERY_MS);
                let work = Arc::clone(&self.work);
                tokio::task::spawn_blocking(move || work.roll_back(&pending, now.wall));
            }
        }
        if verdict != Verdict::Healthy {
            self.well_since = None;
            return;
        }
        let since = *self.well_since.get_or_insert(now.mono);
        let well_ms = now.mono.since(since);
        self.learn(now, well_ms);
        let (Some(life), true) = (&self.life, well_ms >= proven_after_ms) else { return };
        let Some(id) = self.work.present().id.clone() else { return };
        if self.proven.as_ref() == Some(&id) {
            return;
        }
        self.proven = Some(id.clone());
        let (work, keeping) = (Arc::clone(&self.work), self.keeping);
        let (began, with) = (life.began, life.with.clone());
        let proof = Proof { at: now.wall, by: life.incarnation.clone(), well_ms };
        tokio::task::spawn_blocking(move || work.prove(&id, proof, began, with.as_deref(), &keeping));
    }

    /// Gets the schema beside the loop, and says what it finds about the config that is there by then: it may have been
    /// written while there was no schema to see it with.
    fn learn(&mut self, now: Now, well_ms: u64) {
        let Some(running) = self.running.clone() else { return };
        if !self.learning.due(now.mono, &running, well_ms, self.work.learned().as_deref()) {
            return;
        }
        let (work, news) = (Arc::clone(&self.work), self.news.clone());
        tokio::task::spawn_blocking(move || {
            work.learn_schema();
            let seen = work.present().seen.clone();
            if let Some(doubt) = seen.and_then(|seen| work.look_closer(&seen, &running)) {
                let _ = news.blocking_send(News::Evidence(Evidence::ConfigDoubt(doubt)));
            }
        });
    }

    /// Brings back the newest proven config in place of the refused one. Resolves when it is done.
    pub fn restore(&self, rejected: u64) -> impl Future<Output = ActionResult> + use<> {
        let work = Arc::clone(&self.work);
        async move {
            let done = tokio::task::spawn_blocking(move || work.restore(rejected)).await;
            done.unwrap_or_else(|error| ActionResult::NeedsPerson { reason: format!("the restore failed: {error}") })
        }
    }
}

impl Bookkeeper {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learned(&self) -> MutexGuard<'_, Option<String>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn version(&self) -> Option<(install::Tools, String)> {
        let tools = install::find(self.path.as_deref(), &super::setup::cache_dir()?)?;
        let version = schema::installed_version(&tools.openclaw)?;
        Some((tools, version))
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let environ = Environ::of(&self.home, self.uid);
        Snapshot::take(&self.home, |name| environ.get(name))
    }

    /// What a gateway would refuse about a config in which the first look saw nothing wrong: keys, types, and all else
    /// that the check knows.
    fn look_closer(&self, seen: &ConfigSeen, running: &str) -> Option<ConfigDoubt> {
        if seen.validity != ConfigValidity::Valid {
            return None;
        }
        // The schema of another version than the one that runs would be a guess.
        let (_, version) = self.version().filter(|(_, version)| version == running)?;
        let environ = Environ::of(&self.home, self.uid);
        let env = |name: &str| environ.get(name);
        let schema = schema::cached(&self.state, &version)?;
        let around = Around { env: &env, env_known: false, schema: Some(&schema), version: Some(&version) };
        let checked = check(&self.home, &around);
        let worst = checked.worst()?;
        let place =
            if worst.line > 0 { format!("line {}, column {}: ", worst.line, worst.column) } else { String::new() };
        let detail = redact(&format!("{place}{}", worst.message), MAX_MESSAGE);
        // It may have changed while it was looked at.
        let same = config::read(&self.home, env).seen.fingerprint == seen.fingerprint;
        same.then_some(ConfigDoubt { fingerprint: seen.fingerprint, detail })
    }

    fn keep(&self, seen: &ConfigSeen, now: Wall) {
        let _alone = self.alone();
        let Some(snapshot) = self.snapshot() else { return };
        let version = self.version().map(|(_, version)| version);
        let kept = Room::open(&self.state, &self.home.id).and_then(|room| {
            room.keep(&snapshot, now, |record| {
                record.readable = seen.validity == ConfigValidity::Valid;
                record.openclaw = version.or(record.openclaw.take());
            })
        });
        match kept {
            Ok(kept) => {
                if let Kept::New(id) = &kept {
                    tracing::info!(gateway = %self.home.id.0, generation = short(id), "a new version of the config was kept");
                }
                let mut present = self.present();
                if present.seen.as_ref().is_some_and(|present| present.fingerprint == seen.fingerprint) {
                    present.id = Some(kept.id().to_owned()).filter(|_| !matches!(kept, Kept::Forgotten(_)));
                }
            }
            Err(error) => {
                tracing::warn!(gateway = %self.home.id.0, %error, "a version of the config could not be kept")
            }
        }
    }

    /// Only when the life began with it: its files are older than the life, or it differs from what was there then in
    /// nothing but OpenClaw's own notes.
    fn prove(&self, id: &str, proof: Proof, began: Wall, with: Option<&str>, keeping: &Keeping) {
        let _alone = self.alone();
        let proven = Room::open(&self.state, &self.home.id).and_then(|room| {
            let now = proof.at;
            let Some(snapshot) = self.snapshot().filter(|snapshot| snapshot.id().is_ok_and(|now| now == id)) else {
                return Ok(false);
            };
            let older = snapshot.files.iter().all(|file| changed_at(&file.path).is_some_and(|at| at <= began));
            if !older && with != Some(id) && !with.is_some_and(|with| same_but_meta(&room, with, &snapshot)) {
                return Ok(false);
            }
            room.prove(id, proof)?;
            room.thin_out(now, keeping, &[id])?;
            Ok::<bool, RoomError>(true)
        });
        match proven {
            Ok(true) => tracing::info!(gateway = %self.home.id.0, generation = short(id), "this config is proven now"),
            Ok(false) => {
                tracing::debug!(gateway = %self.home.id.0, "the config changed during this life, which proves nothing")
            }
            Err(error) => tracing::warn!(gateway = %self.home.id.0, %error, "a config could not be marked as proven"),
        }
        self.learn_schema();
    }

    /// Once per version, while the gateway is well, so that it is at hand when it is not.
    fn learn_schema(&self) {
        let Some((tools, version)) = self.version() else { return };
        let learned = schema::learn(&tools, &version, &self.state);
        match learned {
            Ok(()) => *self.learned() = Some(version),
            Err(error) => {
                tracing::debug!(%error, version, "the schema of this version is not to be had; the built-in table is used");
            }
        }
    }

    fn restore(&self, rejected: u64) -> ActionResult {
        let _alone = self.alone();
        let environ = Environ::of(&self.home, self.uid);
        let env = |name: &str| environ.get(name);
        if config::read(&self.home, env).seen.fingerprint != rejected {
            return ActionResult::Retry { reason: "the config has been changed meanwhile".to_owned() };
        }
        let version = self.version().map(|(_, version)| version);
        let schema = version.as_deref().and_then(|version| schema::cached(&self.state, version));
        let around = Around { env: &env, env_known: false, schema: schema.as_ref(), version: version.as_deref() };
        let room = match Room::open(&self.state, &self.home.id) {
            Ok(room) => room,
            Err(error) => return result_of(error.into()),
        };
        let bench = Bench { home: &self.home, room: &room, around: &around };
        let plan = match bench.plan(None, Who::Guard) {
            // The gateway itself has refused it: it sees something that we do not.
            Err(RestoreError::NotBroken) => bench.plan(None, Who::Person),
            other => other,
        };
        let now = clock::now().wall;
        let done = plan.and_then(|plan| {
            let done = bench.carry_out(&plan, Some("rejected"), now)?;
            self.tell(&room, &plan, done.aside.as_deref());
            Ok(())
        });
        done.map_or_else(result_of, |()| ActionResult::Done)
    }

    /// What was done, into the log and onto the record of the refused one.
    fn tell(&self, room: &Room, plan: &Plan, aside: Option<&std::path::Path>) {
        let present = plan.present.as_ref().map_or_else(Tree::empty, config::tree);
        let (found, _) = differences(&present, &plan.composed.tree);
        let keys: Vec<String> = found.iter().take(20).map(|one| one.path.to_string()).collect();
        let (gateway, from, keys) = (&self.home.id.0, short(&plan.from), keys.join(", "));
        let aside = aside.map(|path| path.display().to_string()).unwrap_or_default();
        match &plan.composed.how {
            How::Keys(_) => tracing::warn!(%gateway, from, keys, aside, "single keys of the config were taken back"),
            How::Whole => tracing::warn!(%gateway, from, keys, aside, "the newest proven config was brought back"),
        }
        let fault = plan.fault.clone().unwrap_or_else(|| "the gateway refused to start with it".to_owned());
        if let Some(id) = plan.before.as_ref().and_then(|before| before.id().ok())
            && let Err(error) = room.note(&id, |record| record.refused = Some(fault))
        {
            tracing::debug!(%error, "the refusal could not be noted");
        }
    }
}

/// When the content, owner or rights of a file last changed; nobody can set that back.
#[cfg(unix)]
fn changed_at(path: &std::path::Path) -> Option<Wall> {
    use std::os::unix::fs::MetadataExt;
    let seen = std::fs::metadata(path).ok()?;
    Some(Wall(seen.ctime().saturating_mul(1_000).saturating_add(seen.ctime_nsec() / 1_000_000)))
}

/// When a file last changed.
#[cfg(not(unix))]
fn changed_at(path: &std::path::Path) -> Option<Wall> {
    let at = std::fs::metadata(path).ok()?.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(at.as_millis()).ok().map(Wall)
}

fn same_but_meta(room: &Room, other: &str, snapshot: &Snapshot) -> bool {
    let tree = |snapshot: &Snapshot| {
        let mut tree = config::tree(&value_of(snapshot).ok()?);
        tree.remove(&KeyPath::new(["meta"]));
        Some(tree)
    };
    let other = room.load(other).ok().and_then(|loaded| tree(&loaded.snapshot));
    other.is_some() && other == tree(snapshot)
}

fn result_of(error: RestoreError) -> ActionResult {
    let reason = error.to_string();
    match error {
        RestoreError::NothingProven | RestoreError::NotBroken | RestoreError::Compose(ComposeError::Nothing) => {
            ActionResult::Moot { reason }
        }
        RestoreError::NeedsPerson(_) | RestoreError::Compose(_) | RestoreError::Room(RoomError::Dir(_)) => {
            ActionResult::NeedsPerson { reason: format!("the config is not restored: {reason}") }
        }
        RestoreError::Apply(ApplyError::Write(
            WriteError::NotAFile { .. } | WriteError::ForeignLink { .. } | WriteError::NotPermitted { .. },
        )) => ActionResult::NeedsPerson { reason: format!("the config is not restored: {reason}") },
        RestoreError::Room(_) | RestoreError::Apply(_) => ActionResult::Retry { reason },
    }
}
