//! The modelled host: one gateway, its owner (keeper or service manager), its surroundings, and what of all that
//! reaches the guard as evidence, with realistic delays.
//!
//! Invariant: the world never reads the guard. Evidence leaves through [`World::tell`], effects come in through
//! `effects.rs`, injected trouble through `script.rs`. Start at [`World::step`].

mod due;
mod life;
mod people;

pub use people::Wishes;

use super::Setting;
use super::effects::{Effect, KILLS_KEPT};
use super::fitted;
use super::oracle::Oracle;
use super::process::{NEVER, Process};
use super::rng::Rng;
use super::script::Later;
use super::unit::{Deed, Unit};
use clawmend_core::directive::Directive;
use clawmend_core::gateway::{Form, Incarnation};
use clawmend_core::observation::{ActiveState, ConfigSeen, ConfigValidity, DiskSeen, Evidence, Exit, Job, JobKind};
use std::collections::VecDeque;

/// By then a guard that has just got the CPU again has taken what waited for it, and named what it found.
const WORDS_MS: u64 = 1_000;

/// Why the guard does nothing at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// It does.
    No,
    /// It gets no CPU.
    Starved,
    /// Its process is gone.
    Dead,
}

/// An end that counts in OpenClaw's breaker, or in that of a careful guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UncleanEnd {
    /// When.
    pub at: u64,
    /// It was unclean. Otherwise no guard was there to see that it was not.
    pub truly: bool,
    /// When the guard could know of it: later, when it got no CPU or was dead at the time.
    pub known: u64,
}

/// The modelled host.
#[derive(Debug)]
pub struct World {
    /// Milliseconds since boot, sleep included.
    pub now: u64,
    /// Time spent asleep.
    pub slept_ms: u64,
    /// Wall clock minus boot clock.
    pub wall_offset: i64,
    /// Random source of the world.
    pub rng: Rng,
    /// The oracle.
    pub oracle: Oracle,
    /// Who owns the process, and what the guard may do to it.
    pub setting: Setting,
    /// Its own restart ends the process.
    pub by_exit: bool,
    /// The RPC subscription works.
    pub rpc: bool,
    /// The process, while there is one.
    pub process: Option<Process>,
    /// The unit, used in service form.
    pub unit: Unit,
    /// What people asked for.
    pub wishes: Wishes,
    /// The guard was told of a foreign stop of the unit.
    pub told_stop: bool,
    /// The config can be read.
    pub config_ok: bool,
    /// Its hash.
    pub fingerprint: u64,
    /// The disk is full.
    pub disk_full: bool,
    /// Another program has the port.
    pub port_taken: bool,
    /// The next start will be slow, or stand still.
    pub next_slow: bool,
    /// See above.
    pub next_stuck: bool,
    /// The end that is under way is the gateway's own restart.
    pub own_restart: bool,
    /// The guard's process lives.
    pub guard_up: bool,
    /// Since when the present guard looks.
    pub guard_since: u64,
    /// Evidence on its way: ordered by time.
    pub inbox: VecDeque<(u64, Evidence)>,
    /// Actions on their way.
    pub effects: Vec<(u64, Effect)>,
    /// The newest kills that were put on record, whether or not they were carried out: when, and which.
    pub kills: VecDeque<(u64, Directive)>,
    /// Steps of the script that are due later.
    pub later: Vec<(u64, Later)>,
    /// When the script goes on.
    pub script_at: u64,
    /// Ends that count, or may.
    pub unclean_ends: VecDeque<UncleanEnd>,
    /// The last life and how it ended.
    pub last_life: Option<(Incarnation, Exit)>,
    /// Pids given so far.
    pub next_pid: u32,
    /// OpenClaw's ledger: boots that began and did not end in order.
    ledger: VecDeque<u64>,
    settle_at: u64,
    monitor_at: u64,
    log_at: u64,
    /// The end of the last proven life.
    pub last_end: u64,
    /// How long the last life had been ready.
    pub last_ready_ms: u64,
    /// Starts by any hand.
    pub starts: VecDeque<u64>,
    /// Lives in a row that ended before they were ready for a while.
    pub short_lives: u32,
    /// The guard does nothing until then.
    pub guard_out_until: u64,
    /// Why.
    pub out_kind: Out,
    /// Since when.
    pub out_since: u64,
    /// How much of a guard's outage the machine slept.
    pub slept_unseen_ms: u64,
    /// The machine is about to sleep for so long.
    pub sleep_ms: u64,
    /// Starts by the guard's hand.
    pub our_starts: VecDeque<u64>,
    /// By when a wish that was said to the guard must show.
    pub wish_due: u64,
    /// When it was said.
    pub wish_said: u64,
}

