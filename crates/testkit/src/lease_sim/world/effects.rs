//! What directives do: starts, ends, the deadman, the hook.

use super::{Due, Evidence, Gateway, Holder, Moment, Mutation, NODES, SECOND, Term, World};
use crate::lease_sim::node::{Alive, Deadman};
use clawmend_core::failover::lease::{ActId, Directive, Fenced, NodeId};
use clawmend_core::gateway::Incarnation;

impl World {
    pub(super) fn carry_out(&mut self, node: usize, directives: Vec<Directive>) {
        for directive in directives {
            self.note(|| format!("node {node}: {directive:?}"));
            match directive {
                Directive::Ask { request, what } => self.ask(node, request, &what),
                Directive::Start { act, not_after, .. } => self.order_start(node, act, not_after, false),
                Directive::StartMute { act, not_after } => self.order_start(node, act, not_after, true),
                Directive::Open { act, not_after, .. } => self.order_open(node, act, not_after),
                Directive::End { act, .. } => self.order_end(node, act),
                Directive::Quiesce { .. } => {
                    let us = self.rng.between(0, 12 * SECOND);
                    self.later(node, us, Evidence::Quiesced);
                }
                Directive::Disable => {
                    let us = self.rng.between(1_000, 200_000);
                    let worked = !self.rng.chance(20);
                    self.machines[node].switched_on &= !worked;
                    self.later(node, us, Evidence::Disabled { worked });
                }
                Directive::Arm { term, until } => self.arm(node, Fenced { term, until }),
                Directive::TurnOff { node: target, term } => {
                    let us = self.rng.between(100_000, 15 * SECOND);
                    let guard = self.machines[node].guards;
                    self.after(us, Due::Hook { by: node, guard, node: usize::from(target.0) % NODES, term });
                }
                Directive::Persist => {
                    let machine = &mut self.machines[node];
                    machine.disk = machine.holder.memory().clone();
                }
                Directive::Tell(_) => {}
            }
        }
        self.sleep_on(node);
    }

    pub(super) fn later(&mut self, node: usize, us: u64, evidence: Evidence) {
        let guard = self.machines[node].guards;
        self.after(us, Due::Fact { node, guard, evidence });
    }

    /// One after the other: when this order is carried out.
    fn queue_order(&mut self, node: usize, takes_us: u64) -> u64 {
        let us = self.us;
        let machine = &mut self.machines[node];
        machine.busy_until = machine.busy_until.max(us + takes_us);
        machine.busy_until - us
    }

    fn order_start(&mut self, node: usize, act: ActId, not_after: Moment, mute: bool) {
        // Seldom the guard is stopped by the scheduler before the order has left.
        let takes = if self.rng.chance(50) { self.rng.between(0, 20 * SECOND) } else { self.rng.between(500, 40_000) };
        let wait = self.queue_order(node, takes);
        let (boot, guard) = (self.machines[node].boot, self.machines[node].guards);
        self.after(wait, Due::Spawn { node, boot, guard, act, not_after, mute });
    }

    fn order_end(&mut self, node: usize, act: ActId) {
        let takes = self.rng.between(100, self.figures.kill_ms * 200);
        let wait = self.queue_order(node, takes);
        let (boot, guard) = (self.machines[node].boot, self.machines[node].guards);
        self.after(wait, Due::Kill { node, boot, guard, act });
        if self.setting.mutation == Mutation::UnprovenEnds {
            self.later(node, 0, Evidence::Gateway(Gateway::Ended { after: act }));
        }
    }

    pub(super) fn spawn(&mut self, (node, boot, guard): (usize, u64, u64), act: ActId, not_after: Moment, mute: bool) {
        let orphaned = self.machines[node].guards != guard && self.rng.chance(500);
        let machine = &mut self.machines[node];
        if machine.boot != boot || orphaned {
            return;
        }
        if machine.guards == guard {
            machine.acted = act;
        }
        let late = machine.clock.at(self.us) >= not_after && self.setting.mutation != Mutation::LateStarts;
        // The config may not be as it must be.
        let unfit = mute && self.rng.chance(20);
        let machine = &mut self.machines[node];
        if late || unfit || machine.gateway.is_some() {
            self.oracle.tally.count("start refused");
            return self.later(node, 1_000, Evidence::Gateway(Gateway::NotStarted { act }));
        }
        self.gateways += 1;
        let number = self.gateways;
        let life = Incarnation { pid: u32::try_from(number).unwrap_or(0), start: self.us, boot: boot.to_string() };
        machine.gateway = Some(Alive { life: life.clone(), number, speaks: !mute, astray: false });
        machine.switched_on = !mute;
        self.oracle.tally.starts += 1;
        self.note(|| format!("node {node}: gateway {number} ALIVE{}", if mute { ", mute" } else { "" }));
        if mute {
            self.boots_mute(node, guard, number);
        }
        let us = self.rng.between(100, 5_000);
        self.busy(node, us);
        self.later(node, us, Evidence::Gateway(Gateway::Started { act, life }));
    }

