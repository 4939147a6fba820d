//! This host as one node of a shared group: the loop that runs `clawmend_core::failover::lease` on a real host.
//!
//! [`node`] is the loop: facts in, directives out, in their order. [`hands`] starts, ends and switches; [`gate`] stands
//! before every start; [`watch`] sees the process and arms the deadman; [`mute`] sees that one without a lease is mute;
//! [`quiet`] sees work come to its end; [`fence`] shuts it off where the settings want it.
//! Invariants: nothing here decides about the lease; the gateway is started by its ward alone, and only through the gate; it is ended here, by SIGKILL, without asking its
//! ward. Start at [`Shared::new`].

mod fence;
pub(in crate::daemon) mod gate;
mod hands;
mod heard;
mod kept;
mod mute;
mod node;
mod opening;
mod orders;
mod quiet;
mod switching;
mod turn_off;
mod watch;
mod words;

pub(in crate::daemon) use fence::clear_away;
pub(in crate::daemon) use kept::{FILE as LEASE_MEMORY, left_as_owner};

use super::body::Body;
use super::news;
use super::setup::{Charge, Holding, keeper_dir};
use super::voice::Voice;
use crate::api::server::Reply;
use crate::api::types::SharedReport;
use crate::failover::lease::LeaseStore;
use crate::host::{clock, process, signal};
use crate::openclaw::discovery::Home;
use crate::settings::SharedSettings;
use clawmend_core::failover::lease::{Memory, Order};
use clawmend_core::gateway::GatewayId;
use fence::Fence;
use gate::{Gate, Outcome};
use heard::Ward;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Orders of people that wait at most.
const ORDERS: usize = 8;
/// What became of starts, and rivals that were seen: a start has one outcome, and there is one start at a time.
const OUTCOMES: usize = 16;

/// So long the guard that ends waits for the store to take a lease back.
const LEAVING: Duration = Duration::from_secs(2);

/// A person's word, and where the answer goes.
type Said = (Order, oneshot::Sender<Reply>);

/// What the rest of the guard knows of the group.
pub struct Shared {
    settings: SharedSettings,
    home: Home,
    state: PathBuf,
    /// The keeper's folder.
    keeper: PathBuf,
    voice: Rc<Voice>,
    gate: Rc<Gate>,
    /// The egress fence, where the settings want one.
    fence: Option<Rc<Fence>>,
    ward: Rc<Ward>,
    body: RefCell<Option<Rc<Body>>>,
    report: RefCell<SharedReport>,
    memory: Memory,
    orders: mpsc::Sender<Said>,
    inbox: RefCell<Option<(mpsc::Receiver<Outcome>, mpsc::Receiver<Said>)>>,
    /// The node's loop.
    node: RefCell<Option<JoinHandle<()>>>,
    /// The guard ends.
    ends: Notify,
}

impl Shared {
    /// Whether this host is one of a group, and with which gateway.
    ///
    /// # Errors
    /// In words for people: which gateway is not clear, or it cannot be fenced as the settings want it.
    pub async fn new(
        settings: Option<&SharedSettings>,
        charges: &[Charge],
        (runtime, state): (&Path, &Path),
        voice: &Rc<Voice>,
    ) -> Result<Option<Rc<Self>>, String> {
        let Some(settings) = settings.cloned() else { return Ok(None) };
        let charge = match (&settings.gateway, charges) {
            (None, [only]) => only,
            (None, _) => return Err("[shared] must say which gateway it is about: gateway = \"ID\"".to_owned()),
            (Some(id), all) => match all.iter().find(|charge| charge.home.id == *id) {
                Some(charge) => charge,
                None => return Err(format!("[shared] is about the gateway {}, which is not guarded here", id.0)),
            },
        };
        if !matches!(charge.holding, Holding::Child(_)) {
            return Err(format!(
                "[shared] needs a gateway that can be ended without the guard, and {} is not run by Clawmend's keeper; start \
                 it with `clawmend run -- openclaw gateway run`",
                charge.home.id.0
            ));
        }
        signal::provable()
            .map_err(|why| format!("[shared] needs to end processes for sure, and cannot here: {why}"))?;
        let home = charge.home.clone();
        let fence = Fence::raise(&settings, &home).await?;
        let (outcomes, heard) = mpsc::channel(OUTCOMES);
        let (orders, asked) = mpsc::channel(ORDERS);
        let memory = kept::load(state, &settings.lease());
        let report = RefCell::new(SharedReport::new(&settings, &memory));
        Ok(Some(Rc::new(Self {
            settings,
            keeper: keeper_dir(runtime, &home.id),
            home,
            state: state.to_owned(),
            voice: Rc::clone(voice),
            gate: Gate::new(outcomes),
            fence,
            ward: Ward::new(Rc::default()),
            body: RefCell::default(),
            report,
            memory,
            orders,
            inbox: RefCell::new(Some((heard, asked))),
            node: RefCell::default(),
            ends: Notify::new(),
        })))
    }

