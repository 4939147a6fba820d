//! Gateways that are started mute: opened under a lease, or switched on by what nobody ordered.

use super::{Due, Evidence, Gateway, Moment, Mutation, SECOND, World};
use clawmend_core::failover::lease::ActId;

/// From a start to the first message of a channel, at the least.
const BOOT_US: u64 = 6 * SECOND;

impl World {
    /// It was just started with its channels off.
    pub(super) fn boots_mute(&mut self, node: usize, guard: u64, number: u64) {
        let machine = &mut self.machines[node];
        machine.deadman = None;
        machine.timers += 1;
        let boot = self.rng.between(8 * SECOND, 25 * SECOND);
        self.after(boot, Due::Looked { node, guard, number });
        if self.rng.chance(40) {
            let us = self.rng.between(200_000, 3 * SECOND);
            self.after(us, Due::PutBack { node, number });
        }
    }

    /// OpenClaw puts back an older config, with the channels on.
    pub(super) fn put_back(&mut self, node: usize, number: u64) {
        if self.switch_on(node, number) {
            self.oracle.tally.count("older config put back");
            let since = self.us;
            self.after(BOOT_US, Due::Speaks { node, number, since });
        }
    }

    pub(super) fn switched_on_by_hand(&mut self, node: usize) {
        let mute = self.machines[node].gateway.as_ref().filter(|gateway| !gateway.speaks).map(|gateway| gateway.number);
        match mute {
            Some(number) if self.switch_on(node, number) => {
                let us = self.rng.between(800_000, 3 * SECOND);
                // Counted apart: no guard is as fast as that in the worst case.
                self.after(us, Due::Speaks { node, number, since: u64::MAX });
            }
            Some(_) => {}
            None => self.machines[node].switched_on = true,
        }
    }

    /// In the config of a mute gateway. The guard sees it soon.
    fn switch_on(&mut self, node: usize, number: u64) -> bool {
        let machine = &mut self.machines[node];
        if machine.gateway.as_ref().is_none_or(|gateway| gateway.number != number || gateway.speaks) {
            return false;
        }
        machine.switched_on = true;
        let guard = machine.guards;
        self.note(|| format!("node {node}: gateway {number} is switched on, and nobody asked for it"));
        let us = self.rng.between(10_000, 500_000);
        self.after(us, Due::Looked { node, guard, number });
        true
    }

    /// It was looked at.
    pub(super) fn looked(&mut self, node: usize, guard: u64, number: u64) {
        let machine = &self.machines[node];
        let Some(gateway) = machine.gateway.as_ref().filter(|gateway| gateway.number == number) else { return };
        if machine.guards != guard || !machine.holder.is_mute() {
            return;
        }
        let life = gateway.life.clone();
        let seen = machine.switched_on && self.setting.mutation != Mutation::SwitchesUnnoticed;
        let told = if seen { Gateway::Speaks { life } } else { Gateway::Mute { life } };
        self.tell(node, Evidence::Gateway(told));
    }

    /// What was switched on without an order is at work now, unless it was opened or ended meanwhile.
    pub(super) fn speaks_astray(&mut self, node: usize, number: u64, since: u64) {
        let machine = &mut self.machines[node];
        let on = machine.switched_on;
        let stuck = machine.awake_since > since.min(self.us) || !machine.decides();
        let Some(gateway) = machine.gateway.as_mut().filter(|gateway| gateway.number == number && on) else { return };
        if !gateway.speaks {
            (gateway.speaks, gateway.astray) = (true, stuck || since == u64::MAX);
            self.oracle.tally.count("spoke without an order");
            self.note(|| format!("node {node}: gateway {number} SPEAKS, and nobody asked for it"));
        }
    }

    pub(super) fn order_open(&mut self, node: usize, act: ActId, not_after: Moment) {
        let machine = &self.machines[node];
        let (guard, number) = (machine.guards, machine.gateway.as_ref().map(|gateway| gateway.number));
        // Seldom the guard is stopped by the scheduler before the order has left.
        let sent = if self.rng.chance(50) { self.rng.between(0, 20 * SECOND) } else { self.rng.between(500, 40_000) };
        let left = self.machines[node].clock.at(self.us + sent);
        let too_late = left >= not_after;
        let Some(number) = number.filter(|_| !too_late) else {
            self.oracle.tally.count("opening refused");
            return self.later(node, sent + 1_000, Evidence::Gateway(Gateway::NotOpened { act }));
        };
        let carried_out = match self.rng.between(0, 9) {
            0 => self.rng.between(0, 30 * SECOND),
            _ => self.rng.between(100_000, 2 * SECOND),
        };
        self.after(sent + carried_out, Due::Opens { node, guard, number, act });
        if self.rng.chance(60) {
            let us = sent + self.rng.between(0, 15 * SECOND);
            self.later(node, us, Evidence::Gateway(Gateway::NotOpened { act }));
        }
    }

    /// What was sent is carried out by a gateway that lives, whatever has become of its guard.
    pub(super) fn opens(&mut self, node: usize, guard: u64, number: u64, act: ActId) {
        let machine = &mut self.machines[node];
        let Some(gateway) = machine.gateway.as_mut().filter(|gateway| gateway.number == number) else { return };
        (gateway.speaks, machine.switched_on) = (true, true);
        self.oracle.tally.opened += 1;
        self.note(|| format!("node {node}: gateway {number} SPEAKS"));
        let us = self.rng.between(100_000, SECOND);
        self.after(us, Due::Fact { node, guard, evidence: Evidence::Gateway(Gateway::Opened { act }) });
    }
}
