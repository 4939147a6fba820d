//! What happens to the gateway: real faults, legitimate disturbances, and people. Drawn from the seed.
//!
//! Invariant: at most a few things at once, so that the oracle knows for everything that follows whose fault it is.

use super::fitted;
use super::oracle::Fault;
use super::process::{Block, Flaw, NEVER, Process, Stage, Then};
use super::unit::{Ask, Deed};
use super::world::World;
use clawmend_core::gateway::{Form, Incarnation};
use clawmend_core::observation::{ActiveState, Evidence, Exit, JobKind, Surroundings};
use clawmend_core::time::Wall;
use clawmend_core::wish::Wish;

/// The longest wait between two starts of a deaf channel is 600 s; a call that does not get through costs 30 s more.
const CHANNEL_WAIT_MS: u64 = 660_000;

/// A step that was announced by an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Later {
    /// A killed process is gone.
    Dies(Option<Incarnation>),
    /// The config is good again.
    ConfigFixed,
    /// The disk has room again.
    DiskFreed,
    /// The port is free again.
    PortFreed,
    /// The channel's provider accepts it again.
    ChannelFixed(u32),
    /// The holder lets go.
    Released(u32),
    /// Whoever stopped it by a signal lets it go on, and stops it again so many times.
    Continued(u32, u32),
    /// A person says start.
    Start,
    /// A person types `systemctl start`.
    UnitStart,
    /// The pause ends.
    Resume,
    /// The flag file is removed.
    FlagGone,
    /// Another crash.
    CrashAgain,
}

/// A new guard has to learn anew how long a silence, a start or a drain lasts.
const NEW_GUARD_MS: u64 = 345_000;
/// By then a new guard has asked the gateway once and has its answer.
const FIRST_ANSWER_MS: u64 = 300;

/// Nothing else is going on that would make the truth unclear.
fn calm(world: &World) -> bool {
    world.oracle.open.is_empty()
        && !world.wishes.no_start()
        && world.config_ok
        && !world.disk_full
        && !world.port_taken
        && !world.own_restart
        && world.guard_up
        && world.guard_out_until <= world.now
}

impl World {
    /// Draws the next thing and does it.
    pub(super) fn inject(&mut self) {
        let gap = self.rng.waiting(480_000).clamp(5_000, 7_200_000);
        self.script_at = self.now + gap;
        let serving = self.process.as_ref().is_some_and(|process| process.serves() && process.flaw.is_none());
        if !calm(self) {
            // Troubles seldom come alone: some of those that stay clear may come on top.
            if self.rng.chance(300) {
                self.disturb_lightly();
            }
            return;
        }
        if !serving {
            if self.rng.chance(250) {
                self.crash(Fault::Crash, 9);
            }
            return;
        }
        let held = self.process.as_ref().is_some_and(|process| process.held().is_some());
        if held {
            return;
        }
        match self.rng.between(0, 99) {
            0..=7 => self.crash_burst(),
            8..=10 => self.crash(Fault::Abort, 6),
            11..=13 => self.exit_one(),
            14..=17 => self.break_config(),
            18..=20 => self.fill_disk(),
            21..=23 => self.steal_port(),
            24..=31 => self.freeze(),
            32..=36 => self.spin(),
            37..=40 => self.stick(),
            41..=44 => self.lose_listener(),
            45..=47 => self.boot_stuck(),
            48..=49 => self.drain_stuck(),
            50..=52 => self.deafen(),
            53..=62 => self.stall(),
            63..=68 => self.own_restart(false, false),
            69..=71 => self.own_restart(true, false),
            72..=74 => self.own_restart(false, true),
            75..=83 => self.hold(),
            84..=87 => self.person_stops(),
            88..=89 => self.person_pauses(),
            90..=91 => self.person_restarts(),
            92..=94 => self.systemctl(),
            _ => self.disturb_lightly(),
        }
    }

