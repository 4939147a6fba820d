//! Exhaustive exploration of small groups and a store, in steps of time: three nodes whose messages may be late; two of
//! which one is paused as a whole; and, in a test that is too large for every run, two with a fault of any kind. The
//! first node's clock runs slower than the store's by the whole bound. Time is bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "lease_model/group.rs"]
mod group;
#[path = "lease_model/state.rs"]
mod state;

use clawmend_core::failover::lease::PausePolicy;
use group::{Group, ONE_OWNER};
use stateright::{Checker, Model};

fn explore(name: &str, group: Group) {
    let checker = group.checker().threads(2).spawn_bfs().join();
    println!("{name}: {} states, {} of them distinct", checker.state_count(), checker.unique_state_count());
    checker.assert_properties();
}

/// Steps of time may be set by `CLAWMEND_STEPS`.
fn first() -> Group {
    let steps = std::env::var("CLAWMEND_STEPS").ok().and_then(|text| text.parse().ok()).unwrap_or(9);
    Group { nodes: 3, steps, faults: 1, pauses: 0, pause: PausePolicy::ResidualWindow, deadman: true }
}

#[test]
fn never_two_owners_however_late_messages_are() {
    explore("three nodes, no fault", Group { faults: 0, ..first() });
}

/// Needs more than a minute and several gigabytes.
#[test]
#[ignore = "too large for every run"]
fn never_two_owners_whatever_happens_to_messages_guards_and_machines() {
    explore("two nodes, one fault", Group { nodes: 2, ..first() });
}

#[test]
fn never_two_owners_when_a_machine_is_paused_and_others_turn_it_off() {
    let paused = Group { nodes: 2, pauses: 1, faults: 0, pause: PausePolicy::ExternalFence, ..first() };
    explore("two nodes, one machine paused", paused);
}

/// The explorer sees what it is there to see.
#[test]
fn without_a_deadman_or_an_external_fence_it_finds_two_owners() {
    let found = |group: Group| group.checker().threads(2).spawn_bfs().join().discovery(ONE_OWNER).is_some();
    assert!(found(Group { nodes: 2, deadman: false, ..first() }), "a frozen guard");
    assert!(found(Group { nodes: 2, pauses: 1, faults: 0, ..first() }), "a paused machine");
}
