//! Giving the lease up: orders of people, split brains, leases that ran out.
//!
//! Invariant: in this order, whatever the reason: the gateway ends, its end is proven, its channels are switched off
//! in the config, the lease is given back. Only a planned switch drains before, within its budget; only a gateway that
//! is mute is left to run.

use super::super::evidence::Order;
use super::super::output::{Directive, Telling, Why};
use super::super::pause::Vouch;
use super::super::record::{NodeId, Term};
use super::Holder;
use super::process::Process;
use crate::time::Moment;

/// A lease that is being given up, or was lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leaving {
    why: Why,
    to: Option<NodeId>,
    /// It drains until then.
    drains_until: Option<Moment>,
    /// The lease of a guard before this one, under which its gateway ran: given back once that has ended.
    before: Option<Term>,
    switching_off: bool,
    switched_off: bool,
}

/// A lease that is being given up, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivingUp {
    /// What for.
    pub why: Why,
    /// Whom it is meant for; `None`: whoever comes first.
    pub to: Option<NodeId>,
    /// So long it finishes the work that it has; `None`: not any more.
    pub until: Option<Moment>,
}

impl Leaving {
    pub(super) const fn until(&self) -> Option<Moment> {
        self.drains_until
    }
}

impl Holder {
    /// The lease that this node holds is being given up.
    #[must_use]
    pub fn giving_up(&self) -> Option<GivingUp> {
        let leaving = self.leaving.as_ref().filter(|_| self.lease.is_some())?;
        Some(GivingUp { why: leaving.why, to: leaving.to, until: leaving.drains_until })
    }

    pub(super) fn leave(&mut self, now: Moment, why: Why, to: Option<NodeId>, drain: bool, out: &mut Vec<Directive>) {
        let drains_until =
            (drain && matches!(self.process, Process::Running(_))).then(|| now.plus(self.node.figures.drain_ms));
        if let Some(leaving) = &mut self.leaving {
            if drains_until.is_none() {
                leaving.drains_until = None;
                if std::mem::replace(&mut leaving.why, why) != why {
                    out.push(Directive::Tell(Telling::GaveUp(why)));
                }
            }
            return;
        }
        if let Some(until) = drains_until {
            // Its channels are switched off while it drains. A guard that begins meanwhile does not take it for one that
            // serves.
            if let Some(active) = &mut self.memory.active {
                (active.opened, active.to) = (false, to);
            }
            out.extend([Directive::Persist, Directive::Quiesce { until }]);
        } else if self.process.is_wanted() {
            self.end(now, why, out);
        }
        let (before, switching_off, switched_off) = (None, false, false);
        self.leaving = Some(Leaving { why, to, drains_until, before, switching_off, switched_off });
        out.push(Directive::Tell(Telling::GaveUp(why)));
    }

    /// What a guard before this one had started is not gone on with. Its lease is given back when it has ended, so that nobody
    /// suspects this machine, to whom that guard was handing it over.
    pub(super) fn leave_what_was_before(&mut self, now: Moment, out: &mut Vec<Directive>) {
        let before = self.memory.active.as_ref().map(|active| (active.term, active.to));
        self.leave(now, Why::Unproven, before.and_then(|(_, to)| to), false, out);
        if let Some(leaving) = &mut self.leaving {
            leaving.before = before.map(|(term, _)| term);
        }
    }

    pub(super) fn leave_on(&mut self, now: Moment, out: &mut Vec<Directive>) {
        let Some(leaving) = &mut self.leaving else { return };
        match self.process {
            Process::Unknown | Process::Ending { .. } => {}
            // It has not spoken under this lease, and goes on without it.
            Process::MuteStarting { .. } | Process::Mute { .. } => self.left(now, out),
            Process::Starting | Process::Running(_) | Process::Opening { .. } => {
                if leaving.drains_until.is_none_or(|until| now >= until) {
                    let why = leaving.why;
                    self.end(now, why, out);
                }
            }
            Process::Gone if leaving.switched_off => self.left(now, out),
            Process::Gone if leaving.switching_off => {}
            Process::Gone => {
                leaving.switching_off = true;
                out.push(Directive::Disable);
            }
        }
    }

