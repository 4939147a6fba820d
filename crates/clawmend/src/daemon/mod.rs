//! The loop that wires core to adapters, and nothing else.
//!
//! One thread, one ward per gateway. Start at [`run`]: [`setup`] says what is guarded, [`ward`] is the loop of one
//! gateway, [`body`] does, [`senses`] and [`around`] look, [`desk`] answers people.

mod alerts;
mod approvals;
mod around;
mod body;
mod chat;
mod claims;
mod desk;
mod front;
mod heartbeat;
mod housekeeping;
mod keepsake;
mod kept;
mod left;
mod log;
mod logs;
mod news;
mod options;
mod pair;
mod physician;
mod premises;
mod printed;
mod program;
mod pulse;
mod sandbox;
mod senses;
pub(crate) mod setup;
mod shared;
mod voice;
mod ward;

pub(crate) use ward::own_uid;

pub use options::{DaemonError, Options};

use crate::api::server::{Call, Server};
use crate::cli::Account;
use crate::host::alarm::Alarm;
use crate::host::clock;
use crate::host::files::private_dir;
use crate::notify::outbox::Condition;
use crate::openclaw::files::identity;
use crate::settings::{self, Settings};
use crate::store::{Filter, Store};
use body::{Body, Child};
use clawmend_core::gateway::{Control, GatewayId};
use clawmend_core::guardian::{Guardian, Profile};
use clawmend_core::observation::Evidence;
use clawmend_core::wish::Wish;
use kept::Kept;
use pair::Pair;
use premises::{Places, cannot_listen, hold, home_lock, pair_of, places, read_settings, shared_of};
use pulse::{Saying, ServiceWatchdog, say};
use setup::{Charge, Holding};
use shared::Shared;
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use voice::Voice;
use ward::Ward;

/// Questions that wait at most.
const CALLS: usize = 32;
/// So long what is under way beside the loops may take when the guard ends.
const ENDING: Duration = Duration::from_secs(3);
/// Between two looks at our own settings, at a wake-up of the wards.
const SETTINGS_EVERY_MS: u64 = 5_000;

/// Guards until it is told to end.
///
/// # Errors
/// Why it could not begin or go on.
pub fn run(options: Options) -> Result<ExitCode, DaemonError> {
    #[cfg(target_os = "linux")]
    if std::process::id() == 1 && options.command.is_some() {
        return init(&options);
    }
    log::set_up(options.account);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .map_err(|error| DaemonError::Retry { message: format!("the runtime could not be started: {error}") })?;
    let local = tokio::task::LocalSet::new();
    // A task of its own: what `block_on` waits for itself is asked again at each wake-up of any other.
    let whole = async { tokio::task::spawn_local(guard(options)).await };
    let ended = local.block_on(&runtime, whole);
    drop(local);
    // A thread that waits for a disk that is gone is not waited for.
    runtime.shutdown_timeout(ENDING);
    ended.unwrap_or_else(|error| {
        Err(DaemonError::Retry { message: format!("a fault of the guard itself ended it: {error}") })
    })
}

/// As PID 1 of a container: the keeper is this very process, the guard its child.
#[cfg(target_os = "linux")]
fn init(options: &Options) -> Result<ExitCode, DaemonError> {
    let place = places(options)?;
    let charge = setup::plan(options, &Settings::default(), &place.runtime, &place.state)?.remove(0);
    let dir = setup::keeper_dir(&place.runtime, &charge.home.id);
    let guard_argv = std::iter::once("/proc/self/exe".into()).chain(std::env::args_os().skip(1)).collect();
    Ok(crate::keeper::run_as_init(&dir, crate::keeper::InitOptions { guard_argv, stop_limit: None }))
}