    fn disturb_lightly(&mut self) {
        match self.rng.between(0, 9) {
            0..=2 => {
                self.oracle.disturb("clock_jump", self.now);
                let year = 365 * 86_400_000_i64;
                let by = i64::try_from(self.rng.between(0, 2 * 31_536_000_000)).unwrap_or(0) - year;
                self.wall_offset = self.wall_offset.saturating_add(by).clamp(0, 4_000_000_000_000);
            }
            3..=5 => {
                let ms = self.rng.between(300, 20_000);
                self.guard_starves(ms);
            }
            6..=7 => self.guard_dies(),
            8 => self.sleeps(),
            _ if self.rng.chance(500) => self.short_stops(),
            _ => self.stall(),
        }
    }

    /// Stopped by a signal for a moment: by a person who thinks better of it, or over and over, as `cpulimit` does it.
    fn short_stops(&mut self) {
        let serving = self.process.as_ref().is_some_and(|process| process.serves() && process.flaw.is_none());
        let held = self.process.as_ref().is_some_and(|process| process.held().is_some());
        if !serving || held || self.own_restart {
            return;
        }
        self.oracle.disturb("short_stops", self.now);
        let times = if self.rng.chance(500) { 0 } else { self.rng.between(10, 2_000) };
        self.stop_shortly(u32::try_from(times).unwrap_or(0));
    }

    fn stop_shortly(&mut self, again: u32) {
        let now = self.now;
        let Some(process) = &mut self.process else { return };
        process.halt(now, |process| process.stopped = true);
        let pid = process.incarnation.pid;
        // The confirmation takes 150 ms.
        let ms = self.rng.between(5, 140);
        self.later.push((now + ms, Later::Continued(pid, again)));
    }

    fn continued(&mut self, pid: u32, again: u32) {
        let now = self.now;
        let fits = |process: &&mut Process| process.incarnation.pid == pid && process.flaw != Some(Flaw::Frozen);
        let Some(process) = self.process.as_mut().filter(fits) else { return };
        if process.stopped {
            process.halt(now, |process| process.stopped = false);
            if process.take_pending() {
                return self.sigterm(Then::Exit);
            }
        } else if again > 0 && process.serves() && process.flaw.is_none() {
            return self.stop_shortly(again - 1);
        }
        if again > 0 {
            let ms = self.rng.between(15, 100);
            self.later.push((now + ms, Later::Continued(pid, again)));
        }
    }

    /// When a new life must be under way after an end at this moment.
    fn start_bound(&self) -> u64 {
        let now = self.now;
        let recent = self.starts.iter().filter(|at| now - **at < 300_000).count();
        let ready_ms = self.process.as_ref().and_then(|process| process.ready_at).map_or(0, |at| now - at);
        if ready_ms >= 30_000 && recent < 4 { now + 2_000 } else { now + 36_000 }
    }

    pub(super) fn crash(&mut self, fault: Fault, signal: i32) {
        if self.process.is_none() {
            return;
        }
        let by = self.start_bound() + 100 + self.guard_out_until.saturating_sub(self.now);
        self.oracle.inject(fault, self.now, by);
        let ending = self.process.as_ref().is_some_and(|process| process.drains_well() || process.term_waits());
        if self.own_restart || self.wishes.restart || ending || !self.guard_up {
            // It was about to come back anyway, which is a fair name for that; or nobody saw it.
            self.excuse();
        }
        self.ends(Exit::Signal { signal, core: signal == 6 });
    }

    fn crash_burst(&mut self) {
        if self.rng.chance(350) {
            let mut at = self.now;
            for _ in 0..self.rng.between(1, 3) {
                at += self.rng.between(15_000, 90_000);
                self.later.push((at, Later::CrashAgain));
            }
        }
        let signal = if self.rng.chance(700) { 9 } else { 11 };
        self.crash(Fault::Crash, signal);
    }

    fn exit_one(&mut self) {
        let by = self.start_bound() + 100;
        self.oracle.inject(Fault::ExitOne, self.now, by);
        self.ends(Exit::Code { code: 1 });
    }

    fn break_config(&mut self) {
        self.oracle.inject(Fault::ConfigRefused, self.now, NEVER);
        self.config_ok = false;
        self.fingerprint += 1;
        let seen = self.config();
        self.tell(100, seen);
        let fixed = self.now + self.rng.between(60_000, 1_500_000);
        self.later.push((fixed, Later::ConfigFixed));
        // Then something ends it, and the next start is refused.
        self.own_restart_now(false);
    }

