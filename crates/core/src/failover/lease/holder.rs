//! The state machine of one node in a shared group.
//!
//! Evidence comes in through [`Holder::observe`], time through [`Holder::poll`], at the latest at
//! [`Holder::next_wake`]. Each is followed by the same decisions in the same order: what must end, ends first
//! (`decide`). `store` asks the lease store and reads its answers, `process` starts and ends the gateway, `warm` has one
//! run that may not speak, `leaving` gives the lease up, `silence` tells of a store that says nothing.

mod leaving;
mod process;
mod silence;
mod store;
mod warm;

use super::evidence::{ActId, Evidence, Fenced};
use super::figures::Figures;
use super::memory::Memory;
use super::output::{Directive, Telling, Why};
use super::pause::{PausePolicy, Vouch};
use super::record::{NodeId, Term};
use crate::time::Moment;
pub use leaving::GivingUp;
use leaving::Leaving;
use process::Process;
use silence::Silence;
use std::collections::BTreeSet;
use store::{Asked, Sighting};

/// This node in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its name.
    pub id: NodeId,
    /// How many take over before it.
    pub rank: u32,
    /// What it does about machines that may be paused.
    pub pause: PausePolicy,
    /// The figures; [`Figures::check`] has passed them.
    pub figures: Figures,
    /// Its gateway runs while it does not own, mute.
    pub warm: bool,
}

/// A lease that this node holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The fence.
    pub term: Term,
    /// From then on no gateway of this node may be left alone: its end begins.
    pub deadline: Moment,
    renew_at: Moment,
    /// The store has said so since this guard began, or woke.
    confirmed: bool,
    suspects: BTreeSet<NodeId>,
    /// Proven to be off, under this term.
    off: BTreeSet<NodeId>,
    /// The hook is at work on these.
    turning: BTreeSet<NodeId>,
}

/// What the gate before every start says, whoever starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It may run.
    Open {
        /// Under this term.
        term: Term,
        /// Until then, unless the lease is renewed.
        until: Moment,
    },
    /// It may not.
    Closed,
}

/// Decides for one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    node: Node,
    memory: Memory,
    lease: Option<Lease>,
    process: Process,
    leaving: Option<Leaving>,
    asked: Option<Asked>,
    requests: u64,
    seen: Option<Sighting>,
    /// The store's.
    silence: Option<Silence>,
    /// It owned when the store last said who does.
    owned_last: bool,
    look_at: Moment,
    /// It does not take over before.
    rests_until: Moment,
    vouch: Option<Vouch>,
    fenced: Option<Fenced>,
    /// The deadman was last asked for this.
    arming: Option<Fenced>,
    acts: ActId,
    /// The last start among them.
    last_start: ActId,
    start_at: Moment,
    /// No mute start before.
    mute_at: Moment,
    turn_off_at: Moment,
    failed_starts: u32,
    /// It could start nothing.
    hindered: bool,
    /// The guard ends.
    ends: bool,
    ran: Option<Moment>,
    told: Vec<Telling>,
}

impl Holder {
    /// Different things told until the role changes.
    const TOLD_MAX: usize = 8;

    /// Goes on from what an earlier guard remembered. Nothing is decided before [`super::Gateway::Found`].
    #[must_use]
    pub const fn new(node: Node, memory: Memory) -> Self {
        Self {
            node,
            memory,
            lease: None,
            process: Process::Unknown,
            leaving: None,
            asked: None,
            requests: 0,
            seen: None,
            silence: None,
            owned_last: false,
            look_at: Moment(0),
            rests_until: Moment(0),
            vouch: None,
            fenced: None,
            arming: None,
            acts: ActId(0),
            last_start: ActId(0),
            start_at: Moment(0),
            mute_at: Moment(0),
            turn_off_at: Moment(0),
            failed_starts: 0,
            hindered: false,
            ends: false,
            ran: None,
            told: Vec::new(),
        }
    }

    /// What outlives this guard.
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The lease that this node counts on.
    #[must_use]
    pub const fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// A gateway runs that may not speak, or is about to.
    #[must_use]
    pub const fn is_mute(&self) -> bool {
        matches!(self.process, Process::MuteStarting { .. } | Process::Mute { .. })
    }

    /// Its gateway runs mute, and by its own word: it can be opened.
    #[must_use]
    pub const fn is_warm(&self) -> bool {
        matches!(self.process, Process::Mute { sure: true, .. })
    }

    /// It owns: its gateway runs, with its channels on.
    #[must_use]
    pub const fn owns(&self) -> bool {
        self.lease.is_some() && matches!(self.process, Process::Running(_))
    }

    /// Whether a gateway may be started or go on, for whoever is about to start one.
    #[must_use]
    pub fn gate(&self, now: Moment) -> Gate {
        match &self.lease {
            Some(lease) if now < lease.deadline && self.leaving.is_none() && self.process.is_wanted() => {
                Gate::Open { term: lease.term, until: lease.deadline }
            }
            Some(_) | None => Gate::Closed,
        }
    }

