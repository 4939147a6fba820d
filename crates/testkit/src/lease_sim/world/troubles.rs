//! What happens to the group, and what people do.

use super::{Due, Evidence, Mutation, NODES, NodeId, Order, PausePolicy, SECOND, TROUBLE_US, Trouble, World};
use crate::lease_sim::node::Paused;
use clawmend_core::failover::lease::{Gateway, Memory};

impl World {
    pub(super) fn trouble(&mut self, index: usize) {
        let Some((_, node, trouble)) = self.script.get(index).copied() else { return };
        self.note(|| format!("node {node}: ---- {trouble:?}"));
        let now = self.us;
        let machine = &mut self.machines[node];
        match trouble {
            Trouble::CutTo(us) => machine.cut_to = machine.cut_to.max(now + us),
            Trouble::CutFrom(us) => machine.cut_from = machine.cut_from.max(now + us),
            Trouble::Cut(us) => {
                machine.cut_to = machine.cut_to.max(now + us);
                machine.cut_from = machine.cut_from.max(now + us);
            }
            Trouble::StoreDown(us) => self.store_down_until = self.store_down_until.max(now + us),
            Trouble::Slow(us) => machine.slow_until = machine.slow_until.max(now + us),
            Trouble::LateAndCut(us) => machine.late_and_cut = Some(us),
            Trouble::GuardFrozen(us) => self.freeze(node, us),
            Trouble::GuardKilled(us) => self.kill_guard(node, us),
            Trouble::Crash { us, disk_lost } => self.crash(node, us, disk_lost),
            Trouble::Paused { us, counted, told } => self.pause(node, us, counted, told),
            Trouble::GatewayCrash => self.crash_gateway(node),
            Trouble::Conflict => {
                if machine.gateway.is_some() {
                    self.oracle.tally.count("conflict");
                    self.tell(node, Evidence::Conflict);
                }
            }
            Trouble::HandOver => self.hand_over(node),
            Trouble::Demote(us) => {
                self.tell(node, Evidence::Person(Order::Demote));
                let guard = self.machines[node].guards;
                self.after(us, Due::Fact { node, guard, evidence: Evidence::Person(Order::Release) });
            }
            Trouble::Promote => self.tell(node, Evidence::Person(Order::Promote { vouch: None })),
            Trouble::WrongAnswer => machine.garbage = true,
            Trouble::SwitchedOnByHand => self.switched_on_by_hand(node),
        }
        self.oracle.tally.count(name(trouble));
    }

    fn freeze(&mut self, node: usize, us: u64) {
        let until = self.us + us;
        let machine = &mut self.machines[node];
        if machine.guard && machine.frozen_until.is_none() {
            machine.frozen_until = Some(until);
            let guard = machine.guards;
            self.after(us, Due::Thaws { node, guard });
        }
    }

    pub(super) fn thaws(&mut self, node: usize, guard: u64) {
        let machine = &mut self.machines[node];
        if machine.guards != guard {
            return;
        }
        (machine.frozen_until, machine.awake_since) = (None, self.us);
        let inbox = std::mem::take(&mut machine.inbox);
        if self.rng.chance(500) {
            self.poll(node);
        }
        for evidence in inbox {
            self.tell(node, evidence);
        }
        self.poll(node);
    }

    fn kill_guard(&mut self, node: usize, us: u64) {
        let machine = &mut self.machines[node];
        if machine.guard {
            machine.guard_ends();
            let boot = machine.boot;
            self.after(us, Due::GuardBegins { node, boot });
        }
    }

    fn crash(&mut self, node: usize, us: u64, disk_lost: bool) {
        let now = self.us;
        let machine = &mut self.machines[node];
        if !machine.up {
            return;
        }
        machine.loses_power(now);
        self.waiting[node].clear();
        let machine = &mut self.machines[node];
        if disk_lost {
            machine.disk = Memory::default();
            self.oracle.tally.count("disk lost");
        }
        let boot = machine.boot;
        self.after(us, Due::Boots { node, boot });
    }

    pub(super) fn boots(&mut self, node: usize, boot: u64) {
        let machine = &mut self.machines[node];
        if machine.boot == boot && !machine.up {
            machine.up = true;
            let us = self.rng.between(10_000, 2 * SECOND);
            self.after(us, Due::GuardBegins { node, boot });
        }
    }

