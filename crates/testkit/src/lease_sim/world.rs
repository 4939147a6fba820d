//! Three machines, a store between them, and time.
//!
//! Contracts of the adapters that it keeps, and that hold in production or nothing holds: orders to start and to end
//! are carried out in their order; a start is refused from its `not_after` on; SIGKILL works within the kill budget;
//! the deadman needs no guard; what a new guard finds is looked up behind the orders of the one before; a mute start is
//! made with the channels off; nothing is switched on from its `not_after` on, but what was sent before may be carried out
//! at any later time while its gateway lives; what is switched on under a mute gateway is seen within half a second.

mod effects;
mod mute;
mod net;
mod troubles;

use super::clock::Clock;
use super::node::Machine;
use super::oracle::{Oracle, Seen, Tally};
use super::script::{self, END_US, QUIET_US, SECOND, Script, TROUBLE_US, Trouble};
use super::{Mutation, Setting};
use crate::sim::rng::Rng;
use clawmend_core::failover::lease::{
    ActId, Answer, Evidence, Figures, Gateway, Holder, Node, NodeId, Order, PausePolicy, Record, Request, RequestId,
    Term, Vouch,
};
use clawmend_core::time::Moment;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Nodes of a group.
pub const NODES: usize = 3;

/// Something that is due. `guard` and `boot` say which one it was meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Due {
    Poll { node: usize, poll: u64 },
    AtStore { node: usize, guard: u64, request: RequestId, what: Request, sent: Moment },
    Back { node: usize, guard: u64, request: RequestId, sent: Moment, answer: Answer },
    Fact { node: usize, guard: u64, evidence: Evidence },
    Spawn { node: usize, boot: u64, guard: u64, act: ActId, not_after: Moment, mute: bool },
    Opens { node: usize, guard: u64, number: u64, act: ActId },
    PutBack { node: usize, number: u64 },
    Speaks { node: usize, number: u64, since: u64 },
    Looked { node: usize, guard: u64, number: u64 },
    Kill { node: usize, boot: u64, guard: u64, act: ActId },
    Dies { node: usize, number: u64 },
    Deadman { node: usize, timer: u64 },
    GuardBegins { node: usize, boot: u64 },
    Thaws { node: usize, guard: u64 },
    Boots { node: usize, boot: u64 },
    Resumes { node: usize, boot: u64 },
    Trouble(usize),
    Hook { by: usize, guard: u64, node: usize, term: Term },
    PersonLooks,
    PersonSays { node: usize, vouch: Vouch },
    AllMayDecide,
}

impl Due {
    /// It happens on this machine, and so not while it is paused.
    const fn on(&self) -> Option<usize> {
        match self {
            Self::Poll { node, .. }
            | Self::Back { node, .. }
            | Self::Fact { node, .. }
            | Self::Spawn { node, .. }
            | Self::Opens { node, .. }
            | Self::PutBack { node, .. }
            | Self::Speaks { node, .. }
            | Self::Looked { node, .. }
            | Self::Kill { node, .. }
            | Self::Dies { node, .. }
            | Self::GuardBegins { node, .. }
            | Self::Thaws { node, .. } => Some(*node),
            Self::AtStore { .. }
            | Self::Deadman { .. }
            | Self::Boots { .. }
            | Self::Resumes { .. }
            | Self::Trouble(_)
            | Self::Hook { .. }
            | Self::PersonLooks
            | Self::PersonSays { .. }
            | Self::AllMayDecide => None,
        }
    }
}

/// One life of a group.
pub struct World {
    rng: Rng,
    setting: Setting,
    figures: Figures,
    us: u64,
    sequence: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    due: std::collections::BTreeMap<u64, Due>,
    machines: Vec<Machine>,
    /// What a paused machine does when it goes on.
    waiting: Vec<Vec<Due>>,
    store: Clock,
    record: Record,
    expires: Moment,
    store_down_until: u64,
    script: Script,
    oracle: Oracle,
    gateways: u64,
    /// Ends take as long as they may.
    kills_slowly: bool,
    trace: bool,
}

impl World {
    /// The group of this seed.
    #[must_use]
    pub fn new(seed: u64, setting: Setting, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let drift_ppm = if rng.chance(500) { 1_000 } else { 50_000 };
        let base = if rng.chance(500) { Figures::fast() } else { Figures::steady() };
        let figures = Figures { drift_ppm, ..base };
        // Any two are less than the bound apart.
        let spread = u64::from(drift_ppm) * 96 / 100;
        let clock = |rng: &mut Rng| {
            let ppm = i64::try_from(rng.between(0, spread)).unwrap_or(0) - i64::from(drift_ppm) * 48 / 100;
            Clock::new(ppm, rng.between(1, 10_000_000) * 1_000)
        };
        let machines = (0..NODES).map(|index| {
            let id = NodeId(u16::try_from(index).unwrap_or(0));
            let rank = u32::try_from(index).unwrap_or(0);
            let warm = setting.warm && rng.chance(800);
            let node = Node { id, rank, pause: setting.pause, figures: setting.believed(figures), warm };
            Machine::new(node, clock(&mut rng))
        });
        let machines: Vec<Machine> = machines.collect();
        let store = clock(&mut rng);
        let script = script::draw(&mut rng, &setting, NODES);
        let kills_slowly = rng.chance(400);
        let accepts = setting.pause == PausePolicy::ResidualWindow && setting.machine_pauses;
        Self {
            rng,
            setting,
            figures,
            us: 0,
            sequence: 0,
            queue: BinaryHeap::new(),
            due: Default::default(),
            machines,
            waiting: vec![Vec::new(); NODES],
            store,
            record: Record::default(),
            expires: Moment(0),
            store_down_until: 0,
            script,
            oracle: Oracle::new(seed, accepts, figures.kill_ms + 500),
            gateways: 0,
            kills_slowly,
            trace,
        }
    }

