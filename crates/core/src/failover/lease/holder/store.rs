//! What is asked of the lease store, and what its answers are worth.
//!
//! Invariants: one request at a time; an answer counts only for the request that is open, and from when that was
//! sent; an answer that cannot be is worth as much as none.

use super::super::evidence::{Answer, RequestId};
use super::super::output::{Directive, Telling, Why};
use super::super::pause::{Clearance, clearance};
use super::super::record::{NodeId, Request, Term, View};
use super::{Holder, Lease};
use crate::time::Moment;
use std::collections::BTreeSet;

/// The request that is open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    id: RequestId,
    what: What,
    pub(super) at: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    Look,
    Acquire,
    Renew(Term),
    Release { term: Term, to: Option<NodeId>, left: u32 },
}

/// The record as it was last seen, and since when it has been free.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sighting {
    pub(super) view: View,
    free_since: Moment,
    /// It is free because this one let it run out, which was seen to hold it before.
    lost_by: Option<NodeId>,
}

impl Lease {
    /// A lease that an earlier guard started the gateway under, until the store confirms it.
    pub(super) const fn to_be_confirmed(term: Term, deadline: Moment, now: Moment) -> Self {
        Self {
            term,
            deadline,
            renew_at: now,
            confirmed: false,
            suspects: BTreeSet::new(),
            off: BTreeSet::new(),
            turning: BTreeSet::new(),
        }
    }
}

impl Holder {
    /// How often a release of unknown outcome is sent again. Then the lease runs out by itself.
    const RELEASES_MAX: u32 = 3;

    /// Asks what is due, if nothing is open.
    pub(super) fn ask(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if self.asked.as_ref().is_some_and(|asked| now.since(asked.at) >= self.node.figures.answer_ms) {
            self.unanswered(now, out);
        }
        if self.asked.is_some() {
            return;
        }
        if self.lease.is_some() {
            self.renew_if_due(now, out);
        } else if self.process.is_silent() && self.leaving.is_none() {
            self.apply_for_it(now, out);
        }
    }

    fn renew_if_due(&mut self, now: Moment, out: &mut Vec<Directive>) {
        let Some(lease) = self.lease.as_mut().filter(|lease| now >= lease.renew_at) else { return };
        lease.renew_at = now.plus(self.node.figures.renew_ms);
        let (term, off) = (lease.term, lease.off.clone());
        self.send(now, What::Renew(term), Request::Renew { term, off }, out);
    }

    fn apply_for_it(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if now < self.look_at {
            return;
        }
        let (what, request) = if self.may_acquire_at().is_some_and(|at| now >= at) {
            (What::Acquire, Request::Acquire)
        } else {
            (What::Look, Request::Look)
        };
        self.look_at = now.plus(self.node.figures.look_ms);
        self.send(now, what, request, out);
    }

    fn send(&mut self, now: Moment, what: What, request: Request, out: &mut Vec<Directive>) {
        self.requests = self.requests.saturating_add(1);
        let id = RequestId(self.requests);
        self.asked = Some(Asked { id, what, at: now });
        out.push(Directive::Ask { request: id, what: request });
    }

    /// Gives the lease back. From here on it is not counted on, whatever becomes of the request.
    pub(super) fn release(&mut self, now: Moment, term: Term, to: Option<NodeId>, out: &mut Vec<Directive>) {
        let what = What::Release { term, to, left: Self::RELEASES_MAX };
        self.send(now, what, Request::Release { term, to }, out);
    }

    /// Since when, or from when, this node may take the lease, if it is free and nothing keeps this node from it.
    fn may_acquire_at(&self) -> Option<Moment> {
        let seen = self.seen.as_ref().filter(|seen| seen.view.holder.is_none() && !self.stays_out())?;
        self.unvouched(&seen.view).is_none().then(|| self.turn(seen))
    }

    /// Whom a person must vouch for before the lease is taken.
    pub(super) fn unvouched(&self, view: &View) -> Option<BTreeSet<NodeId>> {
        let mut suspects = view.suspects.clone();
        suspects.remove(&self.node.id);
        match clearance(self.node.pause, view.term.next(), &suspects, self.vouch.as_ref()) {
            Clearance::Clear | Clearance::Accepted(_) | Clearance::TurnOff(_) => None,
            Clearance::AskPerson(nodes) => Some(nodes),
        }
    }

    /// When it is this node's turn to take a free lease.
    fn turn(&self, seen: &Sighting) -> Moment {
        let figures = &self.node.figures;
        // Whom it was handed over to comes first, also before one that a person wants.
        let first = seen.view.reserved.map_or(self.memory.wanted, |node| node == self.node.id);
        if first {
            return seen.free_since;
        }
        // Who let it run out does not come back for it at once: nobody waits for that one.
        let gone = seen.lost_by.is_some_and(|node| node < self.node.id);
        let rank_ms = figures.rank_ms.saturating_mul(u64::from(self.node.rank.saturating_sub(gone.into())));
        let reserved_ms = if seen.view.reserved.is_some() { figures.handover_ms } else { 0 };
        seen.free_since.plus(rank_ms.saturating_add(reserved_ms)).max(self.rests_until)
    }

