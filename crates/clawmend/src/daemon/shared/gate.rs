//! The gate before every start of a gateway in shared mode, whoever asks: the repair of a crash, a person, a config that
//! was put back, a restart of the gateway's own.
//!
//! Invariants: a start that was decided, under a lease or with the channels off, opens the gate for one spawn and no more;
//! whoever passes carries the moment from which on nothing may be spawned any more, and says what became of it; one who
//! vanishes half-way leaves it unknown, and nobody passes until it is known. Start at [`Gate::pass`].

use crate::openclaw::channels::has_rival;
use clawmend_core::failover::lease::ActId;
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::ChannelState;
use clawmend_core::time::Moment;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// How long one who wants to start waits at the gate: a gateway that crashed is started anew within the pause between
/// two starts.
const PATIENCE: Duration = Duration::from_secs(8);

/// A start that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its name.
    pub act: ActId,
    /// Under what it runs.
    pub limit: Limit,
}

/// What whoever spawns must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// From then on nothing may be spawned any more.
    pub not_after: Moment,
    /// Its channels are off, so it runs without a lease. Otherwise the deadman must be armed.
    pub mute: bool,
}

/// What a gateway said of its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Who said it.
    pub life: Incarnation,
    /// One of them is at work.
    pub at_work: bool,
    /// Those that OpenClaw's crash-loop breaker keeps from starting, though they are on.
    pub held_back: Vec<AccountName>,
}

/// Names one account of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountName {
    /// Such as `telegram`.
    pub channel: String,
    /// Such as `default`.
    pub account: String,
}

/// What became of a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This process runs.
    Started(ActId, Incarnation),
    /// Nothing will come of it.
    NotStarted(ActId),
    /// The order may be carried out yet, until its moment has passed.
    Unknown(Grant),
    /// Not of a start: the channel's service says that somebody else uses the same channel.
    Rival,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open(Grant),
    /// Somebody is on the way with it.
    Taken(Grant),
}

/// The gate.
#[derive(Debug)]
pub struct Gate {
    state: RefCell<State>,
    changed: Notify,
    /// This node holds the lease, as far as it knows.
    owns: Cell<bool>,
    /// A person has ended a pause or an emergency stop, and what this node's ward was told last with it.
    lifted: Cell<bool>,
    /// What the gateway said last.
    word: watch::Sender<Option<Word>>,
    patience: Duration,
    /// One outcome for each grant, and one grant at a time.
    outcomes: mpsc::Sender<Outcome>,
}

impl Gate {
    /// Closed; outcomes go there.
    #[must_use]
    pub fn new(outcomes: mpsc::Sender<Outcome>) -> Rc<Self> {
        Self::patient(outcomes, PATIENCE)
    }

    fn patient(outcomes: mpsc::Sender<Outcome>, patience: Duration) -> Rc<Self> {
        let (state, owns) = (RefCell::new(State::Closed), Cell::new(false));
        let (word, _) = watch::channel(None);
        Rc::new(Self { state, changed: Notify::new(), owns, lifted: Cell::new(false), word, patience, outcomes })
    }

    /// Whether this node holds the lease, for whoever answers people.
    pub fn owns(&self) -> bool {
        self.owns.get()
    }

    /// Whether a start is not in vain: this node holds the lease, or its gateway is to wait with its channels off.
    pub fn lets_start(&self) -> bool {
        self.owns() || !matches!(*self.state.borrow(), State::Closed)
    }

    /// A person's word has taken the place of what the ward was told.
    pub fn lift(&self) {
        self.lifted.set(true);
    }

    /// Whether that was so since the last start.
    pub fn was_lifted(&self) -> bool {
        self.lifted.take()
    }

    /// It does, or does not any more.
    pub fn set_owns(&self, owns: bool) {
        self.owns.set(owns);
    }

    /// What the gateway says of its channels. One that is told of a second reader of the same bot has a rival.
    pub fn channels_say(&self, life: Option<&Incarnation>, accounts: &[ChannelState]) {
        if let Some(life) = life {
            let at_work = accounts.iter().any(|account| account.running || account.connected == Some(true));
            let held_back = accounts
                .iter()
                .filter(|account| account.wanted && account.suppressed)
                .map(|of| AccountName { channel: of.channel.clone(), account: of.account.clone() });
            self.word.send_replace(Some(Word { life: life.clone(), at_work, held_back: held_back.collect() }));
        }
        if accounts.iter().any(has_rival) {
            self.tell(Outcome::Rival);
        }
    }

    /// What the gateway said last of its channels, and will say.
    pub fn word(&self) -> watch::Receiver<Option<Word>> {
        self.word.subscribe()
    }

    /// Lets one start pass. One that is on its way still has its outcome to tell, so nothing is opened behind it.
    pub fn open(&self, grant: Grant) -> bool {
        let mut state = self.state.borrow_mut();
        if matches!(*state, State::Taken(_)) {
            return false;
        }
        *state = State::Open(grant);
        drop(state);
        self.changed.notify_waiters();
        true
    }

    /// Lets nobody pass any more. Gives the grant that nobody had used.
    pub fn close(&self) -> Option<Grant> {
        let mut state = self.state.borrow_mut();
        let State::Open(grant) = *state else { return None };
        *state = State::Closed;
        Some(grant)
    }

