//! Real faults, and how their causes go away.

use super::super::fitted;
use super::super::oracle::Fault;
use super::super::process::{Block, Flaw, NEVER, Stage, Then};
use super::super::world::World;
use super::{Later, NEW_GUARD_MS};
use clawmend_core::observation::{Evidence, Exit};

/// By then a new guard has asked the gateway once and has its answer.
const FIRST_ANSWER_MS: u64 = 300;

impl World {
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

    pub(super) fn crash_burst(&mut self) {
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

    pub(super) fn exit_one(&mut self) {
        let by = self.start_bound() + 100;
        self.oracle.inject(Fault::ExitOne, self.now, by);
        self.ends(Exit::Code { code: 1 });
    }

    pub(super) fn break_config(&mut self) {
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

    pub(super) fn fill_disk(&mut self) {
        self.oracle.inject(Fault::DiskFull, self.now, NEVER);
        self.disk_full = true;
        let seen = self.disk();
        self.tell(500, seen);
        let freed = self.now + self.rng.between(60_000, 900_000);
        self.later.push((freed, Later::DiskFreed));
        self.ends(Exit::Signal { signal: 9, core: false });
    }

    pub(super) fn steal_port(&mut self) {
        self.oracle.inject(Fault::PortStolen, self.now, NEVER);
        self.port_taken = true;
        let freed = self.now + self.rng.between(60_000, 600_000);
        self.later.push((freed, Later::PortFreed));
        self.ends(Exit::Signal { signal: 9, core: false });
    }

    pub(super) fn flaw(&mut self, fault: Fault, flaw: Flaw, within: u64) {
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
        self.somebody_will_end_it();
    }

    pub(super) fn freeze(&mut self) {
        self.flaw(Fault::Frozen, Flaw::Frozen, 6_000);
        let now = self.now;
        if let Some(process) = &mut self.process {
            process.halt(now, |process| process.stopped = true);
        }
    }

    pub(super) fn spin(&mut self) {
        self.flaw(Fault::Spin, Flaw::Spins, 45_000);
        self.block(Block::Spin, NEVER);
    }

    pub(super) fn stick(&mut self) {
        self.flaw(Fault::Stuck, Flaw::Stuck, 80_000);
        let block = if self.rng.chance(700) { Block::Wait } else { Block::Disk };
        self.block(block, NEVER);
    }

    pub(super) fn lose_listener(&mut self) {
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

    pub(super) fn boot_stuck(&mut self) {
        self.next_stuck = true;
        self.crash(Fault::Crash, 9);
    }

    pub(super) fn drain_stuck(&mut self) {
        self.flaw(Fault::DrainStuck, Flaw::DrainStuck, 400_000);
        self.own_restart = true;
        self.sigterm(Then::Exit);
    }

    pub(super) fn deafen(&mut self) {
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

    pub(super) fn config_fixed(&mut self) {
        self.config_ok = true;
        self.fingerprint += 1;
        let seen = self.config();
        self.tell(100, seen);
        self.cause_gone(Fault::ConfigRefused, 2_200);
    }

    /// The cause of a refusal is observably gone: a start must follow, unless a start or life is under way.
    pub(super) fn cause_gone(&mut self, fault: Fault, within: u64) {
        let now = self.now;
        self.oracle.log(now, || format!("## the cause of {fault:?} is gone"));
        let failing = self.process.as_ref().is_some_and(|process| matches!(process.stage, Stage::Failing(_)));
        // A start that is still failing has to fail first.
        let within = within + if failing { fitted::PORT_TAKEN.high } else { 0 };
        let lost = self.guard_out_until.saturating_sub(now);
        let (by_hand, last_start) = (self.by_hand(), self.starts.back().copied().unwrap_or(0));
        for expect in &mut self.oracle.open {
            if expect.fault == fault {
                // Whoever starts it by hand did not try meanwhile, so it refused nothing, and there was nothing to see.
                expect.cancelled |= by_hand && last_start < expect.onset;
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

    pub(super) fn crash_again(&mut self) {
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
}