    fn left(&mut self, now: Moment, out: &mut Vec<Directive>) {
        let (to, before) = self.leaving.take().map_or((None, None), |leaving| (leaving.to, leaving.before));
        self.begin_telling_anew();
        (self.seen, self.look_at) = (None, now);
        if let Some(term) = self.lease.take().map(|lease| lease.term).or(before) {
            // Others first: the node that could not, or should not, does not take it right back.
            self.rests_until = now.plus(self.node.figures.handover_ms);
            self.release(now, term, to, out);
        }
    }

    pub(super) fn quiesced(&mut self) {
        if let Some(leaving) = &mut self.leaving {
            leaving.drains_until = None;
        }
    }

    pub(super) fn disabled(&mut self, worked: bool, out: &mut Vec<Directive>) {
        let Some(leaving) = self.leaving.as_mut().filter(|leaving| leaving.switching_off) else { return };
        leaving.switched_off = true;
        if worked {
            self.memory.active = None;
            out.push(Directive::Persist);
        } else {
            self.tell_once(Telling::NotDisabled, out);
        }
    }

    /// Somebody else uses the channel although this node holds the lease: whoever it is, this node is not the second.
    pub(super) fn conflict(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if !self.process.is_wanted() {
            return;
        }
        self.leave(now, Why::SplitBrain, None, false, out);
        self.hold(true, out);
    }

    fn hold(&mut self, held: bool, out: &mut Vec<Directive>) {
        (self.memory.held, self.memory.wanted) = (held, false);
        out.push(Directive::Persist);
    }

    /// A person has paused or stopped this node's gateway. One that runs keeps the channels; a node that has none, and would
    /// be refused to start it, does not keep them from the others.
    pub(super) fn leave_where_hindered(&mut self, now: Moment, out: &mut Vec<Directive>) {
        let nothing_runs = self.process.is_silent() || self.process == Process::Starting;
        if self.hindered && nothing_runs && self.lease.is_some() && self.leaving.is_none() {
            self.leave(now, Why::Person, None, false, out);
        }
    }

    /// A lease that nothing runs under would make this machine one that may only be paused, for as long as it is away.
    pub(super) fn leave_at_the_end(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if self.ends && self.process.is_silent() && self.lease.is_some() && self.leaving.is_none() {
            self.leave(now, Why::GuardEnds, None, false, out);
        }
    }

    /// A drain that must be over before this.
    pub(super) fn drain_before(&mut self, end: Moment) {
        if let Some(until) = self.leaving.as_mut().and_then(|leaving| leaving.drains_until.as_mut()) {
            *until = (*until).min(end);
        }
    }

    pub(super) fn order(&mut self, now: Moment, order: &Order, out: &mut Vec<Directive>) {
        match order {
            Order::Promote { vouch } => self.promote(now, vouch.clone(), out),
            Order::HandOver { to } if *to != Some(self.node.id) && self.lease.is_some() => {
                match &mut self.leaving {
                    None => self.leave(now, Why::Person, *to, true, out),
                    // One that is under way goes to whom they named last.
                    Some(leaving) => {
                        leaving.to = *to;
                        if let Some(active) = &mut self.memory.active {
                            active.to = *to;
                            out.push(Directive::Persist);
                        }
                    }
                }
            }
            Order::HandOver { .. } => {}
            Order::Demote => {
                self.hold(true, out);
                if self.lease.is_some() {
                    self.leave(now, Why::Person, None, true, out);
                }
            }
            Order::Hold => self.hold(true, out),
            Order::Release => self.hold(false, out),
        }
    }

    fn promote(&mut self, now: Moment, vouch: Option<Vouch>, out: &mut Vec<Directive>) {
        (self.memory.held, self.memory.wanted) = (false, self.lease.is_none());
        out.push(Directive::Persist);
        if vouch.is_some() {
            self.vouch = vouch;
        }
        if self.lease.is_some() {
            return;
        }
        if let Some(node) = self.seen.as_ref().and_then(|seen| seen.view.holder) {
            out.push(Directive::Tell(Telling::HeldElsewhere { node }));
        }
        self.hurry(now);
    }
}