    /// The grant that nobody has used although its time is over; the gate is closed then.
    pub fn expired(&self, now: Moment) -> Option<Grant> {
        let over = matches!(*self.state.borrow(), State::Open(grant) if now >= grant.limit.not_after);
        if over { self.close() } else { None }
    }

    /// When a grant that nobody has used is over.
    pub fn expires_at(&self) -> Option<Moment> {
        match *self.state.borrow() {
            State::Open(grant) => Some(grant.limit.not_after),
            State::Closed | State::Taken(_) => None,
        }
    }

    /// Somebody is on the way with a start.
    pub fn is_taken(&self) -> bool {
        matches!(*self.state.borrow(), State::Taken(_))
    }

    /// Returns when nobody is on the way with a start any more.
    pub async fn settled(&self) {
        loop {
            let changed = self.changed.notified();
            if !self.is_taken() {
                return;
            }
            changed.await;
        }
    }

    /// What became of a start whose outcome was unknown.
    pub fn resolve(&self, outcome: Outcome) {
        *self.state.borrow_mut() = State::Closed;
        self.changed.notify_waiters();
        self.tell(outcome);
    }

    /// Waits for a grant, and takes it.
    ///
    /// # Errors
    /// None came: this node does not hold the lease, or may not start just now.
    pub async fn pass(&self) -> Result<Pass<'_>, Closed> {
        let taken = tokio::time::timeout(self.patience, async {
            loop {
                let changed = self.changed.notified();
                if let Some(grant) = self.take() {
                    return grant;
                }
                changed.await;
            }
        });
        taken.await.map(|grant| Pass { gate: self, grant, told: false }).map_err(|_| Closed)
    }

    fn take(&self) -> Option<Grant> {
        let mut state = self.state.borrow_mut();
        let State::Open(grant) = *state else { return None };
        *state = State::Taken(grant);
        Some(grant)
    }

    fn tell(&self, outcome: Outcome) {
        if self.outcomes.try_send(outcome).is_err() {
            tracing::error!("what became of a start was not heard; the next look at the keeper tells");
        }
    }
}

/// Why nothing is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this node of the shared group does not hold the lease, so nothing is started; `clawmend standby status` shows who does"
)]
pub struct Closed;

/// The right to one spawn. Dropped without a word, its outcome is unknown.
#[derive(Debug)]
pub struct Pass<'a> {
    gate: &'a Gate,
    grant: Grant,
    told: bool,
}

impl Pass<'_> {
    /// What it must keep to.
    pub const fn limit(&self) -> Limit {
        self.grant.limit
    }

    /// This process runs now.
    pub fn started(mut self, life: &Incarnation) {
        self.told = true;
        self.gate.resolve(Outcome::Started(self.grant.act, life.clone()));
    }

    /// Nothing was spawned, and nothing will be.
    pub fn refused(mut self) {
        self.told = true;
        self.gate.resolve(Outcome::NotStarted(self.grant.act));
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.gate.tell(Outcome::Unknown(self.grant));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn grant(act: u64) -> Grant {
        Grant { act: ActId(act), limit: Limit { not_after: Moment(1_000), mute: false } }
    }

    fn life() -> Incarnation {
        Incarnation { pid: 7, start: 8, boot: "b".into() }
    }

    fn gate() -> (Rc<Gate>, mpsc::Receiver<Outcome>) {
        let (sender, outcomes) = mpsc::channel(4);
        (Gate::patient(sender, Duration::from_millis(30)), outcomes)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nobody_passes_a_closed_gate_and_one_passes_an_open_one() {
        let (gate, mut outcomes) = gate();
        assert_eq!(gate.pass().await.unwrap_err(), Closed);
        assert!(!gate.lets_start());
        assert!(gate.open(grant(1)));
        assert!(gate.lets_start() && !gate.owns(), "a mute start needs no lease");
        let pass = gate.pass().await.unwrap();
        assert_eq!(pass.limit(), grant(1).limit);
        assert_eq!(gate.pass().await.unwrap_err(), Closed, "it lets one pass");
        assert!(!gate.open(grant(2)), "one is on the way");
        pass.started(&life());
        assert_eq!(outcomes.try_recv().unwrap(), Outcome::Started(ActId(1), life()));
        assert!(gate.open(grant(2)));
        gate.pass().await.unwrap().refused();
        assert_eq!(outcomes.try_recv().unwrap(), Outcome::NotStarted(ActId(2)));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn one_who_vanishes_half_way_keeps_it_closed_until_it_is_known() {
        let (gate, mut outcomes) = gate();
        assert!(gate.open(grant(1)));
        drop(gate.pass().await.unwrap());
        assert_eq!(outcomes.try_recv().unwrap(), Outcome::Unknown(grant(1)));
        assert!(gate.is_taken() && !gate.open(grant(2)) && gate.close().is_none());
        gate.resolve(Outcome::NotStarted(ActId(1)));
        gate.settled().await;
        assert!(gate.open(grant(2)));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_grant_that_nobody_uses_is_over_at_its_moment() {
        let (gate, _outcomes) = gate();
        assert!(gate.open(grant(1)));
        assert_eq!(gate.expired(Moment(999)), None);
        assert_eq!(gate.expires_at(), Some(Moment(1_000)));
        assert_eq!(gate.expired(Moment(1_000)), Some(grant(1)));
        assert_eq!(gate.pass().await.unwrap_err(), Closed);
        assert!(gate.open(grant(2)));
        assert_eq!(gate.close(), Some(grant(2)));
    }
}
