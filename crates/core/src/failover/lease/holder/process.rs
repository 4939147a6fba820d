//! Starts and ends of the gateway.
//!
//! Invariants: a start, and opening one that is mute, needs a lease that the store has confirmed, room for a renewal,
//! everybody else accounted for, and an armed deadman; an end that was asked for is insisted on until it is proven.

use super::super::evidence::{ActId, Fenced, Gateway};
use super::super::figures::Figures;
use super::super::memory::Active;
use super::super::output::{Directive, Telling, Why};
use super::super::pause::{Clearance, clearance};
use super::super::record::{NodeId, Term};
use super::{Holder, Lease};
use crate::gateway::Incarnation;
use crate::time::Moment;
use std::collections::BTreeSet;

/// What is known of the gateway's process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Process {
    /// The guard has just begun.
    Unknown,
    /// None runs, and none is about to: proven.
    Gone,
    /// A start was asked for, and has not been answered.
    Starting,
    /// It runs, and may speak.
    Running(Incarnation),
    /// It ran mute, and its channels are being switched on: from the order on it may speak.
    Opening {
        act: ActId,
        life: Incarnation,
        /// Then it is given up.
        until: Moment,
    },
    /// A start with its channels off was asked for, and has not been answered.
    MuteStarting { since: Moment },
    /// It runs with its channels off.
    Mute {
        life: Incarnation,
        since: Moment,
        /// By its own word.
        sure: bool,
    },
    /// Its end was asked for, and is not proven.
    Ending { asked: Moment, why: Why },
}

impl Process {
    /// It may speak, now or soon, and nobody has asked for its end.
    pub(super) const fn is_wanted(&self) -> bool {
        matches!(self, Self::Starting | Self::Running(_) | Self::Opening { .. })
    }

    /// Nothing that may speak runs, or is about to: proven.
    pub(super) const fn is_silent(&self) -> bool {
        matches!(self, Self::Gone | Self::MuteStarting { .. } | Self::Mute { .. })
    }

    pub(super) fn nag_at(&self, figures: &Figures) -> Option<Moment> {
        match self {
            Self::Ending { asked, .. } => Some(asked.plus(figures.kill_ms.max(1))),
            Self::Unknown
            | Self::Gone
            | Self::Starting
            | Self::Running(_)
            | Self::Opening { .. }
            | Self::MuteStarting { .. }
            | Self::Mute { .. } => None,
        }
    }
}

impl Holder {
    /// Starts in a row that may fail before the lease is left to another node.
    const STARTS_MAX: u32 = 3;

    pub(super) fn gateway(&mut self, now: Moment, gateway: &Gateway, out: &mut Vec<Directive>) {
        match gateway {
            Gateway::Found { life, fenced } => self.found(now, life.as_ref(), *fenced, out),
            Gateway::Started { act, life } if *act == self.last_start => self.started(now, life, out),
            Gateway::NotStarted { act } if *act == self.last_start => self.not_started(now, out),
            Gateway::Ended { after } if *after >= self.last_start && self.process != Process::Unknown => {
                self.gone(now);
            }
            Gateway::Started { .. } | Gateway::NotStarted { .. } | Gateway::Ended { .. } => {}
            Gateway::Stranger(life) => self.stranger(now, life, out),
            Gateway::Mute { life } => self.is_heard_mute(life),
            Gateway::Speaks { life } => self.speaks(now, life, out),
            Gateway::Opened { act } => self.opened(*act, out),
            Gateway::NotOpened { act } => self.not_opened(now, *act, out),
        }
    }

    fn found(&mut self, now: Moment, life: Option<&Incarnation>, fenced: Option<Fenced>, out: &mut Vec<Directive>) {
        if self.process != Process::Unknown {
            return;
        }
        self.owned_last = self.memory.active.is_some();
        let Some(life) = life else {
            self.gone(now);
            // Whatever it was enabled for is over.
            return if self.memory.active.is_some() {
                self.leave_what_was_before(now, out)
            };
        };
        if self.found_mute(now, life) {
            return;
        }
        self.process = Process::Running(life.clone());
        let active = self.memory.active.as_ref().filter(|active| active.life.as_ref() == Some(life));
        match (active, fenced) {
            (Some(active), Some(fenced)) if active.opened && active.term == fenced.term && now < fenced.until => {
                self.lease = Some(Lease::to_be_confirmed(active.term, fenced.until, now));
                (self.fenced, self.arming) = (Some(fenced), Some(fenced));
            }
            (Some(_) | None, Some(_) | None) => self.leave_what_was_before(now, out),
        }
    }