async fn guard(options: Options) -> Result<ExitCode, DaemonError> {
    let place = places(&options)?;
    let (settings, settings_path) = read_settings(&options)?;
    let lock = hold(&place.runtime.join("guard.lock"))?;
    let account = if options.account { Account::new(options.json) } else { Account::silent() };
    let voice = Rc::new(Voice::new(account, place.state.clone()));
    let throwaway = if options.sandbox { Some(sandbox::prepare(&voice, &place).await?) } else { None };
    let charges = match &throwaway {
        Some(sandbox) => vec![sandbox.charge.clone()],
        None => setup::plan(&options, &settings, &place.runtime, &place.state)?,
    };
    let store = Store::open_daemon(&place.state)
        .map_err(|error| DaemonError::Retry { message: format!("the store's thread could not be started: {error}") })?;
    let server = Server::bind(&place.runtime).map_err(|error| cannot_listen(&error))?;
    let (calls, asked) = mpsc::channel::<Call>(CALLS);
    let (died, deaths) = mpsc::channel::<GatewayId>(CALLS);
    tokio::task::spawn_local(server.serve(calls));
    let (policy, _) = watch::channel(setup::policy_of(&settings));
    let (condition, alerts) = watch::channel(Condition::default());
    let pair = match &throwaway {
        Some(_) => None,
        None => pair_of(&settings, &charges, &place, &voice)?,
    };
    let shared = match &throwaway {
        Some(_) => None,
        None => shared_of(&settings, &charges, &place, &voice).await?,
    };
    let (known, seen) = watch::channel(Wards::new());
    let context = Context {
        pair,
        shared,
        place,
        store,
        voice,
        watchdog: Rc::new(ServiceWatchdog::from_environment()),
        settings: Rc::new(RefCell::new(settings)),
        began: Instant::now(),
        notes: Rc::default(),
        bot: Rc::default(),
        feishu: Rc::default(),
        dingtalk: Rc::default(),
        known,
        alerts,
        died,
        policy,
        start: Cell::new(options.start || options.sandbox),
        alone: charges.len() == 1,
    };
    if throwaway.is_none() {
        context.voice.tell_people(alerts::start(alerts::Needs {
            charges: &charges,
            settings: &context.settings,
            settings_path: &settings_path,
            store: &context.store,
            state: &context.place.state,
            condition,
        }));
    }
    if let Some(pair) = &context.pair {
        pair::start(Rc::clone(pair));
    }
    let mut wards = Wards::new();
    let mut locks = vec![lock];
    for charge in &charges {
        claims::refuse_if_out_of_sight(charge)?;
        locks.push(hold(&home_lock(charge)?)?);
        if options.command.is_some() {
            claims::refuse_if_owned(charge).await?;
        }
        wards.push((charge.home.id.clone(), context.begin(charge.clone()).await?));
    }
    context.known.send_replace(wards.clone());
    if let Some(shared) = &context.shared {
        shared::start(shared).map_err(|message| DaemonError::NeedsPerson {
            message,
            hints: vec!["correct [shared] in clawmend.toml, or take it out".to_owned()],
        })?;
    }
    if throwaway.is_none() {
        chat::start(context.chat(&charges, seen));
    }
    // Wards that are begun anew later go by what people have said meanwhile.
    context.start.set(false);
    settings_watch(&context, settings_path);
    say(&Saying::Ready);
    if let Some(sandbox) = &throwaway {
        sandbox.introduce(&context.voice);
    }
    let code = context.serve(asked, deaths, &charges, &mut wards).await;
    say(&Saying::Stopping);
    if let Some(sandbox) = throwaway {
        sandbox.end(&context, &wards).await;
    } else if options.account || options.command.is_some() {
        let left_behind = context.shared.as_ref().and_then(|shared| shared.left_behind());
        context.voice.account().borrow().say(left_behind.as_deref().unwrap_or(
            "the guard ends; the gateway goes on as it is. Guard it again with the same command, or stop it with its own.",
        ));
    }
    if let Some(pair) = &context.pair {
        pair.leave();
    }
    if let Some(shared) = &context.shared {
        shared.leave().await;
    }
    context.store.close().await;
    drop(locks);
    Ok(code)
}

