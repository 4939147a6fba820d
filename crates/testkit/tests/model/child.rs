//! The child form: a guard, its intent on disk, a keeper that spawns, and people.

use super::frame::{incarnation, situation, standing};
use clawmend_core::check::{Origin, Phase, Situation, permit};
use clawmend_core::directive::{Action as Act, DirectiveId};
use clawmend_core::gateway::Form;
use stateright::{Model, Property};

/// Bounds of the exploration.
#[derive(Clone, Debug)]
pub struct Child {
    pub people: u8,
    pub faults: u8,
    pub deaths: u8,
}

/// What the keeper tells the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum News {
    Appeared(u8),
    Gone(u8),
}

/// A request on its way to the keeper or the kernel. It may land after its sender's death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    Spawn(u8),
    Terminate(u8),
    Kill(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The live child, and which directive spawned it.
    child: Option<(u8, u8)>,
    frozen: bool,
    ending: bool,
    lives: u8,
    /// Directives that were carried out, as bits, and whether one of them was so twice.
    used: u16,
    twice: bool,
    /// The last directive that the keeper carried out.
    spawned: u8,
    sent: Vec<Sent>,
    news: Vec<News>,
    up: bool,
    seen: Option<u8>,
    knows: bool,
    believed_silent: bool,
    asked: bool,
    /// Durable: the intent of a spawn, and the wishes.
    intent: u8,
    stopped: bool,
    paused: bool,
    started_against_a_wish: bool,
    people: u8,
    faults: u8,
    deaths: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Issue(Sent),
    Land(usize),
    Hear,
    Die,
    Reborn,
    Crash,
    Freeze,
    NoticeSilence,
    Ends,
    Stop,
    Start,
    Pause,
    Resume,
}

impl State {
    fn allowed(&self, action: &Act, target: Option<u8>, deadline_passed: bool) -> bool {
        if !self.up || !self.knows {
            return false;
        }
        let standing = standing(self.stopped, self.paused);
        let origin = if self.stopped { Origin::Person } else { Origin::Ladder };
        let alive = self.seen.map(incarnation);
        let target = target.map(incarnation);
        let phase = match (self.seen, self.believed_silent, self.asked) {
            (None, ..) => Phase::Gone,
            (Some(_), true, _) => Phase::Silent,
            (Some(_), false, true) => Phase::Draining { deadline_passed },
            (Some(_), false, false) => Phase::Serving,
        };
        let situation = Situation {
            target: target.as_ref(),
            phase,
            outstanding: (!self.sent.is_empty()).then_some(DirectiveId(1)),
            ..situation(Form::Child, &standing, alive.as_ref())
        };
        permit(action, origin, &situation).is_ok()
    }

    fn choices(&self) -> Vec<Sent> {
        let mut choices = Vec::new();
        if self.allowed(&Act::Spawn, None, false) {
            choices.push(Sent::Spawn(self.intent + 1));
        }
        if let Some(pid) = self.seen {
            if !self.asked && self.allowed(&Act::Terminate { wake: true }, Some(pid), false) {
                choices.push(Sent::Terminate(pid));
            }
            if self.allowed(&Act::Kill, Some(pid), false) && self.frozen {
                choices.push(Sent::Kill(pid));
            }
        }
        choices.retain(|choice| self.sent.len() < 2 && !self.sent.contains(choice));
        choices
    }

    fn ends(&mut self) {
        if let Some((pid, _)) = self.child.take() {
            self.frozen = false;
            self.ending = false;
            if self.up {
                self.news.push(News::Gone(pid));
            }
        }
    }

    fn land(&mut self, sent: Sent) {
        match sent {
            // The keeper spawns once per directive, and never beside a live child.
            Sent::Spawn(id) if self.child.is_none() && id > self.spawned => {
                self.spawned = id;
                self.lives += 1;
                self.child = Some((self.lives, id));
                self.twice |= self.used & (1 << id) != 0;
                self.used |= 1 << id;
                if self.up {
                    self.news.push(News::Appeared(self.lives));
                }
            }
            Sent::Spawn(_) => {}
            Sent::Terminate(pid) if self.child.is_some_and(|(alive, _)| alive == pid) => {
                self.frozen = false;
                self.ending = true;
            }
            Sent::Kill(pid) if self.child.is_some_and(|(alive, _)| alive == pid) => self.ends(),
            Sent::Terminate(_) | Sent::Kill(_) => {}
        }
    }

    /// Nothing is on its way, and the guard has seen everything there is.
    fn quiet(&self) -> bool {
        self.up && self.knows && self.sent.is_empty() && self.news.is_empty() && !self.ending
    }
}

