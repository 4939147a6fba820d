//! The store, and the network between it and the nodes.

use super::{Answer, Due, Mutation, NODES, QUIET_US, Request, RequestId, SECOND, TROUBLE_US, Term, World};
use clawmend_core::failover::lease::{Evidence, View};
use clawmend_core::time::Moment;

impl World {
    fn delay(&mut self, node: usize) -> u64 {
        let usual = self.rng.waiting(4_000);
        if self.us < self.machines[node].slow_until { usual + self.rng.between(0, 8 * SECOND) } else { usual }
    }

    /// One message in two hundred never arrives.
    fn lost(&mut self) -> bool {
        self.us < QUIET_US && self.rng.chance(5)
    }

    pub(super) fn ask(&mut self, node: usize, request: RequestId, what: &Request) {
        let sent = self.machines[node].clock.at(self.us);
        self.machines[node].asked = request;
        let guard = self.machines[node].guards;
        let message = Due::AtStore { node, guard, request, what: what.clone(), sent };
        // A copy that comes much later, as retransmissions and proxies make them.
        if self.rng.chance(10) {
            let late = self.rng.waiting(10 * SECOND);
            self.after(late, message.clone());
        }
        if !self.lost() {
            let delay = self.delay(node);
            self.after(delay, message);
        }
    }

    pub(super) fn at_store(&mut self, node: usize, guard: u64, request: RequestId, what: &Request, sent: Moment) {
        if self.us < self.machines[node].cut_to || self.us < self.store_down_until {
            return;
        }
        self.tell_of_a_free_lease(50);
        let now = self.store.at(self.us);
        let id = self.machines[node].node.id;
        let answer = self.record.apply(id, what, now < self.expires);
        if matches!(answer, Answer::Acquired { .. } | Answer::Renewed { .. }) {
            self.expires = now.plus(self.figures.ttl_ms);
        }
        if matches!(answer, Answer::Released { .. }) {
            (0..NODES).for_each(|_| self.tell_of_a_free_lease(800));
        }
        if !matches!(what, Request::Look) {
            self.note(|| format!("store: node {node} {what:?} -> {answer:?}"));
        }
        let may_be_late = self.us < TROUBLE_US && matches!(answer, Answer::Renewed { .. });
        let late = self.machines[node].late_and_cut.take_if(|_| may_be_late);
        let back = Due::Back { node, guard, request, sent, answer };
        if let Some(us) = late {
            return self.late_and_cut(node, us, back);
        }
        if self.rng.chance(10) {
            let late = self.rng.waiting(10 * SECOND);
            self.after(late, back.clone());
        }
        if !self.lost() {
            let delay = self.delay(node);
            self.after(delay, back);
        }
    }

    /// To anybody at any time: a watch may be late, and may tell of what is long over.
    fn tell_of_a_free_lease(&mut self, per_mille: u64) {
        if self.rng.chance(per_mille) {
            let node = usize::try_from(self.rng.between(0, NODES as u64 - 1)).unwrap_or(0);
            self.oracle.tally.count("told of a free lease");
            let (guard, delay) = (self.machines[node].guards, self.rng.waiting(SECOND));
            self.after(delay, Due::Fact { node, guard, evidence: Evidence::Freed });
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
        if request > machine.asked_before && matches!(answer, Answer::Renewed { .. } | Answer::Acquired { .. }) {
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

#[cfg(test)]
mod tests {
    use super::super::super::Setting;
    use super::*;

    /// A late answer that waits for a node that never owned is not sprung on it when everything should work.
    #[test]
    fn in_the_quiet_nothing_is_late_or_lost() {
        for (us, cut) in [(SECOND, true), (TROUBLE_US, false), (QUIET_US, false)] {
            let mut world = World::new(1, Setting::no_pauses(), false);
            world.us = us;
            world.machines[0].late_and_cut = Some(60 * SECOND);
            let sent = world.machines[0].clock.at(us);
            world.at_store(0, 0, RequestId(1), &Request::Acquire, sent);
            let term = world.record.view(true).term;
            world.at_store(0, 0, RequestId(2), &Request::Renew { term, off: Default::default() }, sent);
            assert_eq!(world.machines[0].cut_to > us, cut, "at {us}");
        }
        let mut world = World::new(1, Setting::no_pauses(), false);
        world.us = QUIET_US;
        assert!((0..10_000).all(|_| !world.lost()));
    }
}