    fn started(&mut self, now: Moment, life: &Incarnation, out: &mut Vec<Directive>) {
        if matches!(self.process, Process::MuteStarting { .. }) {
            return self.started_mute(now, life, out);
        }
        // Or its end was asked for, or proven, before this was told.
        if self.process != Process::Starting {
            return;
        }
        self.process = Process::Running(life.clone());
        self.it_speaks(life, out);
    }

    /// It may speak, and does.
    pub(super) fn it_speaks(&mut self, life: &Incarnation, out: &mut Vec<Directive>) {
        self.failed_starts = 0;
        if let Some(active) = &mut self.memory.active {
            (active.life, active.opened) = (Some(life.clone()), true);
            let term = active.term;
            out.push(Directive::Persist);
            self.tell_once(Telling::Owns { term }, out);
        }
    }

    /// Also while a start is under way: then both end.
    fn stranger(&mut self, now: Moment, life: &Incarnation, out: &mut Vec<Directive>) {
        if self.process.is_wanted() || self.process.is_silent() {
            self.process = Process::Running(life.clone());
            self.end(now, Why::NotOurs, out);
        }
    }

    /// A gateway that cannot be shut off is not left to run here: another node may be able to.
    pub(super) fn unfenced(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if matches!(self.process, Process::Mute { .. }) {
            // It could never be opened.
            self.end(now, Why::Unfenced, out);
        }
        if self.lease.is_some() || self.process.is_wanted() {
            self.leave(now, Why::Unfenced, None, false, out);
        }
    }

    /// None of this node runs any more.
    pub(super) fn gone(&mut self, now: Moment) {
        self.process = Process::Gone;
        self.memory.mute = None;
        self.is_cold(now);
    }

    pub(super) fn next_act(&mut self) -> ActId {
        self.acts = ActId(self.acts.0.saturating_add(1));
        self.acts
    }

    fn not_started(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if matches!(self.process, Process::MuteStarting { .. }) {
            return self.gone(now);
        }
        if self.process != Process::Starting {
            return;
        }
        self.gone(now);
        self.start_failed(now, out);
    }

    fn start_failed(&mut self, now: Moment, out: &mut Vec<Directive>) {
        self.failed_starts = self.failed_starts.saturating_add(1);
        if self.failed_starts >= Self::STARTS_MAX {
            self.failed_starts = 0;
            self.leave(now, Why::CannotStart, None, false, out);
        }
    }

    /// Nothing starts without it, and it is asked for again with each renewal. One that has no gateway yet does not keep
    /// the lease from nodes that could have one.
    pub(super) fn not_armed(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if self.process.is_silent() {
            self.tell_once(Telling::NoDeadman, out);
        }
        if self.lease.is_none() || self.leaving.is_some() {
            return;
        }
        match self.fenced {
            _ if self.process.is_silent() => self.start_failed(now, out),
            // One try is left, if that: it would be ended in the middle of a turn.
            Some(fenced) if self.process.is_wanted() && fenced.until.since(now) <= self.last_try_ms() => {
                self.leave(now, Why::NoDeadman, None, true, out);
                self.drain_before(fenced.until);
            }
            Some(_) | None => {}
        }
    }

    /// A renewal and a half.
    const fn last_try_ms(&self) -> u64 {
        self.node.figures.renew_ms.saturating_add(self.node.figures.renew_ms / 2)
    }

    /// Asks for the end of whatever runs or is being started, also of one that is mute.
    pub(super) fn end(&mut self, now: Moment, why: Why, out: &mut Vec<Directive>) {
        if self.process.is_wanted() || self.is_mute() {
            self.process = Process::Ending { asked: now, why };
            let act = self.next_act();
            out.push(Directive::End { act, why });
        }
    }

    pub(super) fn insist_on_ends(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if self.process.nag_at(&self.node.figures).is_none_or(|at| now < at) {
            return;
        }
        if let Process::Ending { why, .. } = self.process {
            self.process = Process::Ending { asked: now, why };
            let act = self.next_act();
            out.push(Directive::End { act, why });
            self.tell_once(Telling::StillRunning, out);
        }
    }