    fn fill_disk(&mut self) {
        self.oracle.inject(Fault::DiskFull, self.now, NEVER);
        self.disk_full = true;
        let seen = self.disk();
        self.tell(500, seen);
        let freed = self.now + self.rng.between(60_000, 900_000);
        self.later.push((freed, Later::DiskFreed));
        self.ends(Exit::Signal { signal: 9, core: false });
    }

    fn steal_port(&mut self) {
        self.oracle.inject(Fault::PortStolen, self.now, NEVER);
        self.port_taken = true;
        let freed = self.now + self.rng.between(60_000, 600_000);
        self.later.push((freed, Later::PortFreed));
        self.ends(Exit::Signal { signal: 9, core: false });
    }

    fn flaw(&mut self, fault: Fault, flaw: Flaw, within: u64) {
        self.oracle.inject(fault, self.now, self.now + within);
        let silent = matches!(flaw, Flaw::Spins | Flaw::Stuck | Flaw::Deaf);
        if silent && self.now < self.guard_since + FIRST_ANSWER_MS {
            // For all that this guard can see it never served, so it has the time of a start, and the name of one.
            self.excuse();
            self.oracle.allow(NEW_GUARD_MS);
        }
        if let Some(process) = &mut self.process {
            process.flaw = Some(flaw);
        }
    }

    fn freeze(&mut self) {
        self.flaw(Fault::Frozen, Flaw::Frozen, 6_000);
        let now = self.now;
        if let Some(process) = &mut self.process {
            process.halt(now, |process| process.stopped = true);
        }
    }

    fn block(&mut self, block: Block, ms: u64) {
        let now = self.now;
        if let Some(process) = &mut self.process {
            process.block_for(now, block, ms);
        }
    }

    fn spin(&mut self) {
        self.flaw(Fault::Spin, Flaw::Spins, 45_000);
        self.block(Block::Spin, NEVER);
    }

    fn stick(&mut self) {
        self.flaw(Fault::Stuck, Flaw::Stuck, 80_000);
        let block = if self.rng.chance(700) { Block::Wait } else { Block::Disk };
        self.block(block, NEVER);
    }

    fn lose_listener(&mut self) {
        self.flaw(Fault::ListenerLost, Flaw::Deaf, 150_000);
        let now = self.now;
        let said = self.rng.chance(500);
        if let Some(process) = &mut self.process {
            process.lose_listener(now);
        }
        if said {
            self.tell_log(clawmend_core::observation::LogSign::StartupFailedAlive);
        }
        if self.rpc {
            self.tell(2, Evidence::Rpc(clawmend_core::observation::RpcSeen::Lost));
        }
    }

    fn boot_stuck(&mut self) {
        self.next_stuck = true;
        self.crash(Fault::Crash, 9);
    }

    fn drain_stuck(&mut self) {
        self.flaw(Fault::DrainStuck, Flaw::DrainStuck, 400_000);
        self.own_restart = true;
        self.sigterm(Then::Exit);
    }

    fn deafen(&mut self) {
        self.oracle.inject(Fault::ChannelDeaf, self.now, NEVER);
        let pid = self.next_pid;
        if let Some(process) = &mut self.process {
            process.deaf_channel = true;
            process.channel_refused = true;
        }
        self.tell_channels(200);
        // The subscription asks again once a minute: what was on its way from before does not stand for ever.
        self.tell_channels(60_000);
        let fixed = self.now + self.rng.between(60_000, 600_000);
        self.later.push((fixed, Later::ChannelFixed(pid)));
    }

    fn stall(&mut self) {
        if self.process.as_ref().is_some_and(|process| process.flaw.is_some()) {
            return;
        }
        self.oracle.disturb("stall", self.now);
        let ms = fitted::STALL.sample(&mut self.rng);
        let block = match self.rng.between(0, 9) {
            0..=5 => Block::Spin,
            6..=8 => Block::Wait,
            _ => Block::Disk,
        };
        self.block(block, ms);
    }

