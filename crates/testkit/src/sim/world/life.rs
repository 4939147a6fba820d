//! The lives of the gateway: how they begin, what they show on the way, how they end.

use super::super::fitted;
use super::super::oracle::Fault;
use super::super::process::{BootPlan, Flaw, Happened, NEVER, Process, Stage, Then};
use super::super::script::Later;
use super::super::unit::Deed;
use super::{Out, UncleanEnd, World};
use clawmend_core::diagnosis::RefusalReason;
use clawmend_core::directive::DirectiveId;
use clawmend_core::gateway::{Form, Incarnation};
use clawmend_core::observation::{Appeared, ChannelState, Evidence, Exit, Gone, LogSign, RpcSeen};

impl World {
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
        let delay = match self.setting.form {
            Form::Systemd => fitted::BUS_SIGNAL.sample(&mut self.rng),
            Form::Child | Form::Launchd | Form::ScheduledTask => 1,
            // Its lock is looked at once a second.
            Form::Foreign => self.rng.between(10, 1_000),
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

    pub(super) fn process_steps(&mut self) {
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

    pub(super) fn log_grows(&mut self) {
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
            self.somebody_will_end_it();
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
            connected: None,
            suppressed: process.suppressed,
            stopped_by_person: false,
            terminal: process.deaf_channel,
            error: None,
        };
        self.tell(delay, Evidence::Rpc(RpcSeen::Channels { accounts: vec![account] }));
    }

    pub(super) fn monitor(&mut self) {
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
        if unclean || !self.guard_up {
            let known = if self.out_kind == Out::No { now } else { NEVER };
            self.unclean_ends.push_back(UncleanEnd { at: now, truly: unclean, known });
            if self.unclean_ends.len() > 64 {
                self.unclean_ends.pop_front();
            }
        }
        if unclean && in_ledger {
            self.ledger.push_back(process.born);
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
        if self.wishes.paused && exit.may_be_a_persons() && self.child() {
            self.wishes.ended_in_pause = true;
        }
        // A channel that was left out or deaf is so no longer: its process is gone.
        self.oracle.recovered_quietly(|fault| matches!(fault, Fault::Suppressed | Fault::ChannelDeaf));
        if !self.setting.mends() {
            let again = now + self.rng.between(20_000, 600_000);
            self.later.push((again, Later::ByHand));
        }
        if self.by_hand() {
            return self.gone_unreaped(process.incarnation);
        }
        self.tell(1, Evidence::Gone(Gone { incarnation: process.incarnation, exit, uncertainty_ms: 0 }));
        if self.serviced() {
            self.unit_exited(exit);
        }
    }

    /// Nobody that we know of reaps it: that it ended is the kernel's word, and how is nobody's.
    fn gone_unreaped(&mut self, incarnation: Incarnation) {
        let before = self.inbox.len();
        let unseen = |evidence: &Evidence| matches!(evidence, Evidence::Appeared(it) if it.incarnation == incarnation);
        self.inbox.retain(|(_, evidence)| !unseen(evidence));
        if self.inbox.len() < before {
            // It came and went between two looks.
            return self.excuse();
        }
        self.tell(1, Evidence::Gone(Gone { incarnation, exit: Exit::Unknown, uncertainty_ms: 0 }));
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
        // Where nobody waits for the exit code, nobody waits for the line that comes before it, either.
        let delay = if self.by_hand() { self.rng.between(0, 400) } else { 0 };
        self.tell(delay, Evidence::Log(LogSign::Refused { text: "Gateway start blocked".to_owned(), reason }));
    }
}