    /// Lives to the end.
    #[must_use]
    pub fn live(mut self) -> Tally {
        for node in 0..NODES {
            self.after(0, Due::GuardBegins { node, boot: 0 });
        }
        let times: Vec<u64> = self.script.iter().map(|(at, ..)| *at).collect();
        for (index, at) in times.into_iter().enumerate() {
            self.after(at, Due::Trouble(index));
        }
        self.after(30 * SECOND, Due::PersonLooks);
        self.after(QUIET_US, Due::AllMayDecide);
        while let Some(Reverse((us, number))) = self.queue.pop() {
            if us > END_US {
                break;
            }
            self.us = us;
            if let Some(due) = self.due.remove(&number) {
                self.happen(due);
                self.oracle_looks();
            }
        }
        self.us = END_US;
        let owned = !self.alive().is_empty();
        self.oracle.finish(END_US, owned);
        self.oracle.tally
    }

    fn after(&mut self, us: u64, due: Due) {
        self.sequence += 1;
        self.due.insert(self.sequence, due);
        self.queue.push(Reverse((self.us.saturating_add(us), self.sequence)));
    }

    fn happen(&mut self, due: Due) {
        if let Some(node) = due.on().filter(|node| self.machines[*node].paused.is_some()) {
            return self.waiting[node].push(due);
        }
        match due {
            Due::Poll { node, poll } if self.machines[node].polls == poll => self.poll(node),
            Due::Poll { .. } => {}
            Due::AtStore { node, guard, request, what, sent } => self.at_store(node, guard, request, &what, sent),
            Due::Back { node, guard, request, sent, answer } => self.back(node, guard, request, sent, answer),
            Due::Fact { node, guard, evidence } => self.fact(node, guard, evidence),
            Due::Spawn { node, boot, guard, act, not_after, mute } => {
                self.spawn((node, boot, guard), act, not_after, mute);
            }
            Due::Opens { node, guard, number, act } => self.opens(node, guard, number, act),
            Due::PutBack { node, number } => self.put_back(node, number),
            Due::Speaks { node, number, since } => self.speaks_astray(node, number, since),
            Due::Looked { node, guard, number } => self.looked(node, guard, number),
            Due::Kill { node, boot, guard, act } => self.kill(node, boot, guard, act),
            Due::Dies { node, number } => self.dies(node, number),
            Due::Deadman { node, timer } => self.deadman(node, timer),
            Due::GuardBegins { node, boot } => self.guard_begins(node, boot),
            Due::Thaws { node, guard } => self.thaws(node, guard),
            Due::Boots { node, boot } => self.boots(node, boot),
            Due::Resumes { node, boot } => self.resumes(node, boot),
            Due::Trouble(index) => self.trouble(index),
            Due::Hook { by, guard, node, term } => self.hook(by, guard, node, term),
            Due::PersonLooks => self.person_looks(),
            Due::PersonSays { node, vouch } => self.tell(node, Evidence::Person(Order::Promote { vouch: Some(vouch) })),
            Due::AllMayDecide => (0..NODES).for_each(|node| self.tell(node, Evidence::Person(Order::Release))),
        }
    }

    /// The guard of this node learns something, now or when it thaws.
    fn tell(&mut self, node: usize, evidence: Evidence) {
        let machine = &mut self.machines[node];
        if machine.decides() {
            let mut out = Vec::new();
            let now = machine.clock.at(self.us);
            machine.holder.observe(now, &evidence, &mut out);
            self.carry_out(node, out);
        } else if machine.up && machine.guard && machine.inbox.len() < 64 {
            machine.inbox.push(evidence);
        }
    }

    fn fact(&mut self, node: usize, guard: u64, evidence: Evidence) {
        if self.machines[node].guards == guard {
            self.tell(node, evidence);
        }
    }

    fn poll(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        if machine.decides() {
            let mut out = Vec::new();
            let now = machine.clock.at(self.us);
            machine.holder.poll(now, &mut out);
            self.carry_out(node, out);
        }
    }

    /// Its next wake-up, a little late as always.
    fn sleep_on(&mut self, node: usize) {
        let late = if self.rng.chance(20) { self.rng.between(0, 300_000) } else { self.rng.between(0, 4_000) };
        let machine = &mut self.machines[node];
        let next = machine.holder.next_wake(machine.clock.at(self.us));
        let at = machine.clock.when(next, self.us);
        machine.polls += 1;
        let poll = machine.polls;
        self.after(at - self.us + late, Due::Poll { node, poll });
    }

    fn alive(&self) -> Vec<Seen> {
        let seen = self.machines.iter().enumerate().filter_map(|(node, machine)| {
            let gateway = machine.gateway.as_ref().filter(|gateway| gateway.speaks && machine.paused.is_none())?;
            Some(Seen { node, paused: machine.behind, guard_stuck: !machine.decides(), astray: gateway.astray })
        });
        seen.collect()
    }

    fn oracle_looks(&mut self) {
        let alive = self.alive();
        self.oracle.look(self.us, &alive);
    }

    fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            trace(self.us, &text());
        }
    }
}

#[allow(clippy::print_stdout)]
fn trace(us: u64, text: &str) {
    println!("{:>12.6} {text}", us as f64 / SECOND as f64);
}