    fn own_restart(&mut self, slow: bool, work: bool) {
        let name = match (slow, work) {
            (true, _) => "own_restart_slow_boot",
            (false, true) => "own_restart_with_work",
            (false, false) => "own_restart",
        };
        self.oracle.disturb(name, self.now);
        self.next_slow = slow;
        self.own_restart_now(work);
    }

    fn own_restart_now(&mut self, work: bool) {
        let now = self.now;
        self.own_restart = true;
        let then = if self.by_exit { Then::Exit } else { Then::Inside };
        let Some(process) = &mut self.process else { return };
        process.working = work;
        let fit = if work { &fitted::END_WORK } else { &fitted::END_IDLE };
        let drain_ms = fit.sample(&mut self.rng);
        if !self.config_ok && then == Then::Inside {
            // Its own restart would not read the broken file; something else ends it.
            self.own_restart = false;
            return self.ends(Exit::Signal { signal: 9, core: false });
        }
        if let Some(happened) = process.terminate(now, drain_ms, then) {
            self.happened(happened);
        }
    }

    fn hold(&mut self) {
        let now = self.now;
        let pid = self.next_pid;
        let ms = self.rng.between(2_000, 600_000);
        let kind = self.rng.between(0, 2);
        let name = ["cgroup_freeze", "tracer", "inspector"][usize::try_from(kind).unwrap_or(0)];
        self.oracle.disturb(name, now);
        if let Some(process) = &mut self.process {
            match kind {
                0 => process.halt(now, |process| process.frozen = true),
                1 => process.halt(now, |process| process.traced = true),
                _ => {
                    process.inspected = true;
                    process.block_for(now, Block::Wait, ms);
                }
            }
        }
        self.later.push((now + ms, Later::Released(pid)));
    }

    fn person_stops(&mut self) {
        let emergency = self.rng.chance(400);
        self.oracle.disturb(if emergency { "emergency_stop" } else { "stop" }, self.now);
        self.say(if emergency { Wish::EmergencyStop } else { Wish::Stop });
        let back = self.now + self.rng.between(20_000, 1_800_000);
        self.later.push((back, Later::Start));
    }

    fn person_pauses(&mut self) {
        let ms = self.rng.between(20_000, 1_800_000);
        if self.rng.chance(300) {
            self.oracle.disturb("flag_file", self.now);
            self.wishes.paused = true;
            self.tell(0, Evidence::FlagFile(true));
            self.later.push((self.now + ms, Later::FlagGone));
        } else {
            self.oracle.disturb("pause", self.now);
            self.say(Wish::Pause { until: None, reason: None });
            self.later.push((self.now + ms, Later::Resume));
        }
        if self.rng.chance(600) {
            let at = self.now + self.rng.between(1_000, ms);
            self.later.push((at, Later::CrashAgain));
        }
    }

    fn person_restarts(&mut self) {
        self.oracle.disturb("restart", self.now);
        self.say(Wish::Restart);
    }

    /// What a person types while the guard looks on.
    fn systemctl(&mut self) {
        if self.form != Form::Systemd {
            self.oracle.disturb("outside_sigterm", self.now);
            return self.sigterm(Then::Exit);
        }
        let now = self.now;
        let alive = self.process.is_some();
        if self.rng.chance(400) {
            self.oracle.disturb("systemctl_restart", now);
            self.told(JobKind::Restart);
            self.wishes.restart = true;
            if self.unit.ask(now, Ask::Restart, false, alive).1 == Deed::Terminate {
                self.unit_changed();
                self.manager_terminates();
            }
            return;
        }
        self.oracle.disturb("systemctl_stop", now);
        if self.rng.chance(300) {
            // In the same instant as a crash.
            self.ends(Exit::Signal { signal: 9, core: false });
        }
        self.wishes.unit_stopped = true;
        self.told(JobKind::Stop);
        let alive = self.process.is_some();
        let (_, deed) = self.unit.ask(now, Ask::Stop, false, alive);
        self.unit_changed();
        if deed == Deed::Terminate {
            self.manager_terminates();
        }
        let back = now + self.rng.between(20_000, 1_800_000);
        self.later.push((back, Later::UnitStart));
    }

    fn told(&mut self, kind: JobKind) {
        let delay = self.rng.between(1, 5);
        self.tell(delay, Evidence::ForeignJob(kind));
    }

