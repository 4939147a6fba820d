//! How a ward comes up, and who feeds it.

use super::super::around::Around;
use super::super::body::{Body, ChildCommand};
use super::super::keepsake::Keepsake;
use super::super::news::{News, Sender};
use super::super::physician::Physician;
use super::super::printed::Printed;
use super::super::program::Program;
use super::super::pulse::{Pulse, ServiceWatchdog};
use super::super::voice::Voice;
use super::{Asking, Schedule, Ward};
use crate::keeper::client::Keeper;
use crate::openclaw::discovery::Home;
use crate::openclaw::program;
use crate::probe::rpc::Rpc;
use crate::service::ServiceEvent;
use crate::settings::Settings;
use crate::store::{Introduction, Store};
use clawmend_core::gateway::GatewayId;
use clawmend_core::guardian::Guardian;
use clawmend_core::observation::{Evidence, RpcSeen};
use clawmend_core::time::Now;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Between two tries to reach or start a keeper.
pub(super) const KEEPER_RETRY: Duration = Duration::from_millis(500);

/// The keeper's name for the file of the gateway's output.
const OUTPUT: &str = "gateway.log";

/// What a ward is made of.
pub struct Parts {
    /// The home.
    pub home: Home,
    /// The decisions.
    pub guardian: Guardian,
    /// Who holds the process.
    pub body: Rc<Body>,
    /// The surroundings.
    pub around: Around,
    /// The subscription.
    pub rpc: Rpc,
    /// Messages to its model.
    pub asking: Asking,
    /// The records.
    pub store: Store,
    /// Ours alone in the runtime folder.
    pub runtime: PathBuf,
    /// What is said.
    pub voice: Rc<Voice>,
    /// Our own service's watchdog.
    pub watchdog: Rc<ServiceWatchdog>,
    /// Where news is sent.
    pub news: Sender,
    /// No other gateway is guarded here, so the log of the day is its own.
    pub alone: bool,
    /// Our own settings, as last read.
    pub settings: Rc<RefCell<Settings>>,
}

impl Ward {
    /// Out of its parts.
    #[must_use]
    pub fn new(parts: Parts, now: Now) -> Self {
        let keepsake =
            Keepsake::new(parts.home.clone(), parts.voice.state_dir().to_owned(), own_uid(), parts.news.clone());
        let printed = printed(&parts.body);
        let child_known = parts.body.child().is_none();
        // What a child says is in a file of its own; only without it is the shared log of the day needed line by line.
        let alone = parts.alone && parts.body.child().is_none();
        let state = parts.voice.state_dir().to_owned();
        let physician = Physician::new(parts.home.clone(), own_uid(), state, alone, printed);
        let program = parts.body.child().map(|child| Program::new(child.command.clone()));
        Self {
            home: parts.home,
            keepsake,
            physician,
            settings: parts.settings,
            guardian: parts.guardian,
            body: parts.body,
            around: parts.around,
            program,
            senses: None,
            rpc: parts.rpc,
            asking: parts.asking,
            rpc_up: false,
            shown: None,
            store: parts.store,
            runtime: parts.runtime,
            voice: parts.voice,
            watchdog: parts.watchdog,
            news: parts.news,
            out: Vec::new(),
            later: Vec::new(),
            unacknowledged: Vec::new(),
            pulse: Pulse::new(now),
            next: Schedule::default(),
            pending: Vec::new(),
            ended: VecDeque::new(),
            unheard: None,
            kills: Vec::new(),
            unit_copied: false,
            adopting: false,
            child_known,
        }
    }

    /// The first look around, before anything is decided.
    pub fn settle_in(&mut self, now: Now) {
        let mut found = Vec::new();
        self.around.look(now, true, &mut found);
        for evidence in &found {
            self.observe(now, evidence);
        }
        self.look_for_life(now);
        self.carry_out();
        self.keep_up();
    }

    /// Makes the standing wishes durable now.
    pub async fn remember_now(&mut self) {
        let receipt = self.store.remember(&self.home.id, &self.guardian.memory().standing);
        if let Err(error) = receipt.durable().await {
            tracing::warn!(%error, "a wish could not be written down; it is obeyed all the same");
        }
    }

