//! What people do: through the guard, and past it.

use super::super::process::{Process, Stage, Then};
use super::super::unit::{Ask, Deed};
use super::super::world::World;
use super::Later;
use clawmend_core::gateway::Control;
use clawmend_core::observation::{ActiveState, Evidence, Exit, JobKind};
use clawmend_core::wish::Wish;

impl World {
    pub(super) fn person_stops(&mut self) {
        if self.setting.control == Control::Observe {
            // The guard has said that it can only look.
            return;
        }
        let emergency = self.rng.chance(400) && !self.by_hand();
        self.oracle.disturb(if emergency { "emergency_stop" } else { "stop" }, self.now);
        self.say(if emergency { Wish::EmergencyStop } else { Wish::Stop });
        if self.by_hand() {
            return;
        }
        let back = self.now + self.rng.between(20_000, 1_800_000);
        self.later.push((back, Later::Start));
    }

    pub(super) fn person_pauses(&mut self) {
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

    pub(super) fn person_restarts(&mut self) {
        if !self.setting.mends() {
            return;
        }
        self.oracle.disturb("restart", self.now);
        self.say(Wish::Restart);
    }

    /// Where the guard may not end what is stuck, a person does, once there was time to be told of it.
    pub(in crate::sim) fn somebody_will_end_it(&mut self) {
        if !self.setting.mends() {
            let at = self.now + self.rng.between(600_000, 1_500_000);
            self.later.push((at, Later::EndedByHand(self.next_pid)));
        }
    }

    pub(super) fn ended_by_hand(&mut self, pid: u32) {
        let ill = |process: &Process| process.incarnation.pid == pid && process.flaw.is_some();
        if self.process.as_ref().is_some_and(ill) {
            self.ends(Exit::Signal { signal: 9, core: false });
        }
    }

    /// Nothing is done where it runs, or will by the manager's hand, or was stopped there on purpose.
    pub(super) fn starts_by_hand(&mut self) {
        let waits = self.serviced() && !matches!(self.unit.state, ActiveState::Failed | ActiveState::Inactive);
        if self.process.is_some() || waits || self.wishes.unit_stopped {
            return;
        }
        self.wishes.stopped = false;
        if !self.serviced() {
            return self.exec(None);
        }
        self.told(JobKind::Start);
        if self.unit.ask(self.now, Ask::Start { reset: true }, false, false).1 == Deed::Exec {
            self.exec(None);
        }
    }

    /// What a person types while the guard looks on.
    pub(super) fn systemctl(&mut self) {
        if !self.serviced() {
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
    pub(in crate::sim) fn heard(&mut self, wish: &Wish) {
        match wish {
            Wish::Pause { .. } => self.wishes.paused = true,
            Wish::Resume => self.wishes.paused = false,
            Wish::Stop | Wish::StandBy | Wish::EmergencyStop => {
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

    pub(super) fn unit_start(&mut self) {
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

    pub(super) fn resume(&mut self, later: Later) {
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
}
