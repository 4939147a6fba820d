//! This host as one of a pair: the loops that wire `clawmend_core::failover` to its adapters.
//!
//! A standby looks, decides and changes its role ([`standby`]), step by step ([`change`]); a primary answers ([`primary`]),
//! and so does a standby to one that comes after it ([`senior`]).
//! Invariant: the gateway is started and stopped by its ward alone, through the same check as every wish, and a person's
//! stop or pause of it stays.

mod change;
mod gateway;
mod missing;
mod primary;
mod secrets;
mod senior;
mod standby;
mod warm;
mod workspace;

use super::news;
use super::setup::Charge;
use super::voice::Voice;
use crate::api::server::Reply;
use crate::api::types::StandbyReport;
use crate::failover::kept::{self, Kept};
use crate::failover::key::{self, PairKey};
use crate::failover::workspace::Stop;
use crate::openclaw::discovery::Home;
use crate::settings::{Side, StandbySettings};
use clawmend_core::failover::ownership::Owned;
use clawmend_core::failover::{Order, Role, Sight};
use clawmend_core::gateway::GatewayId;
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

/// Orders of people that wait at most.
const ORDERS: usize = 8;
/// Between two tries to begin.
const AGAIN: Duration = Duration::from_secs(5);

/// A person's word to a standby, and where the answer goes.
type Said = (Order, oneshot::Sender<Reply>);

/// What the rest of the guard knows of the pair.
pub struct Pair {
    settings: StandbySettings,
    home: Home,
    state: PathBuf,
    voice: Rc<Voice>,
    kept: RefCell<Kept>,
    /// What this node owns, as last read.
    mine: RefCell<Option<Owned>>,
    /// The gateway's ward, as long as there is one.
    ward: RefCell<Option<news::Sender>>,
    /// That ward has begun.
    met: Notify,
    report: RefCell<StandbyReport>,
    /// What a standby saw of the primary last.
    sight: Cell<Option<Sight>>,
    /// What this node remembers is not on the disk as it is now.
    unsaved: Cell<bool>,
    orders: RefCell<Option<mpsc::Sender<Said>>>,
    /// Held for a change of role, and for each step of the upkeep of a warm gateway.
    busy: Mutex<()>,
    /// Held for all of that upkeep.
    keeping: Mutex<()>,
    /// Git while this node stands by.
    meanwhile: workspace::Meanwhile,
    /// Git has not come back.
    away: Arc<AtomicBool>,
    /// Ends what else git does, when the guard ends.
    leaving: Stop,
}

impl Pair {
    /// Whether this host is one of a pair, and with which gateway.
    ///
    /// # Errors
    /// In words for people: which gateway is not clear.
    pub fn new(
        settings: Option<&StandbySettings>,
        charges: &[Charge],
        state: &Path,
        voice: &Rc<Voice>,
    ) -> Result<Option<Rc<Self>>, String> {
        let Some(settings) = settings.cloned() else { return Ok(None) };
        let home = match (&settings.gateway, charges) {
            (None, [only]) => only.home.clone(),
            (None, _) => return Err("[standby] must say which gateway it is about: gateway = \"ID\"".to_owned()),
            (Some(id), all) => match all.iter().find(|charge| charge.home.id == *id) {
                Some(charge) => charge.home.clone(),
                None => return Err(format!("[standby] is about the gateway {}, which is not guarded here", id.0)),
            },
        };
        let mut kept = kept::load(state);
        kept.warm &= settings.warm;
        kept.seniors.retain(|one, _| settings.after.contains(one));
        let report = RefCell::new(StandbyReport::new(&settings, &kept));
        Ok(Some(Rc::new(Self {
            settings,
            home,
            state: state.to_owned(),
            voice: Rc::clone(voice),
            kept: RefCell::new(kept),
            mine: RefCell::default(),
            ward: RefCell::default(),
            met: Notify::new(),
            report,
            sight: Cell::default(),
            unsaved: Cell::default(),
            orders: RefCell::default(),
            busy: Mutex::default(),
            keeping: Mutex::default(),
            meanwhile: workspace::Meanwhile::default(),
            away: Arc::default(),
            leaving: Stop::default(),
        })))
    }

    /// This host has booted since the guard was here last. A standby's gateway does not come up with it, whether it was warm
    /// or carried. Answers whether this node carries, so that its gateway is to be started.
    pub fn has_booted(&self, id: &GatewayId) -> bool {
        if self.home.id != *id || self.settings.side != Side::Standby {
            return false;
        }
        self.note_warm(false);
        self.kept.borrow().memory.role == Role::Active
    }

    /// A ward has begun. Answers whether its gateway is to stay off, or to be off first.
    pub fn meet(&self, id: &GatewayId, ward: &news::Sender) -> bool {
        if self.home.id != *id {
            return false;
        }
        *self.ward.borrow_mut() = Some(ward.clone());
        self.met.notify_waiters();
        // What steps back leaves a warm gateway as it is to be.
        let kept = self.kept.borrow();
        let warm = self.settings.warm && (kept.warm || kept.memory.role == Role::Demoting);
        drop(kept);
        self.stands_by() && !warm
    }

