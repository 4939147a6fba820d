//! The store, and the network between it and the nodes.

use super::{Answer, Due, Mutation, Request, RequestId, SECOND, Term, World};
use clawmend_core::failover::lease::{Evidence, View};
use clawmend_core::time::Moment;

impl World {
    fn delay(&mut self, node: usize) -> u64 {
        let usual = self.rng.waiting(4_000);
        if self.us < self.machines[node].slow_until { usual + self.rng.between(0, 8 * SECOND) } else { usual }
    }

    pub(super) fn ask(&mut self, node: usize, request: RequestId, what: &Request) {
        let sent = self.machines[node].clock.at(self.us);
        let guard = self.machines[node].guards;
        let message = Due::AtStore { node, guard, request, what: what.clone(), sent };
        // A copy that comes much later, as retransmissions and proxies make them.
        if self.rng.chance(10) {
            let late = self.rng.waiting(10 * SECOND);
            self.after(late, message.clone());
        }
        if !self.rng.chance(5) {
            let delay = self.delay(node);
            self.after(delay, message);
        }
    }

    pub(super) fn at_store(&mut self, node: usize, guard: u64, request: RequestId, what: &Request, sent: Moment) {
        if self.us < self.machines[node].cut_to || self.us < self.store_down_until {
            return;
        }
        let now = self.store.at(self.us);
        let id = self.machines[node].node.id;
        let answer = self.record.apply(id, what, now < self.expires);
        if matches!(answer, Answer::Acquired { .. } | Answer::Renewed { .. }) {
            self.expires = now.plus(self.figures.ttl_ms);
        }
        if !matches!(what, Request::Look) {
            self.note(|| format!("store: node {node} {what:?} -> {answer:?}"));
        }
        let late = self.machines[node].late_and_cut.take_if(|_| matches!(answer, Answer::Renewed { .. }));
        let back = Due::Back { node, guard, request, sent, answer };
        if let Some(us) = late {
            return self.late_and_cut(node, us, back);
        }
        if self.rng.chance(10) {
            let late = self.rng.waiting(10 * SECOND);
            self.after(late, back.clone());
        }
        if !self.rng.chance(5) {
            let delay = self.delay(node);
            self.after(delay, back);
        }
    }

    /// Late, but not so late that the request counts as unanswered.
    fn late_and_cut(&mut self, node: usize, us: u64, back: Due) {
        let delay = self.figures.answer_ms * 900;
        let now = self.us;
        let machine = &mut self.machines[node];
        machine.cut_to = machine.cut_to.max(now + us);
        self.after(delay, back);
    }

    pub(super) fn back(&mut self, node: usize, guard: u64, request: RequestId, sent: Moment, answer: Answer) {
        let machine = &mut self.machines[node];
        if self.us < machine.cut_from || machine.guards != guard {
            return;
        }
        // A clock that stood still shows the same millisecond before the pause and after it.
        if sent > machine.resumed && matches!(answer, Answer::Renewed { .. } | Answer::Acquired { .. }) {
            machine.behind = None;
        }
        let garbage = std::mem::take(&mut machine.garbage);
        let late = self.setting.mutation == Mutation::CountedFromTheAnswer;
        let sent = if late { machine.clock.at(self.us) } else { sent };
        let answer = if garbage { self.garbage() } else { answer };
        self.tell(node, Evidence::Answered { request, sent, answer });
    }

    fn garbage(&mut self) -> Answer {
        self.oracle.tally.count("wrong answer");
        match self.rng.between(0, 3) {
            0 => Answer::Unknown,
            1 => Answer::Renewed { term: Term(self.rng.between(0, 1_000)) },
            2 => Answer::Refused(View::default()),
            _ => Answer::Seen(View::default()),
        }
    }
}
