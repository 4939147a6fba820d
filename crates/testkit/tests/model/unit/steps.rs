//! What may happen next, and what follows from it.

use super::state::{Call, Foreign, News, Say, State, Step, Wishes};
use clawmend_core::observation::ActiveState;

impl State {
    pub fn steps(&self, steps: &mut Vec<Step>) {
        steps.extend((0..self.calls.len()).map(Step::Land));
        if self.up && !self.news.is_empty() {
            steps.push(Step::Hear);
        }
        if self.up && self.deaths > 0 {
            steps.push(Step::Die);
        }
        if !self.up {
            steps.push(Step::Reborn);
        }
        if self.passing {
            steps.push(Step::Settles);
        }
        if self.unit.state == ActiveState::AutoRestart {
            steps.push(Step::Timer);
        }
        if self.unit.state == ActiveState::Deactivating && self.unit.main.is_some() {
            steps.push(Step::MainEnds);
        }
        self.troubles(steps);
        if self.people > 0 {
            steps.push(Step::SystemctlStop);
            if self.unit.main.is_none() {
                steps.push(Step::SystemctlStart);
            }
            if self.up {
                steps.extend([Say::Stop, Say::Emergency, Say::Start, Say::Pause, Say::Resume].map(Step::Say));
            }
        }
        if self.reboots > 0 {
            steps.push(Step::Reboot);
        }
    }

    fn troubles(&self, steps: &mut Vec<Step>) {
        let active = self.unit.state == ActiveState::Active;
        if self.faults > 0 && self.unit.main.is_some() {
            steps.push(Step::Crash);
            if active && !self.frozen {
                steps.extend([Step::CleanExit, Step::Refuse, Step::Freeze]);
            }
        }
        if !self.config_ok {
            steps.push(Step::Mend);
        }
        if self.up && self.frozen && !self.silent && self.seen.main == self.unit.main {
            steps.push(Step::NoticeSilence);
        }
    }

    pub fn take(&mut self, step: Step) {
        match step {
            Step::Issue(call) => {
                let starts = matches!(call, Call::Start | Call::TryRestart);
                let wishes = self.wishes;
                self.started |= starts;
                self.broke_a_wish |= starts && (wishes.stopped || wishes.emergency || (wishes.paused && !wishes.start));
                self.calls.push(call);
            }
            Step::Land(index) => {
                let call = self.calls.remove(index);
                self.land(call);
            }
            Step::Hear => self.hear(),
            Step::Die => {
                self.deaths -= 1;
                self.up = false;
                self.unheard |= self.news.contains(&News::ForeignStop);
                self.news.clear();
                self.silent = false;
            }
            Step::Reborn => {
                self.up = true;
                self.seen = self.unit;
            }
            Step::Crash => {
                self.faults -= 1;
                self.main_ends(false);
            }
            Step::CleanExit => {
                self.faults -= 1;
                self.main_ends(false);
            }
            Step::Refuse => {
                self.faults -= 1;
                self.config_ok = false;
                self.main_ends(true);
            }
            Step::Mend => self.config_ok = true,
            Step::Freeze => {
                self.faults -= 1;
                self.frozen = true;
            }
            Step::NoticeSilence => self.silent = true,
            Step::MainEnds => self.main_ends(false),
            Step::Settles => {
                self.passing = false;
                self.unit.state = ActiveState::AutoRestart;
                self.tell();
            }
            Step::Timer => self.exec(),
            Step::SystemctlStop => {
                self.people -= 1;
                self.unit_stopped = true;
                if self.up {
                    self.news.push(News::ForeignStop);
                } else {
                    self.unheard = true;
                }
                self.stop(false);
            }
            Step::SystemctlStart => {
                self.people -= 1;
                self.unit_stopped = false;
                // A person who starts it ends a stop that was said before.
                self.wishes = Wishes { disabled_by_us: self.wishes.disabled_by_us, ..Wishes::default() };
                self.foreign = Foreign::None;
                self.news.retain(|news| *news != News::ForeignStop);
                self.exec();
            }
            Step::Say(say) => {
                self.people -= 1;
                self.say(say);
            }
            Step::Reboot => self.reboot(),
        }
    }
}