    /// Who it guards, for commands that run without a guard.
    #[must_use]
    pub fn introduction(&self) -> Introduction {
        Introduction {
            gateway: self.home.id.clone(),
            state_dir: self.home.state_dir.display().to_string(),
            url: None,
            control: self.guardian.profile().control,
            at: crate::host::clock::now().wall,
        }
    }
}

/// Where the gateway's own words are.
fn printed(body: &Body) -> Printed {
    match body {
        Body::Child(child) => Printed::into_file(child.command.log_dir.join(OUTPUT)),
        Body::Service(unit) => Printed::by_unit(unit.words(), own_uid()),
        Body::Foreign => Printed::Unknown,
    }
}

/// Runs a ward; when it ends by a fault of ours, whoever began it hears of it.
pub fn contained(ward: Ward, inbox: mpsc::Receiver<News>, died: mpsc::Sender<GatewayId>) {
    let id = ward.home.id.clone();
    let work = tokio::task::spawn_local(ward.run(inbox));
    tokio::task::spawn_local(async move {
        if let Err(error) = work.await
            && error.is_panic()
        {
            tracing::error!(gateway = %id.0, "a fault of the guard itself was contained; its ward is begun anew");
            let _ = died.send(id).await;
        }
    });
}

/// What the subscription sees goes into the queue.
pub fn rpc_into(news: &Sender) -> mpsc::Sender<RpcSeen> {
    let (sender, mut seen) = mpsc::channel::<RpcSeen>(16);
    let news = news.clone();
    tokio::task::spawn_local(async move {
        while let Some(seen) = seen.recv().await {
            if news.send(News::Evidence(Evidence::Rpc(seen))).await.is_err() {
                return;
            }
        }
    });
    sender
}

/// Figures from settings that were read again go into the queue.
pub fn follow_policy(mut policy: tokio::sync::watch::Receiver<clawmend_core::policy::Policy>, news: Sender) {
    tokio::task::spawn_local(async move {
        while policy.changed().await.is_ok() {
            let fresh = Box::new(policy.borrow_and_update().clone());
            if news.send(News::Policy(fresh)).await.is_err() {
                return;
            }
        }
    });
}

/// What the service manager tells goes into the queue.
pub fn listen_to_service(mut events: mpsc::Receiver<ServiceEvent>, news: Sender) {
    tokio::task::spawn_local(async move {
        while let Some(event) = events.recv().await {
            if news.send(News::Service(event)).await.is_err() {
                return;
            }
        }
    });
}

/// Keeps a connection to the keeper, starting one where none is.
pub fn listen_to_keeper(body: Rc<Body>, news: Sender) {
    tokio::task::spawn_local(async move {
        let Some(child) = body.child() else { return };
        while !news.is_closed() {
            let heard = async {
                let keeper = Keeper::start(&child.dir).await?;
                let (state, events) = keeper.events().await?;
                Ok::<_, crate::keeper::client::KeeperError>((state, events))
            };
            match heard.await {
                Ok((state, mut events)) => {
                    if news.send(News::KeeperState(state)).await.is_err() {
                        return;
                    }
                    while let Ok(event) = events.next().await {
                        if news.send(News::Keeper(event)).await.is_err() {
                            return;
                        }
                    }
                    let _ = news.send(News::KeeperLost).await;
                }
                Err(error) => {
                    tracing::error!(%error, "no keeper");
                    tokio::time::sleep(KEEPER_RETRY).await;
                }
            }
        }
    });
}

/// The program whose change may cure a refusal.
#[must_use]
pub fn program_of(command: &ChildCommand) -> Option<PathBuf> {
    let program = command.argv.first()?;
    if program.contains('/') {
        // Also one that is not there yet.
        return Some(PathBuf::from(program));
    }
    program::found(program, command.env.get("PATH").map(OsStr::new))
}

/// The user that we run as.
#[cfg(unix)]
#[must_use]
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The user that we run as.
#[cfg(not(unix))]
#[must_use]
pub fn own_uid() -> u32 {
    0
}