/// A bad file never replaces settings that are in use.
fn settings_watch(context: &Context, path: PathBuf) {
    let (settings, notes, voice) = (Rc::clone(&context.settings), Rc::clone(&context.notes), Rc::clone(&context.voice));
    let fresh_policy = context.policy.clone();
    tokio::task::spawn_local(async move {
        // The time alone is too coarse: an editor that empties a file and fills it within one tick of the kernel's clock
        // would leave us with the empty one.
        let stamp = |path: &Path| {
            let seen = std::fs::metadata(path).ok()?;
            Some((seen.modified().ok()?, seen.len(), identity(&seen)))
        };
        let places = crate::notify::file::beside(&path);
        let (mut before, mut before_places) = (stamp(&path), stamp(&places));
        let mut alarm = Alarm::new();
        loop {
            alarm.reached(ward::multiple_after(clock::now().mono, SETTINGS_EVERY_MS)).await;
            let (present, present_places) = (stamp(&path), stamp(&places));
            if present_places != before_places {
                before_places = present_places;
                voice.look_for_people();
            }
            if present == before {
                continue;
            }
            before = present;
            match settings::load_or_default(&path) {
                Ok(fresh) => {
                    notes.borrow_mut().clear();
                    let policy = setup::policy_of(&fresh);
                    *settings.borrow_mut() = fresh;
                    let _ = fresh_policy.send(policy);
                    voice.account().borrow().say("clawmend.toml was read again");
                }
                Err(error) => {
                    let note = format!("{error}; the settings from before stay in use");
                    tracing::error!("{note}");
                    voice.account().borrow().say(&note);
                    *notes.borrow_mut() = vec![note];
                }
            }
        }
    });
}

/// What everybody here needs.
struct Context {
    /// This host as one of a pair.
    pair: Option<Rc<Pair>>,
    /// This host as one of a shared group.
    shared: Option<Rc<Shared>>,
    place: Places,
    store: Store,
    voice: Rc<Voice>,
    watchdog: Rc<ServiceWatchdog>,
    settings: Rc<RefCell<Settings>>,
    began: Instant,
    notes: Rc<RefCell<Vec<String>>>,
    /// What is wrong with the guard's own bot.
    bot: Rc<RefCell<Option<String>>>,
    /// What is wrong with the app on Feishu.
    feishu: Rc<RefCell<Option<String>>>,
    /// What is wrong with the app on DingTalk.
    dingtalk: Rc<RefCell<Option<String>>>,
    /// The wards, for whoever asks them beside the front.
    known: watch::Sender<Wards>,
    /// How alerts are.
    alerts: watch::Receiver<Condition>,
    /// Wards that ended by a fault of ours.
    died: mpsc::Sender<GatewayId>,
    /// Figures from settings that were read again.
    policy: watch::Sender<clawmend_core::policy::Policy>,
    /// A person wants it started; asked for once.
    start: Cell<bool>,
    /// No other gateway is guarded here.
    alone: bool,
}

/// Whom to tell what, by gateway.
type Wards = Vec<(GatewayId, news::Sender)>;

impl Context {
    /// Brings up the ward of one gateway.
    async fn begin(&self, charge: Charge) -> Result<news::Sender, DaemonError> {
        let Charge { home, holding } = charge;
        let id = home.id.clone();
        let (news, inbox) = mpsc::channel(news::QUEUE);
        let dir = setup::keeper_dir(&self.place.runtime, &id);
        private_dir(&dir)
            .map_err(|error| DaemonError::NeedsPerson { message: error.to_string(), hints: Vec::new() })?;
        let loaded = self.store.load(&id).await.unwrap_or_default();
        for note in &loaded.notes {
            tracing::warn!(gateway = %id.0, "{note}");
        }
        let now = clock::now();
        let beside = kept::read_beside(&dir);
        let copies = [beside.as_deref(), loaded.memory_copy.as_deref(), loaded.memory.as_deref()];
        let kept = Kept::newest(copies.into_iter().flatten(), clock::boot_id());
        let booted = !kept.is_of_this_boot();
        let mut memory = kept.into_memory(now);
        if let Some(standing) = loaded.standing {
            memory.standing = standing;
        }
        memory.standing.flag_file = false;
        let highest = self.highest_incident(&id).await;
        memory.last_incident = memory.last_incident.max(highest);
        let body = self.body(&id, holding, &dir, &news)?;
        let control = match &*body {
            Body::Service(unit) => unit.control(),
            Body::Child(_) | Body::Foreign => Control::Full,
        };
        let policy = setup::policy_of(&self.settings.borrow());
        let profile = Profile { id: id.clone(), form: body.form(), control };
        let guardian = Guardian::new(profile, policy, memory, now);
        let flag_file = self.settings.borrow().guard.flag_file.clone();
        let (rpc, subscription) = crate::probe::rpc::subscribe(ward::rpc_into(&news));
        tokio::task::spawn_local(subscription);
        let mut ward = Ward::new(
            ward::Parts {
                around: around::Around::new(
                    home.clone(),
                    ward::own_uid(),
                    flag_file,
                    body.child().and_then(|child| ward::program_of(&child.command)),
                ),
                home,
                guardian,
                body: Rc::clone(&body),
                rpc,
                asking: ward::Asking::new(Rc::clone(&self.settings)),
                store: self.store.clone(),
                runtime: dir.clone(),
                voice: Rc::clone(&self.voice),
                watchdog: Rc::clone(&self.watchdog),
                news: news.clone(),
                alone: self.alone,
                settings: Rc::clone(&self.settings),
            },
            now,
        );
        let left = left::kills(&loaded.intents, &dir, now.wall);
        for kill in &left {
            ward.observe(now, &Evidence::KillLeft(kill.clone()));
        }
        if !loaded.waiting.is_empty() {
            for waiting in &loaded.waiting {
                ward.observe(now, &Evidence::Person(waiting.wish.clone()));
            }
            ward.remember_now().await;
            if let Err(error) = self.store.wishes_taken(&id) {
                tracing::warn!(%error, "a wish may be heard twice");
            }
        }
        if self.start.get() {
            ward.observe(now, &Evidence::Person(Wish::Start));
        }
        let carries = booted && self.pair.as_ref().is_some_and(|pair| pair.has_booted(&id));
        let stopped = ward.guardian.memory().unit_stopped || ward.guardian.memory().standing.hinders_a_group();
        if carries && !stopped {
            ward.observe(now, &Evidence::Person(Wish::Start));
        }
        let stands_by = self.pair.as_ref().is_some_and(|pair| pair.meet(&id, &news));
        if self.shared.as_ref().is_some_and(|shared| shared.meet(&id, &news, &body)) || stands_by {
            ward.observe(now, &Evidence::Person(Wish::StandBy));
        }
        ward.settle_in(now);
        ward.settle_left(&left);
        if body.child().is_some() {
            ward::listen_to_keeper(Rc::clone(&body), news.clone());
        }
        self.store_introduction(&ward);
        ward::contained(ward, inbox, self.died.clone());
        ward::follow_policy(self.policy.subscribe(), news.clone());
        Ok(news)
    }

