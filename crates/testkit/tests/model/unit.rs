//! The systemd form: a unit with `Restart=always`, its manager, people, and a guard that sees late and may die.

#[path = "unit/guard.rs"]
mod guard;
#[path = "unit/manager.rs"]
mod manager;
#[path = "unit/state.rs"]
mod state;
#[path = "unit/steps.rs"]
mod steps;
#[path = "unit/truth.rs"]
mod truth;

use clawmend_core::observation::ActiveState;
use state::{Call, Foreign, Look, State, Step, Wishes};
use stateright::{Model, Property};

pub const STAYS_STOPPED: &str = "what a person stopped stays stopped";

/// Bounds of the exploration.
#[derive(Clone, Debug)]
pub struct Unit {
    pub people: u8,
    pub faults: u8,
    pub deaths: u8,
    pub reboots: u8,
}

/// The same with a guard that calls `RestartUnit` in mode `replace` on a unit that waits, and asks nobody.
#[derive(Clone, Debug)]
pub struct Lawless(pub Unit);

fn first(bounds: &Unit) -> Vec<State> {
    let unit = Look { state: ActiveState::Active, job: None, main: Some(1), refused: false, enabled: true };
    vec![State {
        unit,
        passing: false,
        frozen: false,
        config_ok: true,
        lives: 1,
        calls: Vec::new(),
        news: Vec::new(),
        up: true,
        seen: unit,
        foreign: Foreign::None,
        started: false,
        unheard: false,
        silent: false,
        wishes: Wishes::default(),
        unit_stopped: false,
        broke_a_wish: false,
        people: bounds.people,
        faults: bounds.faults,
        deaths: bounds.deaths,
        reboots: bounds.reboots,
    }]
}

/// Lives and calls are bounded, so that the space is finite.
fn bounded(state: &State) -> bool {
    state.lives <= 4 && state.news.len() <= 4 && state.calls.len() <= 2
}

impl Model for Unit {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        first(self)
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if bounded(state) {
            steps.extend(state.choices().into_iter().map(Step::Issue));
            state.steps(steps);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        state.take(step);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(STAYS_STOPPED, |_, state: &State| !state.revived()),
            Property::always("no start leaves against a wish", |_, state: &State| !state.broke_a_wish),
            Property::always("an emergency stop takes the unit out of the boot sequence", |_, state: &State| {
                let settled = state.quiet() && state.wishes.emergency && state.choices().is_empty();
                !settled || !state.unit.enabled
            }),
            Property::always("nothing that may run is stranded", |_, state: &State| !state.stranded()),
            Property::sometimes("a frozen gateway is replaced", |_, state: &State| {
                state.quiet() && state.faults == 0 && state.lives >= 3 && state.unit.main.is_some() && !state.frozen
            }),
            Property::sometimes("a refused start is tried again once its cause is gone", |_, state: &State| {
                state.lives >= 2 && state.config_ok && state.seen.state == ActiveState::Active && state.faults == 0
            }),
        ]
    }
}

impl Model for Lawless {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        first(&self.0)
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if bounded(state) {
            let ended = matches!(state.seen.state, ActiveState::AutoRestart | ActiveState::Failed);
            if state.up && ended && state.calls.is_empty() {
                steps.push(Step::Issue(Call::Restart));
            }
            state.steps(steps);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        state.take(step);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(STAYS_STOPPED, |_, state: &State| {
            let wished_down = state.unit_stopped || state.wishes.stopped || state.wishes.emergency;
            !(state.quiet() && wished_down && state.unit.main.is_some())
        })]
    }
}