impl World {
    /// A host with a gateway in this setting.
    #[must_use]
    pub fn new(seed: u64, setting: Setting, aloud: bool) -> Self {
        let mut rng = Rng::new(seed);
        let by_exit = match setting.form {
            Form::Child => rng.chance(700),
            Form::Systemd | Form::Launchd | Form::ScheduledTask => true,
            Form::Foreign => false,
        };
        let rpc = rng.chance(850);
        let script_at = 60_000 + rng.waiting(300_000);
        Self {
            now: 3_600_000,
            slept_ms: 0,
            wall_offset: 1_795_000_000_000,
            rng,
            oracle: Oracle::new(seed, setting.mends(), aloud),
            setting,
            by_exit,
            rpc,
            process: None,
            unit: Unit::new(),
            wishes: Wishes::default(),
            told_stop: false,
            config_ok: true,
            fingerprint: 1,
            disk_full: false,
            port_taken: false,
            next_slow: false,
            next_stuck: false,
            own_restart: false,
            guard_up: true,
            guard_since: 0,
            inbox: VecDeque::with_capacity(64),
            effects: Vec::with_capacity(8),
            kills: VecDeque::with_capacity(KILLS_KEPT),
            later: Vec::with_capacity(16),
            script_at: 3_600_000 + script_at,
            unclean_ends: VecDeque::with_capacity(64),
            last_life: None,
            next_pid: 1_000,
            ledger: VecDeque::with_capacity(64),
            settle_at: NEVER,
            monitor_at: NEVER,
            log_at: NEVER,
            last_end: 0,
            last_ready_ms: 0,
            starts: VecDeque::with_capacity(64),
            short_lives: 0,
            guard_out_until: 0,
            out_kind: Out::No,
            out_since: 0,
            slept_unseen_ms: 0,
            sleep_ms: 0,
            our_starts: VecDeque::with_capacity(256),
            wish_due: NEVER,
            wish_said: 0,
        }
    }

    /// A start is possible without anyone's hand but the guard's.
    #[must_use]
    pub fn child(&self) -> bool {
        self.setting.form == Form::Child
    }

    /// A service manager owns it.
    #[must_use]
    pub fn serviced(&self) -> bool {
        self.setting.form == Form::Systemd
    }

    /// A person started it, and nobody else does.
    #[must_use]
    pub fn by_hand(&self) -> bool {
        self.setting.form == Form::Foreign
    }

    /// Sends evidence on its way to the guard.
    pub fn tell(&mut self, delay: u64, evidence: Evidence) {
        if !self.guard_up || self.inbox.len() >= 4_096 {
            return;
        }
        let at = self.now + delay;
        let place = self.inbox.iter().rposition(|(other, _)| *other <= at).map_or(0, |index| index + 1);
        self.inbox.insert(place, (at, evidence));
    }

    /// When the world will change by itself.
    #[must_use]
    pub fn next_at(&self) -> u64 {
        let mut at = self.script_at.min(self.settle_at).min(self.monitor_at).min(self.log_at);
        at = at.min(self.oracle.next_at()).min(self.wish_due);
        if self.serviced() {
            at = at.min(self.unit.next_at);
        }
        if let Some(process) = &self.process {
            at = at.min(process.next_at());
        }
        for (when, _) in &self.effects {
            at = at.min(*when);
        }
        for (when, _) in &self.later {
            at = at.min(*when);
        }
        at
    }