    /// Facts come in the order of what they tell.
    fn busy(&mut self, node: usize, us: u64) {
        let until = self.us + us;
        let machine = &mut self.machines[node];
        machine.busy_until = machine.busy_until.max(until);
    }

    pub(super) fn kill(&mut self, node: usize, boot: u64, guard: u64, act: ActId) {
        if self.machines[node].boot != boot {
            return;
        }
        if self.machines[node].guards == guard {
            self.machines[node].acted = act;
        }
        match self.machines[node].gateway.as_ref().map(|gateway| gateway.number) {
            Some(number) => self.condemn(node, number, 700),
            None => self.later(node, 1_000, Evidence::Gateway(Gateway::Ended { after: act })),
        }
    }

    /// SIGKILL works within so many thousandths of the budget.
    fn condemn(&mut self, node: usize, number: u64, per_mille: u64) {
        let longest = self.figures.kill_ms * per_mille;
        let us = self.rng.between(if self.kills_slowly { longest - 1_000 } else { 200 }, longest);
        self.busy(node, us);
        self.after(us, Due::Dies { node, number });
    }

    pub(super) fn dies(&mut self, node: usize, number: u64) {
        let machine = &mut self.machines[node];
        if machine.gateway.as_ref().is_none_or(|gateway| gateway.number != number) {
            return;
        }
        machine.gateway = None;
        self.note(|| format!("node {node}: gateway {number} dead"));
        let after = self.machines[node].acted;
        self.later(node, 1_000, Evidence::Gateway(Gateway::Ended { after }));
    }

    fn arm(&mut self, node: usize, fenced: Fenced) {
        let us = self.us;
        let machine = &mut self.machines[node];
        let fires_us = machine.clock.when(fenced.until, us);
        machine.deadman = Some(Deadman { fenced, fires_us });
        self.set_timer(node);
        self.later(node, 500, Evidence::Armed(fenced));
    }

    pub(super) fn set_timer(&mut self, node: usize) {
        let us = self.us;
        let machine = &mut self.machines[node];
        machine.timers += 1;
        let timer = machine.timers;
        if let Some(deadman) = machine.deadman {
            self.after(deadman.fires_us.saturating_sub(us), Due::Deadman { node, timer });
        }
    }

    pub(super) fn deadman(&mut self, node: usize, timer: u64) {
        let machine = &mut self.machines[node];
        if machine.timers != timer || self.setting.mutation == Mutation::NoDeadman {
            return;
        }
        machine.deadman = None;
        if let Some(number) = machine.gateway.as_ref().map(|gateway| gateway.number) {
            self.oracle.tally.count("ended by the deadman");
            self.condemn(node, number, 900);
        }
    }

    pub(super) fn guard_begins(&mut self, node: usize, boot: u64) {
        let us = self.us;
        let machine = &mut self.machines[node];
        if machine.boot != boot || machine.guard {
            return;
        }
        if machine.busy_until > us {
            let wait = machine.busy_until - us + 1;
            return self.after(wait, Due::GuardBegins { node, boot });
        }
        machine.guard = true;
        machine.acted = ActId(0);
        machine.holder = Holder::new(machine.node, machine.disk.clone());
        let life = machine.gateway.as_ref().map(|gateway| gateway.life.clone());
        let fenced = machine.deadman.map(|deadman| deadman.fenced);
        machine.awake_since = us;
        let mute = machine.gateway.as_ref().filter(|_| machine.disk.mute.is_some()).map(|gateway| gateway.number);
        if let Some(number) = mute {
            let guard = machine.guards;
            let looks = self.rng.between(50_000, 3 * SECOND);
            self.after(looks, Due::Looked { node, guard, number });
        }
        self.tell(node, Evidence::Gateway(Gateway::Found { life, fenced }));
    }

    pub(super) fn hook(&mut self, by: usize, guard: u64, node: usize, term: Term) {
        let works = self.rng.chance(800);
        let lies = self.setting.mutation == Mutation::HookLies;
        if !lies && (works || self.rng.chance(500)) {
            self.turn_off(node);
        }
        let id = NodeId(u16::try_from(node).unwrap_or(0));
        let worked = works || lies;
        let evidence = Evidence::TurnedOff { node: id, term, worked };
        let us = self.rng.between(1_000, SECOND);
        self.after(us, Due::Fact { node: by, guard, evidence });
    }

    pub(super) fn turn_off(&mut self, node: usize) {
        let us = self.us;
        self.oracle.tally.count("machine turned off");
        self.note(|| format!("node {node}: turned off"));
        self.machines[node].loses_power(us);
        self.waiting[node].clear();
        let (boot, off_us) = (self.machines[node].boot, self.rng.between(5 * SECOND, 30 * SECOND));
        self.after(off_us, Due::Boots { node, boot });
    }
}