    pub(super) fn answered(
        &mut self,
        now: Moment,
        request: RequestId,
        sent: Moment,
        answer: &Answer,
        out: &mut Vec<Directive>,
    ) {
        let Some(asked) = self.asked.as_ref().filter(|asked| asked.id == request) else { return };
        let sent = sent.min(now);
        let what = asked.what;
        self.store_says(answer, out);
        match (what, answer) {
            (What::Look, Answer::Seen(view)) => {
                self.asked = None;
                self.seen(now, view, out);
                self.hurry(now);
            }
            // Somebody was faster; the next look has its time.
            (What::Acquire, Answer::Refused(view)) => {
                self.asked = None;
                self.seen(now, view, out);
            }
            (What::Acquire, Answer::Acquired { term, suspects }) => {
                self.asked = None;
                self.acquired(now, sent, *term, suspects, out);
            }
            (What::Renew(term), Answer::Renewed { term: said }) if term == *said => {
                self.asked = None;
                self.renewed(sent);
            }
            (What::Renew(term), Answer::Renewed { term: said }) => {
                out.push(Directive::Tell(Telling::StoreConfused { said: *said, known: term }));
                self.unanswered(now, out);
            }
            (What::Renew(_), Answer::Refused(_)) => {
                self.asked = None;
                self.lose(now, Why::Taken, out);
            }
            (What::Release { .. }, Answer::Released { .. } | Answer::Refused(_)) => self.asked = None,
            (What::Look | What::Acquire | What::Renew(_) | What::Release { .. }, _) => self.unanswered(now, out),
        }
    }

    /// The open request may have been carried out, or may be yet.
    fn unanswered(&mut self, now: Moment, out: &mut Vec<Directive>) {
        let Some(asked) = self.asked.take() else { return };
        self.store_is_silent(asked.at, asked.what != What::Look);
        match asked.what {
            What::Look => {}
            What::Acquire => self.seen = None,
            What::Renew(_) => self.not_renewed(now, out),
            What::Release { term, to, left } if left > 0 => {
                let what = What::Release { term, to, left: left - 1 };
                self.send(now, what, Request::Release { term, to }, out);
            }
            What::Release { .. } => {}
        }
    }

    fn not_renewed(&mut self, now: Moment, out: &mut Vec<Directive>) {
        let Some(lease) = &mut self.lease else { return };
        // Sooner than usual, but never in a tight loop.
        lease.renew_at = lease.renew_at.min(now.plus((self.node.figures.renew_ms / 4).max(1)));
        if !lease.confirmed && self.process.is_wanted() {
            self.lose(now, Why::Unproven, out);
        }
    }

    fn seen(&mut self, now: Moment, view: &View, out: &mut Vec<Directive>) {
        if view.term < self.memory.seen {
            self.seen = None;
            let known = self.memory.seen;
            return self.tell_once(Telling::StoreConfused { said: view.term, known }, out);
        }
        if view.term > self.memory.seen {
            // Somebody has owned since: what is in the way now is told, though it may be what was in the way before.
            self.begin_telling_anew();
        }
        self.memory.seen = view.term;
        let before = self.seen.as_ref().filter(|seen| seen.view.term == view.term);
        let free_since = before.filter(|seen| seen.view.holder.is_none()).map_or(now, |seen| seen.free_since);
        let held = before.and_then(|seen| seen.view.holder.or(seen.lost_by));
        let lost_by = held.filter(|node| view.holder.is_none() && view.suspects.contains(node));
        self.seen = Some(Sighting { view: view.clone(), free_since, lost_by });
        if let Some(nodes) = self.unvouched(view).filter(|_| view.holder.is_none() && !self.stays_out()) {
            self.tell_once(Telling::NeedsPerson { nodes }, out);
        }
    }

    /// A lease that is free is asked for when it is this node's turn, not at the next look.
    pub(super) fn hurry(&mut self, now: Moment) {
        if let Some(at) = self.may_acquire_at() {
            self.look_at = self.look_at.min(at.max(now));
        }
    }

    /// One question more for each word, at once or behind the one that is open. Whoever gives the words must bound how many.
    pub(super) fn ask_sooner(&mut self, now: Moment) {
        match &mut self.lease {
            Some(lease) => lease.renew_at = lease.renew_at.min(now),
            None => self.look_at = self.look_at.min(now),
        }
    }

    fn acquired(
        &mut self,
        now: Moment,
        sent: Moment,
        term: Term,
        suspects: &BTreeSet<NodeId>,
        out: &mut Vec<Directive>,
    ) {
        self.seen = None;
        let known = self.memory.seen;
        if term <= known {
            self.rests_until = now.plus(self.node.figures.retry_ms);
            return self.tell_once(Telling::StoreConfused { said: term, known }, out);
        }
        (self.memory.seen, self.memory.wanted) = (term, false);
        out.push(Directive::Persist);
        self.begin_telling_anew();
        self.lease = Some(Lease {
            deadline: self.node.figures.deadline(sent),
            renew_at: sent.plus(self.node.figures.renew_ms),
            confirmed: true,
            suspects: suspects.clone(),
            ..Lease::to_be_confirmed(term, sent, now)
        });
        if self.memory.held {
            // A person said so while the question was on its way.
            self.leave(now, Why::Person, None, false, out);
        }
    }

    fn renewed(&mut self, sent: Moment) {
        let deadline = self.node.figures.deadline(sent);
        if let Some(lease) = &mut self.lease {
            lease.confirmed = true;
            lease.deadline = lease.deadline.max(deadline);
        }
    }

    /// The lease is not ours any more, or soon will not be.
    pub(super) fn lose(&mut self, now: Moment, why: Why, out: &mut Vec<Directive>) {
        let Some(lease) = self.lease.take() else { return };
        (self.asked, self.seen) = (None, None);
        if why == Why::RanOut {
            // Others first: whose way to the store comes and goes would take it back each time, and never boot to its end.
            // They have had their time if this node was asleep meanwhile.
            self.rests_until = lease.deadline.plus(self.node.figures.handover_ms);
        }
        self.leave(now, why, None, false, out);
    }
}