    /// A person says something to the guard, which must be there to hear it.
    pub(super) fn say(&mut self, wish: Wish) {
        self.tell(0, Evidence::Person(wish));
    }

    /// The truth of wishes changes when the guard hears them.
    pub(super) fn heard(&mut self, wish: &Wish) {
        match wish {
            Wish::Pause { .. } => self.wishes.paused = true,
            Wish::Resume => self.wishes.paused = false,
            Wish::Stop | Wish::EmergencyStop => {
                self.wishes.stopped = true;
                self.wishes.emergency = *wish == Wish::EmergencyStop;
                self.wishes.restart = false;
                self.oracle.overtaken();
                self.later.retain(|(_, later)| *later != Later::CrashAgain);
                self.word_given(5_000);
            }
            Wish::Start => {
                self.wishes = Default::default();
                let ending = |process: &Process| matches!(process.stage, Stage::Draining(_) | Stage::Closing(_));
                self.wishes.start = self.process.as_ref().is_none_or(|process| ending(process) || process.term_waits());
                self.told_stop = false;
                self.word_given(8_000);
            }
            Wish::Restart => self.wishes.restart = true,
        }
    }

    fn word_given(&mut self, within: u64) {
        self.wish_said = self.now;
        self.wish_due = self.now + within;
    }

    pub(super) fn carry_on(&mut self, later: Later) {
        let now = self.now;
        match later {
            Later::Dies(target) => self.dies(target.as_ref()),
            Later::ConfigFixed => self.config_fixed(),
            Later::DiskFreed => {
                self.disk_full = false;
                let seen = self.disk();
                self.tell(100, seen);
                self.tell(101, Evidence::Surroundings(Surroundings::DiskFreed));
                self.cause_gone(Fault::DiskFull, 2_200);
            }
            Later::PortFreed => {
                self.port_taken = false;
                self.cause_gone(Fault::PortStolen, 62_000);
            }
            Later::ChannelFixed(pid) => {
                let heard = self.rpc;
                if let Some(process) = self.process.as_mut().filter(|process| process.incarnation.pid == pid) {
                    if !heard {
                        // Without RPC the guard can start nothing: whoever renewed the token starts it, too.
                        (process.deaf_channel, process.channel_refused) = (false, false);
                        return self.maybe_recovered();
                    }
                    // OpenClaw leaves a channel alone that has given up: it stays deaf until somebody starts it.
                    process.channel_refused = false;
                    let start_by = self.now + CHANNEL_WAIT_MS + self.guard_out_until.saturating_sub(self.now);
                    self.oracle.expect_start(Fault::ChannelDeaf, start_by);
                }
            }
            Later::Released(pid) => self.released(pid),
            Later::Continued(pid, again) => self.continued(pid, again),
            Later::Start => {
                if self.guard_up && self.guard_out_until <= now {
                    self.say(Wish::Start);
                } else {
                    self.later.push((now + 30_000, Later::Start));
                }
            }
            Later::UnitStart => self.unit_start(),
            Later::Resume | Later::FlagGone => self.resume(later),
            Later::CrashAgain => self.crash_again(),
        }
    }

    fn config_fixed(&mut self) {
        self.config_ok = true;
        self.fingerprint += 1;
        let seen = self.config();
        self.tell(100, seen);
        self.cause_gone(Fault::ConfigRefused, 2_200);
    }

    /// The cause of a refusal is observably gone: a start must follow, unless a start or life is under way.
    fn cause_gone(&mut self, fault: Fault, within: u64) {
        let now = self.now;
        self.oracle.log(now, || format!("## the cause of {fault:?} is gone"));
        let failing = self.process.as_ref().is_some_and(|process| matches!(process.stage, Stage::Failing(_)));
        // A start that is still failing has to fail first.
        let within = within + if failing { fitted::PORT_TAKEN.high } else { 0 };
        let lost = self.guard_out_until.saturating_sub(now);
        for expect in &mut self.oracle.open {
            if expect.fault == fault {
                expect.onset = now;
                expect.started = None;
                expect.start_by = now + within + lost;
            }
        }
        let alive = self.process.as_ref().is_some_and(|process| !matches!(process.stage, Stage::Failing(_)));
        if alive {
            self.oracle.started(now, |other| other == fault);
        }
        self.maybe_recovered();
    }