    /// Does one thing that is due.
    pub fn step(&mut self) {
        let now = self.now;
        if let Some(index) = self.effects.iter().position(|(at, _)| *at <= now) {
            let (_, effect) = self.effects.remove(index);
            return self.apply(effect);
        }
        if let Some(index) = self.later.iter().position(|(at, _)| *at <= now) {
            let (_, later) = self.later.swap_remove(index);
            return self.carry_on(later);
        }
        if self.process.as_ref().is_some_and(|process| process.next_at() <= now) {
            return self.process_steps();
        }
        if self.serviced() && self.unit.next_at <= now {
            return self.unit_timer();
        }
        if self.settle_at <= now {
            self.settle_at = NEVER;
            let seen = self.unit.seen(true, self.main_pid());
            return self.tell(0, Evidence::Service(seen));
        }
        if self.monitor_at <= now {
            return self.monitor();
        }
        if self.log_at <= now {
            return self.log_grows();
        }
        if self.oracle.next_at() <= now {
            return self.deadline();
        }
        if self.wish_due <= now {
            return self.wish_due();
        }
        if self.script_at <= now {
            self.inject();
        }
    }

    /// The process, as the manager names it.
    #[must_use]
    pub fn main_pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.incarnation.pid)
    }

    /// The unit changed: a signal of the manager reaches the guard, and another once it has settled.
    pub fn unit_changed(&mut self) {
        if !self.serviced() {
            return;
        }
        let delay = fitted::BUS_SIGNAL.sample(&mut self.rng);
        let seen = self.unit.seen(false, self.main_pid());
        self.tell(delay, Evidence::Service(seen));
        self.settle_at = self.now + 100;
    }

    fn unit_timer(&mut self) {
        match self.unit.timer(self.now) {
            Deed::Exec => {
                self.tell(1, Evidence::ForeignJob(JobKind::Restart));
                self.exec(None);
            }
            Deed::Kill => self.ends(Exit::Signal { signal: 9, core: false }),
            Deed::None | Deed::Terminate => self.unit_changed(),
        }
    }

    /// The config as it is now.
    #[must_use]
    pub fn config(&self) -> Evidence {
        let validity = if self.config_ok {
            ConfigValidity::Valid
        } else {
            ConfigValidity::Invalid { line: 2, column: 1, message: "expected a value".to_owned() }
        };
        Evidence::Config(ConfigSeen { fingerprint: self.fingerprint, validity })
    }

    /// The disk as it is now.
    #[must_use]
    pub fn disk(&self) -> Evidence {
        let free_bytes = if self.disk_full { 0 } else { 50 << 30 };
        Evidence::Disk(DiskSeen { free_bytes, writable: !self.disk_full })
    }

    /// The guard does something again, and learns what has happened meanwhile.
    pub fn guard_returns(&mut self) {
        self.out_kind = Out::No;
        for end in self.unclean_ends.iter_mut().filter(|end| end.known == NEVER) {
            end.known = self.now;
        }
    }

    /// The machine slept until now.
    pub fn slept(&mut self, by: u64) {
        self.slept_ms += by;
        let woke = self.now;
        let mut ats = vec![&mut self.settle_at, &mut self.monitor_at, &mut self.log_at, &mut self.script_at];
        ats.push(&mut self.unit.next_at);
        ats.extend(self.effects.iter_mut().map(|(at, _)| at));
        ats.extend(self.later.iter_mut().map(|(at, _)| at));
        ats.extend(self.inbox.iter_mut().map(|(at, _)| at));
        for at in ats {
            *at = at.saturating_add(by);
        }
        if let Some(process) = &mut self.process {
            process.slept(woke, by);
        }
        self.wish_due = self.wish_due.saturating_add(by);
        self.oracle.allow(by + 20_000);
    }

    /// The unit as a foreign stop leaves it on its way down.
    #[must_use]
    pub const fn stopping(&self) -> bool {
        matches!((self.unit.state, self.unit.job), (ActiveState::Deactivating, Some(Job { kind: JobKind::Stop, .. })))
    }
}