    fn pause(&mut self, node: usize, us: u64, counted: bool, told: bool) {
        let since_us = self.us;
        let machine = &mut self.machines[node];
        if !machine.up || machine.paused.is_some() {
            return;
        }
        machine.paused = Some(Paused { since_us, counted, told });
        machine.timers += 1;
        machine.behind = Some((counted || told) && machine.behind != Some(false));
        let boot = machine.boot;
        self.after(us, Due::Resumes { node, boot });
    }

    pub(super) fn resumes(&mut self, node: usize, boot: u64) {
        let now = self.us;
        let machine = &mut self.machines[node];
        if machine.boot != boot {
            return;
        }
        let Some(paused) = machine.paused.take() else { return };
        let slept = now - paused.since_us;
        if !paused.counted {
            machine.clock.stood_still(slept);
        }
        machine.asked_before = machine.asked;
        if let Some(deadman) = &mut machine.deadman {
            deadman.fires_us += slept;
        }
        self.machines[node].awake_since = now;
        self.note(|| format!("node {node}: goes on"));
        self.set_timer(node);
        if paused.told && self.setting.mutation != Mutation::SleepUnnoticed {
            let us = self.rng.between(0, 200_000);
            self.later(node, us, Evidence::Woke);
        }
        for due in std::mem::take(&mut self.waiting[node]) {
            // What was about to happen happens soon, in any order but for the orders of one guard.
            let ordered = matches!(due, Due::Spawn { .. } | Due::Kill { .. } | Due::Dies { .. });
            let us = if ordered { 1_000 } else { self.rng.between(0, 50_000) };
            self.after(us, due);
        }
    }

    fn crash_gateway(&mut self, node: usize) {
        if self.machines[node].gateway.take().is_some() {
            let (guard, after) = (self.machines[node].guards, self.machines[node].acted);
            self.after(1_000, Due::Fact { node, guard, evidence: Evidence::Gateway(Gateway::Ended { after }) });
        }
    }

    fn hand_over(&mut self, node: usize) {
        let to = self.rng.between(0, NODES as u64);
        let to = u16::try_from(to).ok().filter(|to| usize::from(*to) < NODES).map(NodeId);
        self.tell(node, Evidence::Person(Order::HandOver { to }));
    }

    /// A person who is asked to vouch for machines sees to it that they are off, and says so later.
    pub(super) fn person_looks(&mut self) {
        self.after(30 * SECOND, Due::PersonLooks);
        let careful = self.setting.mutation != Mutation::PersonLies;
        if self.setting.pause != PausePolicy::Manual {
            return;
        }
        let asking = (0..NODES).find_map(|node| {
            let machine = self.machines.get(node).filter(|machine| machine.decides())?;
            Some((node, machine.holder.to_vouch_for()?))
        });
        let Some((node, vouch)) = asking else { return };
        self.oracle.tally.count("person vouched");
        for suspect in vouch.nodes.iter().map(|suspect| usize::from(suspect.0)).filter(|_| careful) {
            self.turn_off(suspect);
        }
        let us = self.rng.between(SECOND, if self.us > TROUBLE_US { 5 * SECOND } else { 25 * SECOND });
        self.after(us, Due::PersonSays { node, vouch });
    }
}

const fn name(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::CutTo(_) => "cut to the store",
        Trouble::CutFrom(_) => "cut from the store",
        Trouble::Cut(_) => "cut off",
        Trouble::StoreDown(_) => "store down",
        Trouble::Slow(_) => "slow network",
        Trouble::LateAndCut(_) => "late answer, then cut off",
        Trouble::GuardFrozen(_) => "guard frozen",
        Trouble::GuardKilled(_) => "guard killed",
        Trouble::Crash { .. } => "machine crashed",
        Trouble::Paused { counted: true, .. } => "machine slept",
        Trouble::Paused { counted: false, .. } => "machine paused",
        Trouble::GatewayCrash => "gateway crashed",
        Trouble::Conflict => "conflict told",
        Trouble::HandOver => "handed over",
        Trouble::Demote(_) => "demoted",
        Trouble::Promote => "promoted",
        Trouble::WrongAnswer => "wrong answer planned",
        Trouble::SwitchedOnByHand => "switched on by hand",
    }
}