    fn released(&mut self, pid: u32) {
        let now = self.now;
        let Some(process) = self.process.as_mut().filter(|process| process.incarnation.pid == pid) else { return };
        process.inspected = false;
        process.halt(now, |process| {
            process.frozen = false;
            process.traced = false;
        });
        self.oracle.log(now, || "## released".to_owned());
        let waits = self.process.as_mut().is_some_and(Process::take_pending);
        if waits {
            self.sigterm(Then::Exit);
        }
    }

    fn unit_start(&mut self) {
        let now = self.now;
        if self.process.is_some() || self.stopping() {
            self.later.push((now + 10_000, Later::UnitStart));
            return;
        }
        self.wishes = Default::default();
        self.told_stop = false;
        self.told(JobKind::Start);
        if self.unit.ask(now, Ask::Start { reset: true }, false, false).1 == Deed::Exec {
            self.exec(None);
        }
    }

    fn resume(&mut self, later: Later) {
        let now = self.now;
        if !self.guard_up || self.guard_out_until > now {
            self.later.push((now + 30_000, later));
            return;
        }
        if later == Later::Resume {
            self.say(Wish::Resume);
        } else {
            self.wishes.paused = false;
            self.tell(0, Evidence::FlagFile(false));
        }
        if self.wishes.ended_in_pause {
            self.later.push((now + self.rng.between(20_000, 300_000), Later::Start));
        } else if self.process.is_none() && self.child() {
            // It ended in the pause in a way that no person could have caused.
            for expect in &mut self.oracle.open {
                expect.start_by = now + 36_000;
            }
        }
    }

    fn crash_again(&mut self) {
        let Some(process) = &self.process else { return };
        if process.held().is_some() || process.flaw.is_some() || self.wishes.down() || !self.config_ok {
            return;
        }
        if self.disk_full || self.port_taken || process.drains_well() {
            return;
        }
        let paused = self.wishes.paused;
        let signal = if paused && self.rng.chance(500) { 11 } else { 9 };
        self.crash(Fault::Crash, signal);
        if paused {
            // Hands off: it need not be named, and a child not be started before the pause is over, if then.
            self.excuse();
            if self.child() {
                self.oracle.open.iter_mut().for_each(|expect| expect.start_by = NEVER);
            }
        }
    }

    /// A pause that ends by itself.
    #[must_use]
    pub fn wall(&self) -> Wall {
        Wall(self.wall_offset.saturating_add(i64::try_from(self.now).unwrap_or(i64::MAX)))
    }

    fn guard_starves(&mut self, ms: u64) {
        if self.out_kind != super::world::Out::No {
            return;
        }
        self.oracle.disturb("guard_starved", self.now);
        self.guard_out_until = self.now + ms;
        self.out_kind = super::world::Out::Starved;
        self.out_since = self.now;
        self.oracle.allow(ms + 12_000);
    }

    fn guard_dies(&mut self) {
        // A stop or start that only the guard's ears would hear is not in the air while it is dead.
        if self.out_kind != super::world::Out::No || self.wishes.no_start() || !self.inbox.is_empty() {
            return;
        }
        self.oracle.disturb("guard_killed", self.now);
        let ms = self.rng.between(50, 10_000);
        self.guard_out_until = self.now + ms;
        self.out_kind = super::world::Out::Dead;
        self.out_since = self.now;
        self.guard_up = false;
        self.inbox.clear();
        self.effects.clear();
        self.excuse();
        self.oracle.allow(ms + NEW_GUARD_MS);
    }

    /// What the guard could not see it need not name.
    pub(super) fn excuse(&mut self) {
        for expect in &mut self.oracle.open {
            expect.cancelled = true;
        }
    }

    fn sleeps(&mut self) {
        if self.unit.state == ActiveState::Deactivating {
            return;
        }
        self.oracle.disturb("sleep", self.now);
        let ms = self.rng.between(60_000, 8 * 3_600_000);
        self.sleep_ms = ms;
    }
}