    fn stands_by(&self) -> bool {
        let off = matches!(self.kept.borrow().memory.role, Role::Watching | Role::Demoting);
        self.settings.side == Side::Standby && off
    }

    /// It stands by, and no change of role is under way.
    fn only_watches(&self) -> bool {
        self.settings.side == Side::Standby && self.kept.borrow().memory.role == Role::Watching
    }

    /// The gateway is warm from now on, or not any more.
    fn note_warm(&self, warm: bool) {
        let was = std::mem::replace(&mut self.kept.borrow_mut().warm, warm);
        self.report.borrow_mut().warm = self.settings.warm.then_some(warm);
        if was != warm {
            self.save();
        }
    }

    /// What was written here is to be given back, or is given.
    fn note_owed(&self, owed: bool) {
        if std::mem::replace(&mut self.kept.borrow_mut().owed, owed) != owed {
            self.save();
        }
    }

    /// For `status`.
    pub fn report(&self) -> StandbyReport {
        self.report.borrow().clone()
    }

    /// A person's word.
    pub fn order(&self, order: Order, reply: oneshot::Sender<Reply>) {
        use crate::api::request::Answer;
        let sender = self.orders.borrow().clone();
        let needs_person = |why: &str| Answer::NeedsPerson { why: why.to_owned() }.into();
        match sender {
            Some(sender) => {
                if let Err(error) = sender.try_send((order, reply)) {
                    let (_, reply) = error.into_inner();
                    let why = "too many orders wait; ask again in a moment".to_owned();
                    let _ = reply.send(Answer::Failed { why }.into());
                }
            }
            None if self.settings.side == Side::Primary => {
                let _ = reply.send(needs_person("this host is the primary; say it on the standby"));
            }
            None => {
                let _ =
                    reply.send(needs_person("this host is no part of its pair yet; `clawmend standby check` says why"));
            }
        }
    }

    /// In words for people: no key, or the address cannot be listened on.
    async fn begin(self: &Rc<Self>) -> Result<(), String> {
        let key = self.key()?;
        match self.settings.side {
            Side::Primary => primary::start(Rc::clone(self), key).await,
            Side::Standby => {
                self.forget_what_does_not_count(&key);
                primary::start_on_standby(self, &key).await?;
                let (orders, asked) = mpsc::channel(ORDERS);
                *self.orders.borrow_mut() = Some(orders);
                if let Some(settings) = self.settings.workspace.clone() {
                    workspace::fetch_regularly(Rc::clone(self), settings);
                }
                standby::start(Rc::clone(self), key, asked);
                Ok(())
            }
        }
    }

    /// What was heard under another key, or from another primary.
    fn forget_what_does_not_count(&self, key: &PairKey) {
        let mark = self.settings.peer.map(|peer| key.mark(peer)).unwrap_or_default();
        let changed = self.kept.borrow_mut().hears_under(mark);
        if changed {
            self.save();
        }
    }

    /// Where `status` shows it, and once for whoever watches.
    fn note_problem(&self, why: String) {
        if self.report.borrow().problem.as_ref() != Some(&why) {
            self.say(&format!("this host is no part of its pair yet: {why}"));
            self.report.borrow_mut().problem = Some(why);
        }
    }

    fn key(&self) -> Result<PairKey, String> {
        let path = self.settings.key_file.clone().unwrap_or_else(|| self.state.join(key::FILE));
        PairKey::load(&path).map_err(|error| error.to_string())
    }

    /// Remembers, durably. Where that cannot be, what was decided is done all the same, and it is tried again.
    fn save(&self) {
        let saved = kept::save(&self.state, &self.kept.borrow());
        let was = self.unsaved.replace(saved.is_err());
        match saved {
            Ok(()) if was => self.report.borrow_mut().problem = None,
            Ok(()) => {}
            Err(error) => {
                if !was {
                    tracing::error!(%error, "the role of this node could not be written down");
                }
                self.report.borrow_mut().problem = Some(format!("its role could not be written down: {error}"));
            }
        }
    }

    /// What could not be written down last time.
    fn save_again(&self) {
        if self.unsaved.get() {
            self.save();
        }
    }

    fn say(&self, words: &str) {
        tracing::warn!("{words}");
        self.voice.account().borrow().say(words);
    }
}

/// Starts this node's loop; as long as that cannot be, it is tried again, for a key may come later, and so may an address
/// of a private network. The guard guards all the same.
pub fn start(pair: Rc<Pair>) {
    tokio::task::spawn_local(async move {
        while let Err(why) = pair.begin().await {
            pair.note_problem(why);
            tokio::time::sleep(AGAIN).await;
        }
        pair.report.borrow_mut().problem = None;
    });
}

#[cfg(all(test, unix))]
mod tests;
