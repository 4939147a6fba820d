//! The model: what can happen next, and what must hold.

use super::state::{Message, Node, State};
use clawmend_core::failover::lease::{Figures, PausePolicy};
use stateright::{Model, Property};

pub const ONE_OWNER: &str = "two gateways are never alive at one instant";

/// A step of time is a millisecond of the store.
pub const FIGURES: Figures = Figures {
    ttl_ms: 6,
    renew_ms: 1,
    answer_ms: 1,
    drift_ppm: 250_000,
    kill_ms: 1,
    drain_ms: 1,
    asleep_ms: 2,
    look_ms: 2,
    rank_ms: 0,
    handover_ms: 2,
    retry_ms: 2,
};

/// Bounds of the exploration.
#[derive(Clone, Debug)]
pub struct Group {
    pub nodes: usize,
    pub steps: u64,
    pub faults: u8,
    pub pauses: u8,
    pub pause: PausePolicy,
    pub deadman: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Time,
    Deliver(usize),
    Lose(usize),
    Copy(usize),
    Freeze(usize),
    Thaw(usize),
    KillGuard(usize),
    GuardBegins(usize),
    Crash { node: usize, disk_lost: bool },
    Pause(usize),
    GoOn(usize),
}

impl Model for Group {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(self)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.time < self.steps && !state.messages.iter().any(Message::is_overdue) {
            steps.push(Step::Time);
        }
        steps.extend((0..state.messages.len()).map(Step::Deliver));
        if state.faults > 0 {
            steps.extend((0..state.messages.len()).flat_map(|index| [Step::Lose(index), Step::Copy(index)]));
        }
        for (index, node) in state.nodes.iter().enumerate() {
            self.actions_of(state, index, node, steps);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        state.take(self, step);
        state.forget_order();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_OWNER, |_, state: &State| {
                state.nodes.iter().filter(|node| node.life.is_some() && !node.paused).count() <= 1
            }),
            Property::sometimes("somebody owns", |_, state: &State| state.nodes.iter().any(|node| node.life.is_some())),
            Property::sometimes("another owns after the owner was lost", |model: &Self, state: &State| {
                // Where nobody can be lost, there is nothing to see.
                model.faults + model.pauses == 0
                    || state.lost_owner && state.nodes.iter().skip(1).any(|node| node.life.is_some())
            }),
        ]
    }
}

impl Group {
    fn actions_of(&self, state: &State, index: usize, node: &Node, steps: &mut Vec<Step>) {
        if node.paused {
            steps.push(Step::GoOn(index));
            return;
        }
        if node.frozen {
            steps.push(Step::Thaw(index));
        }
        if node.holder.is_none() {
            steps.push(Step::GuardBegins(index));
        }
        if state.faults > 0 && node.holder.is_some() {
            if !node.frozen {
                steps.push(Step::Freeze(index));
            }
            steps.push(Step::KillGuard(index));
            steps.push(Step::Crash { node: index, disk_lost: false });
            steps.push(Step::Crash { node: index, disk_lost: true });
        }
        if state.pauses > 0 && node.life.is_some() {
            steps.push(Step::Pause(index));
        }
    }
}