    /// The chat of the guard's own bot.
    fn chat(&self, charges: &[Charge], wards: watch::Receiver<Wards>) -> chat::Parts {
        chat::Parts {
            alerts: self.alerts.clone(),
            wards,
            settings: Rc::clone(&self.settings),
            voice: Rc::clone(&self.voice),
            homes: charges.iter().map(|charge| charge.home.clone()).collect(),
            uid: ward::own_uid(),
            trouble: Rc::clone(&self.bot),
            feishu_trouble: Rc::clone(&self.feishu),
            dingtalk_trouble: Rc::clone(&self.dingtalk),
        }
    }

    fn body(&self, id: &GatewayId, holding: Holding, dir: &Path, news: &news::Sender) -> Result<Rc<Body>, DaemonError> {
        let body = match holding {
            Holding::Child(command) => {
                if let Some(folder) = command.log_dir.parent()
                    && let Err(error) = private_dir(folder)
                {
                    tracing::warn!(%error, "the folder of the gateway's output cannot be used as it should be");
                }
                if let Err(error) = setup::keep_command(dir, &command) {
                    tracing::warn!(%error, "the command could not be noted for a later guard");
                }
                let gate = self.shared.as_ref().and_then(|shared| shared.gate_of(id));
                Body::Child(Box::new(Child::new(command, dir.to_owned()).behind(gate)))
            }
            Holding::Unit(manager, name) => {
                let (unit, events) = crate::service::watch(manager, name)
                    .map_err(|error| DaemonError::NeedsPerson { message: error.to_string(), hints: Vec::new() })?;
                ward::listen_to_service(events, news.clone());
                Body::Service(unit)
            }
            Holding::Foreign => Body::Foreign,
        };
        Ok(Rc::new(body))
    }

    async fn highest_incident(&self, id: &GatewayId) -> u64 {
        let filter = Filter { gateway: Some(id.clone()), ..Filter::default() };
        let page = self.store.incidents(filter, 1, None).await;
        page.ok().and_then(|page| page.incidents.first().map(|(record, _)| record.id.0)).unwrap_or(0)
    }

    fn store_introduction(&self, ward: &Ward) {
        drop(self.store.introduce(ward.introduction()));
    }
}

/// A signal that asks the guard to end in order.
#[cfg(unix)]
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let (term, int) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    match (term, int) {
        (Ok(mut term), Ok(mut int)) => {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn told_to_end() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