    /// The gate before every start of this gateway; `None`: it is not the group's.
    pub fn gate_of(&self, id: &GatewayId) -> Option<Rc<Gate>> {
        (self.home.id == *id).then(|| Rc::clone(&self.gate))
    }

    /// Whether this gateway stands behind an egress fence.
    pub fn fences(&self, id: &GatewayId) -> bool {
        self.fence.is_some() && self.home.id == *id
    }

    /// The guard ends in order. Where nothing of the gateway is left, its lease is given back, as far as the store answers,
    /// and its egress fence is taken away; around one that goes on it stands as it is, for the next guard.
    pub async fn leave(&self) {
        if let Some(fence) = &self.fence {
            fence.is_over();
        }
        let node = self.node.borrow_mut().take();
        if let Some(mut node) = node {
            self.ends.notify_one();
            if tokio::time::timeout(LEAVING, &mut node).await.is_err() {
                node.abort();
            }
        }
        let Some(fence) = &self.fence else { return };
        self.gate.close();
        let goes_on = self.gate.is_taken() || self.ward.life().is_some();
        if !goes_on && !watch::has_child(&self.keeper).await {
            fence.lower().await;
        }
    }

    /// What becomes of a gateway that the guard leaves behind, for people; nothing where it goes on.
    pub fn left_behind(&self) -> Option<String> {
        let runs = self.ward.life().is_some_and(|life| process::is_alive(&life));
        let until = self.report.borrow().lease_until.filter(|_| runs && self.gate.owns())?;
        let seconds = u64::try_from(until.0.0.saturating_sub(clock::now().wall.0)).unwrap_or_default().div_ceil(1_000);
        Some(format!(
            "the guard ends; the gateway is ended with its lease, in {seconds} s at the latest. Guard it again with the same \
             command before that; to end it in order, say `clawmend standby demote` first."
        ))
    }

    /// A ward has begun. Answers whether its gateway is to stay off until it is wanted.
    pub fn meet(&self, id: &GatewayId, ward: &news::Sender, body: &Rc<Body>) -> bool {
        if self.home.id != *id {
            return false;
        }
        self.ward.is_new(ward);
        *self.body.borrow_mut() = Some(Rc::clone(body));
        let ran = self.memory.active.is_some() || self.memory.mute.is_some();
        !ran && !self.gate.owns() && self.ward.life().is_none()
    }

    /// For `status`.
    pub fn report(&self) -> SharedReport {
        self.report.borrow().clone()
    }

    /// A person's word.
    pub fn order(&self, order: Order, reply: oneshot::Sender<Reply>) {
        if let Err(error) = self.orders.try_send((order, reply)) {
            let (_, reply) = error.into_inner();
            let why = "too many orders wait; ask again in a moment".to_owned();
            let _ = reply.send(crate::api::Answer::Failed { why }.into());
        }
    }

    /// A node's name for people.
    fn name_of(&self, node: clawmend_core::failover::lease::NodeId) -> String {
        self.settings.name_of(node).map_or_else(|| format!("node {}", node.0), str::to_owned)
    }

    /// This node's story for whoever watches, the log and `status`. People who do not watch get letters from the node's loop.
    fn say(&self, words: &str) {
        tracing::warn!("{words}");
        self.voice.account().borrow().say(words);
        self.report.borrow_mut().last_word = Some(words.to_owned());
    }
}

/// Starts this node's loop. Without a store nothing is owned and nothing is started; the guard guards all the same.
///
/// # Errors
/// In words for people: what of the settings must be put right first.
pub fn start(shared: &Rc<Shared>) -> Result<(), String> {
    let store = LeaseStore::open(&shared.settings).map_err(|error| error.to_string())?;
    let Some(inbox) = shared.inbox.borrow_mut().take() else { return Ok(()) };
    let shared = Rc::clone(shared);
    let group = Rc::clone(&shared);
    let node = tokio::task::spawn_local(async move { node::run(group, store, inbox).await });
    *shared.node.borrow_mut() = Some(node);
    Ok(())
}
