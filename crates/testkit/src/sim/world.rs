//! The modelled host: one gateway, its owner (keeper or service manager), its surroundings, and what of all that
//! reaches the guard as evidence, with realistic delays.
//!
//! Invariant: the world never reads the guard. Evidence leaves through [`World::tell`], effects come in through
//! `effects.rs`, injected trouble through `script.rs`. Start at [`World::step`].

use super::effects::{Effect, KILLS_KEPT};
use super::fitted;
use super::oracle::{Fault, Oracle};
use super::process::{BootPlan, Flaw, Happened, NEVER, Process, Stage, Then};
use super::rng::Rng;
use super::script::Later;
use super::unit::{Deed, Unit};
use clawmend_core::diagnosis::RefusalReason;
use clawmend_core::directive::{Directive, DirectiveId};
use clawmend_core::gateway::{Form, Incarnation};
use clawmend_core::observation::{
    ActiveState, Appeared, ChannelState, ConfigSeen, ConfigValidity, DiskSeen, Evidence, Exit, Gone, Job, JobKind,
    LogSign, RpcSeen,
};
use std::collections::VecDeque;

/// What people have really asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Stop, said to the guard.
    pub stopped: bool,
    /// Emergency stop.
    pub emergency: bool,
    /// Pause, or the flag file.
    pub paused: bool,
    /// `systemctl stop`.
    pub unit_stopped: bool,
    /// The gateway ended in a pause in a way that a person may have caused.
    pub ended_in_pause: bool,
    /// A restart said to the guard that has not happened yet.
    pub restart: bool,
    /// A start said to the guard that has not happened yet.
    pub start: bool,
}

impl Wishes {
    /// It must not run.
    #[must_use]
    pub const fn down(&self) -> bool {
        self.stopped || self.emergency || self.unit_stopped
    }

