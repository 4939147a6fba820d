//! What looks like a fault and is none: stalls, restarts of its own, holders, a guard that is away.

use super::super::fitted;
use super::super::process::{Block, Flaw, Process, Then};
use super::super::world::{Out, World};
use super::{Later, NEW_GUARD_MS};
use clawmend_core::observation::{ActiveState, Exit};

impl World {
    /// Stopped by a signal for a moment: by a person who thinks better of it, or over and over, as `cpulimit` does it.
    pub(super) fn short_stops(&mut self) {
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

    pub(super) fn continued(&mut self, pid: u32, again: u32) {
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

    pub(super) fn stall(&mut self) {
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

    pub(super) fn own_restart(&mut self, slow: bool, work: bool) {
        let name = match (slow, work) {
            (true, _) => "own_restart_slow_boot",
            (false, true) => "own_restart_with_work",
            (false, false) => "own_restart",
        };
        self.oracle.disturb(name, self.now);
        self.next_slow = slow;
        self.own_restart_now(work);
    }

    pub(super) fn own_restart_now(&mut self, work: bool) {
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

    pub(super) fn hold(&mut self) {
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

    pub(super) fn released(&mut self, pid: u32) {
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

    pub(super) fn guard_starves(&mut self, ms: u64) {
        if self.out_kind != Out::No {
            return;
        }
        self.oracle.disturb("guard_starved", self.now);
        self.guard_out_until = self.now + ms;
        self.out_kind = Out::Starved;
        self.out_since = self.now;
        self.oracle.allow(ms + 12_000);
    }

    pub(super) fn guard_dies(&mut self) {
        // A stop or start that only the guard's ears would hear is not in the air while it is dead.
        if self.out_kind != Out::No || self.wishes.no_start() || !self.inbox.is_empty() {
            return;
        }
        self.oracle.disturb("guard_killed", self.now);
        let ms = self.rng.between(50, 10_000);
        self.guard_out_until = self.now + ms;
        self.out_kind = Out::Dead;
        self.out_since = self.now;
        self.guard_up = false;
        self.inbox.clear();
        self.effects.clear();
        self.excuse();
        self.oracle.allow(ms + NEW_GUARD_MS);
    }

    /// What the guard could not see it need not name.
    pub(in crate::sim) fn excuse(&mut self) {
        for expect in &mut self.oracle.open {
            expect.cancelled = true;
        }
    }

    pub(super) fn sleeps(&mut self) {
        if self.unit.state == ActiveState::Deactivating {
            return;
        }
        self.oracle.disturb("sleep", self.now);
        let ms = self.rng.between(60_000, 8 * 3_600_000);
        self.sleep_ms = ms;
    }
}