    /// It takes no lease: a person holds it, it could start nothing, or its guard ends.
    const fn stays_out(&self) -> bool {
        self.memory.held || self.hindered || self.ends
    }

    /// Whom a person would have to vouch for, so that this node may own: to be shown to them, and given back with
    /// [`super::Order::Promote`]. Nobody when nothing is in the way.
    #[must_use]
    pub fn to_vouch_for(&self) -> Option<Vouch> {
        let (term, mut nodes) = match (&self.lease, &self.seen) {
            (Some(lease), _) => (lease.term, lease.suspects.clone()),
            (None, Some(seen)) if seen.view.holder.is_none() => (seen.view.term.next(), seen.view.suspects.clone()),
            (None, Some(_) | None) => return None,
        };
        nodes.remove(&self.node.id);
        (!nodes.is_empty()).then_some(Vouch { term, nodes })
    }

    /// Takes one fact.
    pub fn observe(&mut self, now: Moment, evidence: &Evidence, out: &mut Vec<Directive>) {
        self.notice_sleep(now, out);
        match evidence {
            Evidence::Answered { request, sent, answer } => self.answered(now, *request, *sent, answer, out),
            Evidence::Freed => self.ask_sooner(now),
            Evidence::Gateway(gateway) => self.gateway(now, gateway, out),
            Evidence::Armed(fenced) => self.fenced = Some(*fenced),
            Evidence::NotArmed => self.not_armed(now, out),
            Evidence::Unfenced => self.unfenced(now, out),
            Evidence::TurnedOff { node, term, worked } => self.turned_off(now, *node, *term, *worked, out),
            Evidence::Quiesced => self.quiesced(),
            Evidence::Disabled { worked } => self.disabled(*worked, out),
            Evidence::Conflict => self.conflict(now, out),
            Evidence::Woke => self.doubt(now, out),
            Evidence::Hindered(hindered) => self.hindered = *hindered,
            Evidence::GuardEnds => self.ends = true,
            Evidence::Person(order) => self.order(now, order, out),
        }
        self.decide(now, out);
    }

    /// Lets time pass.
    pub fn poll(&mut self, now: Moment, out: &mut Vec<Directive>) {
        self.notice_sleep(now, out);
        self.decide(now, out);
    }

    /// When it must be polled at the latest. Never later than half of what counts as sleep.
    #[must_use]
    pub fn next_wake(&self, now: Moment) -> Moment {
        let cap = now.plus((self.node.figures.asleep_ms / 2).max(1));
        let answer = self.asked.as_ref().map(|asked| asked.at.plus(self.node.figures.answer_ms));
        let deadline = self.lease.as_ref().map(|lease| lease.deadline);
        let asking = self.asked.is_none().then(|| self.lease.as_ref().map_or(self.look_at, |lease| lease.renew_at));
        let drained = self.leaving.as_ref().and_then(Leaving::until);
        let nagging = self.process.nag_at(&self.node.figures);
        let starting = (self.lease.is_some() && self.process == Process::Gone).then_some(self.start_at);
        let warming = self.warms_at();
        let due = [answer, deadline, asking, drained, nagging, starting, warming].into_iter().flatten();
        due.filter(|at| *at > now).min().map_or(cap, |at| at.min(cap))
    }

    fn decide(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if self.process == Process::Unknown {
            return;
        }
        self.end_what_ran_out(now, out);
        self.insist_on_ends(now, out);
        self.leave_where_hindered(now, out);
        self.leave_at_the_end(now, out);
        self.leave_on(now, out);
        self.ask(now, out);
        self.keep_armed(out);
        self.start(now, out);
        self.keep_warm(now, out);
        self.tell_of_silence(now, out);
    }

    fn end_what_ran_out(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if self.lease.as_ref().is_some_and(|lease| now >= lease.deadline) {
            self.lose(now, Why::RanOut, out);
        }
    }

    fn notice_sleep(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if self.ran.is_some_and(|at| now.since(at) > self.node.figures.asleep_ms) {
            self.doubt(now, out);
        }
        self.ran = Some(now);
    }

    /// Others may have owned meanwhile: first the gateway ends, then the store is asked.
    fn doubt(&mut self, now: Moment, out: &mut Vec<Directive>) {
        (self.asked, self.seen, self.fenced, self.arming) = (None, None, None, None);
        self.slept_through_silence(now);
        if let Some(lease) = &mut self.lease {
            (lease.confirmed, lease.renew_at) = (false, now);
        }
        // One that is mute has nothing to say, whoever owns.
        if self.process.is_wanted() {
            self.end(now, Why::Woke, out);
        }
    }

    /// Each thing once, until the role changes.
    fn tell_once(&mut self, telling: Telling, out: &mut Vec<Directive>) {
        if !self.told.contains(&telling) && self.told.len() < Self::TOLD_MAX {
            self.told.push(telling.clone());
            out.push(Directive::Tell(telling));
        }
    }

    fn begin_telling_anew(&mut self) {
        self.told.clear();
    }
}