impl Model for Child {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            child: None,
            frozen: false,
            ending: false,
            lives: 0,
            used: 0,
            twice: false,
            spawned: 0,
            sent: Vec::new(),
            news: Vec::new(),
            up: true,
            seen: None,
            knows: true,
            believed_silent: false,
            asked: false,
            intent: 0,
            stopped: false,
            paused: false,
            started_against_a_wish: false,
            people: self.people,
            faults: self.faults,
            deaths: self.deaths,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.lives > 4 || state.intent > 5 || state.news.len() > 4 {
            return;
        }
        steps.extend(state.choices().into_iter().map(Step::Issue));
        steps.extend((0..state.sent.len()).map(Step::Land));
        if state.up && !state.news.is_empty() {
            steps.push(Step::Hear);
        }
        if state.up && state.deaths > 0 {
            steps.push(Step::Die);
        }
        if !state.up {
            steps.push(Step::Reborn);
        }
        if state.faults > 0 && state.child.is_some() {
            steps.push(Step::Crash);
            if !state.frozen {
                steps.push(Step::Freeze);
            }
        }
        if state.up && state.frozen && !state.believed_silent && state.seen.is_some() && state.news.is_empty() {
            steps.push(Step::NoticeSilence);
        }
        if state.ending && !state.frozen {
            steps.push(Step::Ends);
        }
        if state.people > 0 && state.up {
            steps.push(if state.stopped { Step::Start } else { Step::Stop });
            steps.push(if state.paused { Step::Resume } else { Step::Pause });
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Issue(sent) => {
                match sent {
                    // The intent is durable before the spawn leaves.
                    Sent::Spawn(id) => {
                        state.intent = id;
                        state.started_against_a_wish |= state.stopped || state.paused;
                    }
                    Sent::Terminate(_) => state.asked = true,
                    Sent::Kill(_) => {}
                }
                state.sent.push(sent);
            }
            Step::Land(index) => {
                let sent = state.sent.remove(index);
                state.land(sent);
            }
            Step::Hear => match state.news.remove(0) {
                News::Appeared(pid) => {
                    state.seen = Some(pid);
                    state.asked = false;
                    state.believed_silent = false;
                }
                News::Gone(pid) if state.seen == Some(pid) => {
                    state.seen = None;
                    state.asked = false;
                    state.believed_silent = false;
                }
                News::Gone(_) => {}
            },
            Step::Die => {
                state.deaths -= 1;
                state.up = false;
                state.knows = false;
                state.news.clear();
                state.seen = None;
                state.asked = false;
                state.believed_silent = false;
            }
            // The next guard asks the keeper first: it names the child that lives, or none.
            Step::Reborn => {
                state.up = true;
                state.knows = true;
                state.seen = state.child.map(|(pid, _)| pid);
            }
            Step::Crash => {
                state.faults -= 1;
                state.ends();
            }
            Step::Freeze => {
                state.faults -= 1;
                state.frozen = true;
            }
            Step::NoticeSilence => state.believed_silent = true,
            Step::Ends => state.ends(),
            Step::Stop | Step::Start => {
                state.people -= 1;
                state.stopped = step == Step::Stop;
            }
            Step::Pause | Step::Resume => {
                state.people -= 1;
                state.paused = step == Step::Pause;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("each directive spawns at most once, and never without its intent", |_, state: &State| {
                !state.twice && state.child.is_none_or(|(_, id)| id <= state.intent)
            }),
            Property::always("a child that lives is known to every guard that has looked", |_, state: &State| {
                !state.quiet() || state.seen == state.child.map(|(pid, _)| pid)
            }),
            Property::always("no start leaves against a wish", |_, state: &State| !state.started_against_a_wish),
            Property::always("what a person stopped ends, or its end can be asked for", |_, state: &State| {
                let wrong = state.quiet() && state.stopped && state.child.is_some() && !state.asked;
                !wrong || !state.choices().is_empty()
            }),
            Property::always("nothing that may run is left down for ever", |_, state: &State| {
                let down = state.quiet() && state.child.is_none() && !state.stopped && !state.paused;
                !down || state.choices().iter().any(|choice| matches!(choice, Sent::Spawn(_)))
            }),
            Property::always("a silence that was noticed has a remedy", |_, state: &State| {
                let silent = state.quiet() && state.frozen && state.believed_silent && !state.paused && !state.stopped;
                !silent || !state.choices().is_empty()
            }),
            Property::sometimes("it recovers from every fault", |model: &Self, state: &State| {
                state.faults == 0
                    && state.deaths < model.deaths
                    && state.quiet()
                    && state.child.is_some()
                    && !state.frozen
            }),
        ]
    }
}