    /// The guard must not start it.
    #[must_use]
    pub const fn no_start(&self) -> bool {
        self.down() || self.paused || self.ended_in_pause
    }
}

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
    /// Who owns the process.
    pub form: Form,
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
    /// Lives that ended uncleanly: when.
    pub unclean_ends: VecDeque<u64>,
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
    /// A host with a gateway of this form.
    #[must_use]
    pub fn new(seed: u64, form: Form, aloud: bool) -> Self {
        let mut rng = Rng::new(seed);
        let by_exit = form == Form::Systemd || rng.chance(700);
        let rpc = rng.chance(850);
        let script_at = 60_000 + rng.waiting(300_000);
        Self {
            now: 3_600_000,
            slept_ms: 0,
            wall_offset: 1_795_000_000_000,
            rng,
            oracle: Oracle::new(seed, aloud),
            form,
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
        if self.form == Form::Systemd {
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
        if self.form == Form::Systemd && self.unit.next_at <= now {
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
        if self.form != Form::Systemd {
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

    /// A new life.
    pub fn exec(&mut self, by: Option<DirectiveId>) {
        let now = self.now;
        self.next_pid += 1;
        let incarnation = Incarnation { pid: self.next_pid, start: now / 10, boot: "sim".to_owned() };
        let plan = self.boot_plan();
        let process = Process::new(incarnation.clone(), now, plan, &mut self.rng);
        self.oracle.log(now, || format!("exec pid {} by {by:?} {plan:?}", incarnation.pid));
        self.process = Some(process);
        self.starts.push_back(now);
        if self.starts.len() > 64 {
            self.starts.pop_front();
        }
        self.own_restart = false;
        self.wishes.restart = false;
        self.wishes.start = false;
        self.log_at = now + 900;
        let delay = match self.form {
            Form::Systemd => fitted::BUS_SIGNAL.sample(&mut self.rng),
            Form::Child | Form::Launchd | Form::ScheduledTask | Form::Foreign => 1,
        };
        let restarts_by_exit = self.by_exit;
        self.tell(
            delay,
            Evidence::Appeared(Appeared { incarnation, age_ms: delay, by, at_boot: false, restarts_by_exit }),
        );
        self.unit_changed();
        self.oracle.started(now, |fault| !matches!(fault, Fault::Suppressed | Fault::ChannelDeaf));
    }

    fn boot_plan(&mut self) -> BootPlan {
        let rng = &mut self.rng;
        let fails = if !self.config_ok || self.disk_full {
            Some(Exit::REFUSED)
        } else if self.port_taken {
            Some(1)
        } else {
            None
        };
        let slow = std::mem::take(&mut self.next_slow);
        let stuck = fails.is_none() && std::mem::take(&mut self.next_stuck);
        let listen_ms = if slow { fitted::BOOT_SLOW.sample(rng) } else { fitted::BOOT_LISTEN.sample(rng) };
        // The same work takes longer with less CPU: about 7 s of it.
        let cpu = (7_000_000 / listen_ms.max(1)).clamp(25, fitted::BOOT_CPU);
        let ready_ms = fitted::LISTEN_READY.sample(rng) * if slow { 3 } else { 1 };
        BootPlan { listen_ms, ready_ms, cpu, stuck, fails }
    }

    fn process_steps(&mut self) {
        let now = self.now;
        let Some(process) = &mut self.process else { return };
        let happened = process.step(now, &mut self.rng);
        self.happened(happened);
    }

    /// Shows what happened in the process to the rest of the world.
    pub fn happened(&mut self, happened: Happened) {
        let now = self.now;
        self.oracle.log(now, || format!("gateway: {happened:?}"));
        match happened {
            Happened::Nothing => {}
            Happened::Handlers => self.enters_ledger(),
            Happened::Listening => {}
            Happened::Ready => self.ready(),
            Happened::Drains => self.drains(),
            Happened::Closed(_) => self.lose_rpc(),
            Happened::Inner => {
                self.tell_log(LogSign::RestartInProcess);
                self.log_at = now + 900;
            }
            Happened::Ended(exit) => self.ends(exit),
            Happened::Unblocked => {
                let waits = self.process.as_mut().is_some_and(Process::take_pending);
                if waits {
                    self.sigterm(Then::Exit);
                }
                self.maybe_recovered();
            }
        }
    }

    /// A line of the gateway's log reaches the guard.
    pub fn tell_log(&mut self, sign: LogSign) {
        let delay = self.rng.between(5, 400);
        self.tell(delay, Evidence::Log(sign));
    }

    fn log_grows(&mut self) {
        self.log_at = NEVER;
        let grows = self.process.as_ref().is_some_and(|process| {
            process.turns()
                && process.flaw.is_none()
                && matches!(
                    process.stage,
                    Stage::Exec | Stage::Failing(_) | Stage::Booting | Stage::Sidecars | Stage::Inner
                )
        });
        if grows {
            self.tell_log(LogSign::Grew);
            self.log_at = self.now + self.rng.between(400, 5_000);
        }
    }

    fn enters_ledger(&mut self) {
        let now = self.now;
        while self.ledger.front().is_some_and(|at| now - at >= fitted::BREAKER_WINDOW_MS) {
            self.ledger.pop_front();
        }
        let Some(process) = &mut self.process else { return };
        if process.flaw == Some(Flaw::BootStuck) {
            self.oracle.inject(Fault::BootStuck, now, now + 290_000);
        }
        let Some(process) = &mut self.process else { return };
        if self.ledger.len() >= fitted::BREAKER_LIMIT {
            process.suppressed = true;
            self.tell_log(LogSign::BreakerTripped);
        }
    }

    fn ready(&mut self) {
        let now = self.now;
        self.own_restart = false;
        if self.rpc {
            let delay = self.rng.between(20, 1_500);
            self.tell(delay, Evidence::Rpc(RpcSeen::Connected { version: "2026.9.6".to_owned(), boot_id: None }));
            self.tell_channels(delay + 5);
        } else {
            self.tell(50, Evidence::Rpc(RpcSeen::NoToken));
        }
        let suppressed = self.process.as_ref().is_some_and(|process| process.suppressed);
        if suppressed && !self.oracle.open.iter().any(|expect| expect.fault == Fault::Suppressed) {
            let by = if self.rpc { now + 420_000 } else { NEVER };
            self.oracle.inject(Fault::Suppressed, now, by);
            if self.wishes.paused {
                self.excuse();
            }
        }
        if suppressed {
            // OpenClaw's own monitor: after the window, at its next tick of 5 min.
            self.monitor_at = now + self.rng.between(300_000, 600_000);
        }
        self.maybe_recovered();
    }

    /// The state of all channel accounts, over RPC.
    pub fn tell_channels(&mut self, delay: u64) {
        let Some(process) = &self.process else { return };
        if !self.rpc || !process.listens() {
            return;
        }
        let account = ChannelState {
            channel: "telegram".to_owned(),
            account: "default".to_owned(),
            wanted: true,
            running: !process.suppressed && !process.deaf_channel,
            suppressed: process.suppressed,
            stopped_by_person: false,
            terminal: process.deaf_channel,
            error: None,
        };
        self.tell(delay, Evidence::Rpc(RpcSeen::Channels { accounts: vec![account] }));
    }

    fn monitor(&mut self) {
        self.monitor_at = NEVER;
        if let Some(process) = &mut self.process {
            process.suppressed = false;
        }
        self.tell_channels(10);
        self.oracle.started(self.now, |fault| fault == Fault::Suppressed);
        self.maybe_recovered();
    }

    fn drains(&mut self) {
        let Some(process) = &self.process else { return };
        let (stage, working) = (process.stage, process.working);
        if !self.own_restart {
            self.tell_log(LogSign::StopSignal);
        } else if self.by_exit {
            self.tell_log(LogSign::RestartByExit);
        }
        if working && matches!(stage, Stage::Draining(_)) {
            self.tell_log(LogSign::Draining { timeout_ms: fitted::DRAIN_LIMIT_MS });
        }
        if self.rpc && self.process.as_ref().is_some_and(Process::listens) {
            let restart_expected_ms = self.own_restart.then_some(10_000);
            let reason = "stop".to_owned();
            self.tell(3, Evidence::Rpc(RpcSeen::Shutdown { reason, restart_expected_ms }));
        }
    }

    fn lose_rpc(&mut self) {
        if self.rpc {
            self.tell(2, Evidence::Rpc(RpcSeen::Lost));
        }
    }

    /// SIGTERM reaches the process.
    pub fn sigterm(&mut self, then: Then) {
        let now = self.now;
        let Some(process) = &mut self.process else { return };
        let stuck = process.flaw == Some(Flaw::DrainStuck);
        process.working = stuck || self.rng.chance(120);
        let fit = if process.working { &fitted::END_WORK } else { &fitted::END_IDLE };
        let drain_ms = fit.sample(&mut self.rng);
        if let Some(happened) = process.terminate(now, drain_ms, then) {
            self.happened(happened);
        }
    }

    /// The process ended.
    pub fn ends(&mut self, exit: Exit) {
        let now = self.now;
        let Some(process) = self.process.take() else { return };
        self.oracle.log(now, || format!("pid {} ended: {exit:?}", process.incarnation.pid));
        let unclean = !exit.is_clean() && !exit.is_refusal();
        let in_ledger = process.in_ledger || matches!(process.stage, Stage::Failing(1));
        if unclean {
            self.unclean_ends.push_back(now);
            if self.unclean_ends.len() > 64 {
                self.unclean_ends.pop_front();
            }
            if in_ledger {
                self.ledger.push_back(process.born);
            }
        }
        if process.flaw.is_some() {
            // Ended for its flaw; the next start may be paced.
            self.oracle.open.iter_mut().for_each(|expect| expect.start_by = expect.start_by.max(now + 36_000));
        } else if exit.is_clean() && matches!(process.stage, Stage::Closing(Then::Exit)) {
            // Its orderly end took what it took; the start has as long as after one that the deadline finds under way.
            self.oracle.open.iter_mut().for_each(|expect| expect.start_by = expect.start_by.max(now + 5_000));
        }
        self.last_end = now;
        self.last_ready_ms = process.ready_at.map_or(0, |at| now - at);
        self.short_lives = if self.last_ready_ms >= 15_000 { 0 } else { self.short_lives + 1 };
        self.monitor_at = NEVER;
        self.log_at = NEVER;
        if process.listens() {
            self.lose_rpc();
        }
        if let Stage::Failing(code) = process.stage {
            self.tell_refusal(code);
        }
        self.last_life = Some((process.incarnation.clone(), exit));
        // Only an end in a pause that a person may have caused binds the guard, and only where no manager restarts it.
        if self.wishes.paused && exit.may_be_a_persons() && self.form == Form::Child {
            self.wishes.ended_in_pause = true;
        }
        // A channel that was left out or deaf is so no longer: its process is gone.
        self.oracle.recovered_quietly(|fault| matches!(fault, Fault::Suppressed | Fault::ChannelDeaf));
        self.tell(1, Evidence::Gone(Gone { incarnation: process.incarnation, exit, uncertainty_ms: 0 }));
        if self.form == Form::Systemd {
            self.unit_exited(exit);
        }
    }

    fn unit_exited(&mut self, exit: Exit) {
        let (deed, passing) = self.unit.exited(self.now, exit);
        if let Some(state) = passing {
            let after = std::mem::replace(&mut self.unit.state, state);
            let seen = self.unit.seen(false, None);
            self.tell(1, Evidence::Service(seen));
            self.unit.state = after;
        }
        if deed == Deed::Exec {
            self.exec(None);
        } else {
            self.unit_changed();
        }
    }

    fn tell_refusal(&mut self, code: i32) {
        let reason = if code == 1 {
            RefusalReason::Port
        } else if self.disk_full {
            RefusalReason::Disk
        } else {
            RefusalReason::Config
        };
        self.tell(0, Evidence::Log(LogSign::Refused { text: "Gateway start blocked".to_owned(), reason }));
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

    /// A person's word must have been kept by now: gone (or ending) after a stop, there after a start.
    fn wish_due(&mut self) {
        let now = self.now;
        self.wish_due = NEVER;
        if self.out_kind != Out::No {
            self.wish_due = now + 15_000;
            return;
        }
        match &self.process {
            Some(process) if self.wishes.stopped => {
                let ending = matches!(process.stage, Stage::Draining(Then::Exit) | Stage::Closing(Then::Exit));
                if process.term_waits() || ending {
                    self.wish_due = now + 60_000;
                    let asked_long_ago = self.wish_said + 345_000 + 330_000 < now;
                    if asked_long_ago && process.held().is_none() && !process.drains_well() {
                        self.oracle.broke(now, "not_stopped", "it lives long after a person stopped it");
                        self.wish_due = NEVER;
                    }
                } else {
                    self.oracle.broke(now, "not_stopped", format!("{:?} although a person stopped it", process.stage));
                }
            }
            None if self.wishes.start => {
                let since = now.saturating_sub(self.last_end.max(self.wish_said));
                if since < 8_000 {
                    self.wish_due = now + 8_000;
                } else {
                    self.oracle.broke(now, "not_started", "a person said start, and nothing runs");
                }
            }
            Some(_) if self.wishes.start => self.wish_due = now + 10_000,
            Some(_) | None => {}
        }
    }

    /// Something should have happened by now.
    fn deadline(&mut self) {
        let now = self.now;
        // From when the window is clear it has a little time, also if that is just before the deadline.
        let cleared = fitted::BREAKER_WINDOW_MS + 12_000;
        let unclean = self.unclean_ends.iter().rev().take_while(|at| now - **at < cleared).count();
        let later = if self.wishes.no_start() {
            Some(NEVER)
        } else if self.out_kind != Out::No {
            Some(now + 10_000)
        } else if now < self.guard_out_until.saturating_add(3_000) {
            // It has only just woken, and has to look first.
            Some(self.guard_out_until + 3_000)
        } else {
            match &self.process {
                Some(process) if process.held().is_some() => Some(now + 60_000),
                Some(process) if process.drains_well() => Some(process.next_at().saturating_add(5_000)),
                // Our kill would trip OpenClaw's breaker: it has to wait until the window is clear.
                Some(process) if process.flaw.is_some() && unclean >= 2 => {
                    let oldest = self.unclean_ends.iter().rev().nth(1).copied().unwrap_or(now);
                    Some((oldest + cleared).max(now + 1_000))
                }
                Some(_) | None => None,
            }
        };
        let mut late = None;
        for expect in &mut self.oracle.open {
            if expect.start_by <= now {
                expect.start_by = later.unwrap_or(NEVER);
                late = later.is_none().then_some(*expect);
            }
        }
        if let Some(expect) = late {
            let text = format!("{:?} since {:.3}: nothing was started", expect.fault, expect.onset as f64 / 1_000.0);
            self.oracle.broke(now, "too_late", text);
        }
    }

    /// Checks whether what was wrong is mended.
    pub fn maybe_recovered(&mut self) {
        let now = self.now;
        let Some(process) = &self.process else { return };
        if !process.serves() || process.flaw.is_some() {
            return;
        }
        let (suppressed, deaf) = (process.suppressed, process.deaf_channel);
        let guard_looks = self.out_kind == Out::No;
        let waits = self.oracle.recovered(now, guard_looks, |fault| match fault {
            Fault::Suppressed => !suppressed,
            Fault::ChannelDeaf => !deaf,
            Fault::Crash
            | Fault::Abort
            | Fault::ExitOne
            | Fault::ConfigRefused
            | Fault::DiskFull
            | Fault::PortStolen
            | Fault::Frozen
            | Fault::Spin
            | Fault::Stuck
            | Fault::ListenerLost
            | Fault::BootStuck
            | Fault::DrainStuck => true,
        });
        if waits {
            self.later.push((self.guard_out_until + WORDS_MS, Later::LookedAgain));
        }
    }

    /// The unit as a foreign stop leaves it on its way down.
    #[must_use]
    pub const fn stopping(&self) -> bool {
        matches!((self.unit.state, self.unit.job), (ActiveState::Deactivating, Some(Job { kind: JobKind::Stop, .. })))
    }
}