    /// The deadman of a gateway that runs follows the lease, also while it drains: it would end it in the middle of a turn.
    pub(super) fn keep_armed(&mut self, out: &mut Vec<Directive>) {
        let goes_on = self.leaving.as_ref().is_none_or(|leaving| leaving.until().is_some());
        if self.process.is_wanted() && goes_on {
            self.arm(out);
        }
    }

    pub(super) fn arm(&mut self, out: &mut Vec<Directive>) {
        let Some(lease) = self.lease.as_ref().filter(|lease| lease.confirmed) else { return };
        let wanted = Fenced { term: lease.term, until: lease.deadline };
        if self.arming != Some(wanted) {
            self.arming = Some(wanted);
            out.push(Directive::Arm { term: wanted.term, until: wanted.until });
        }
    }

    pub(super) fn start(&mut self, now: Moment, out: &mut Vec<Directive>) {
        let ready = match self.process {
            Process::Gone => now >= self.start_at,
            Process::Mute { sure, .. } => sure,
            Process::Unknown
            | Process::Starting
            | Process::Running(_)
            | Process::Opening { .. }
            | Process::MuteStarting { .. }
            | Process::Ending { .. } => false,
        };
        let ready = ready && self.leaving.is_none();
        let Some(lease) = self.lease.as_ref().filter(|lease| ready && lease.confirmed) else { return };
        match clearance(self.node.pause, lease.term, &lease.suspects, self.vouch.as_ref()) {
            Clearance::Clear => self.note_vouched(),
            Clearance::Accepted(nodes) => self.tell_once(Telling::Residual { nodes }, out),
            Clearance::TurnOff(nodes) => return self.turn_off(now, &nodes, out),
            Clearance::AskPerson(nodes) => {
                self.leave(now, Why::NotCleared, None, false, out);
                return self.tell_once(Telling::NeedsPerson { nodes }, out);
            }
        }
        self.arm(out);
        self.start_if_armed(now, out);
    }

    fn start_if_armed(&mut self, now: Moment, out: &mut Vec<Directive>) {
        let figures = self.node.figures;
        let (Some(lease), Some(fenced)) = (&self.lease, self.fenced) else { return };
        let until = fenced.until.min(lease.deadline);
        if fenced.term != lease.term || until.since(now) < figures.renew_ms {
            return;
        }
        let term = lease.term;
        if let Process::Mute { life, .. } = &self.process {
            let life = life.clone();
            return self.open(now, &life, term, until, out);
        }
        self.memory.active = Some(Active { term, life: None, opened: true, to: None });
        self.start_at = now.plus(figures.retry_ms);
        self.process = Process::Starting;
        out.push(Directive::Persist);
        let act = self.next_act();
        self.last_start = act;
        out.push(Directive::Start { act, term, not_after: until });
    }

    /// A person's word is worth as much as the hook's: the record is told, so that nobody asks for it again.
    fn note_vouched(&mut self) {
        let (Some(lease), Some(vouch)) = (&mut self.lease, &self.vouch) else { return };
        if vouch.term == lease.term {
            lease.off.extend(vouch.nodes.iter().filter(|node| lease.suspects.remove(node)));
        }
    }

    fn turn_off(&mut self, now: Moment, nodes: &BTreeSet<NodeId>, out: &mut Vec<Directive>) {
        let Some(lease) = self.lease.as_mut().filter(|_| now >= self.turn_off_at) else { return };
        let term = lease.term;
        let fresh: Vec<NodeId> = nodes.iter().filter(|node| lease.turning.insert(**node)).copied().collect();
        for node in fresh {
            out.push(Directive::TurnOff { node, term });
            self.tell_once(Telling::TurningOff { node }, out);
        }
    }

    pub(super) fn turned_off(&mut self, now: Moment, node: NodeId, term: Term, worked: bool, out: &mut Vec<Directive>) {
        let Some(lease) = self.lease.as_mut().filter(|lease| lease.term == term) else { return };
        if !lease.turning.remove(&node) {
            return;
        }
        if worked {
            lease.suspects.remove(&node);
            lease.off.insert(node);
        } else {
            self.turn_off_at = now.plus(self.node.figures.retry_ms);
            self.tell_once(Telling::NotTurnedOff { node }, out);
        }
    }
}
