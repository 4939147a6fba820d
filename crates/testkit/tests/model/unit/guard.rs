//! The guard: anything that the check lets through on what it saw last.

use super::super::frame::{incarnation, situation, standing};
use super::state::{Call, Foreign, News, Say, State, Wishes};
use clawmend_core::check::{ForeignStop, Origin, Phase, Situation, permit};
use clawmend_core::directive::{Action as Act, DirectiveId};
use clawmend_core::gateway::Form;
use clawmend_core::observation::{ActiveState, Exit, Job, JobKind, ServiceSeen};
use clawmend_core::wish::Standing;
use clawmend_testkit::sim::unit::Unit as Modelled;

impl State {
    fn standing(&self) -> Standing {
        let wishes = self.wishes;
        Standing {
            emergency: wishes.emergency,
            disabled_by_us: wishes.disabled_by_us,
            ..standing(wishes.stopped || wishes.emergency, wishes.paused)
        }
    }

    /// What the check says to an action on what the guard saw last.
    fn allowed(&self, action: &Act, origin: Origin) -> bool {
        if !self.up {
            return false;
        }
        let standing = self.standing();
        let seen = &self.seen;
        let alive = seen.main.map(incarnation);
        // Settled: nothing more is on its way, and it was no passing state.
        let service = ServiceSeen {
            state: seen.state,
            settled: self.news.is_empty() && !self.passing,
            job: seen.job.map(|(kind, ours)| Job { kind, ours }),
            main_pid: alive.as_ref().map(|alive| alive.pid),
            last_exit: seen.refused.then_some(Exit::Code { code: 78 }),
            invocation: 0,
            enabled: seen.enabled,
            limits: Modelled::limits(),
        };
        let phase = match (seen.state, seen.main) {
            (_, None) => Phase::Gone,
            (ActiveState::Deactivating, Some(_)) => Phase::Draining { deadline_passed: false },
            (_, Some(_)) if self.silent => Phase::Silent,
            (_, Some(_)) => Phase::Serving,
        };
        let foreign_stop = match (self.foreign, seen.job) {
            (_, Some((JobKind::Stop, false))) => ForeignStop::Job,
            (Foreign::None, _) => ForeignStop::None,
            (Foreign::Since, _) => ForeignStop::Since,
            (Foreign::Overtaken, _) => ForeignStop::Overtaken,
        };
        let situation = Situation {
            service: Some(&service),
            foreign_stop,
            phase,
            outstanding: (!self.calls.is_empty()).then_some(DirectiveId(1)),
            ..situation(Form::Systemd, &standing, alive.as_ref())
        };
        permit(action, origin, &situation).is_ok()
    }

    /// Everything that the check would let through now.
    pub fn choices(&self) -> Vec<Call> {
        let mut choices = Vec::new();
        let start = Act::StartUnit { reset_limit: false };
        let down = self.wishes.stopped || self.wishes.emergency;
        if self.allowed(&Act::Hasten, Origin::Ladder) || self.allowed(&Act::RestartUnit, Origin::Ladder) {
            choices.push(Call::TryRestart);
        }
        if self.allowed(&start, Origin::Ladder) && (!self.seen.refused || self.config_ok)
            || (self.wishes.start && self.allowed(&start, Origin::Person))
        {
            choices.push(Call::Start);
        }
        if (down && self.allowed(&Act::StopUnit, Origin::Person)) && self.seen.job != Some((JobKind::Stop, true))
            || self.foreign == Foreign::Overtaken
                && self.seen.state != ActiveState::Deactivating
                && self.allowed(&Act::StopUnit, Origin::Ladder)
        {
            choices.push(Call::Stop);
        }
        if self.seen.enabled && self.allowed(&Act::EnableUnit { on: false }, Origin::Person) {
            choices.push(Call::Enable(false));
        }
        if !self.seen.enabled && self.allowed(&Act::EnableUnit { on: true }, Origin::Person) {
            choices.push(Call::Enable(true));
        }
        if let Some(pid) = self.seen.main
            && self.allowed(&Act::Kill, Origin::Ladder)
        {
            choices.push(Call::Kill(pid));
        }
        choices.retain(|choice| !self.calls.contains(choice));
        choices
    }

    /// Nothing is on its way, and the guard is there.
    pub fn quiet(&self) -> bool {
        self.up && self.calls.is_empty() && self.news.is_empty() && !self.passing && self.unit.job.is_none()
    }

    pub fn hear(&mut self) {
        match self.news.remove(0) {
            News::Unit(look) => {
                if look.main.is_some() && look.main != self.seen.main {
                    self.wishes.start = false;
                    self.silent = false;
                    // Not while a call of ours may still start another.
                    self.started = !self.calls.is_empty();
                    if self.foreign == Foreign::Since {
                        // Started by a hand that we did not see: a person's, after the stop.
                        self.foreign = if self.unit_stopped { Foreign::Overtaken } else { Foreign::None };
                    }
                }
                self.seen = look;
            }
            News::ForeignStop => {
                let waiting = self.calls.iter().any(|call| matches!(call, Call::Start | Call::TryRestart));
                self.foreign = if self.started || waiting { Foreign::Overtaken } else { Foreign::Since };
                // A stop that comes after a person's start ends that wish.
                self.wishes.start = false;
            }
        }
    }

    pub fn say(&mut self, say: Say) {
        let wishes = &mut self.wishes;
        match say {
            Say::Stop => (wishes.stopped, wishes.start) = (true, false),
            Say::Emergency => (wishes.emergency, wishes.start) = (true, false),
            Say::Start => {
                *wishes = Wishes { disabled_by_us: wishes.disabled_by_us, start: true, ..Wishes::default() };
                self.unit_stopped = false;
                self.foreign = Foreign::None;
                // The bus tells of a stop sooner than anyone can type the next word.
                self.news.retain(|news| *news != News::ForeignStop);
            }
            Say::Pause => wishes.paused = true,
            Say::Resume => wishes.paused = false,
        }
    }
}
