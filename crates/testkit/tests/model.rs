//! Exhaustive exploration of the table person × service manager × guard × state.
//!
//! The guard in these models has no plan: at any time it may do *anything* that the real [`permit`] lets through on
//! what it last saw, which may be out of date; it may die and come back at any point, and its calls may land after its
//! death. So what holds here holds for every ladder. Two forms are explored: a systemd unit with `Restart=always`
//! (states and modes as observed with systemd 252), and a child of the keeper.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "model/child.rs"]
mod child;
#[path = "model/frame.rs"]
mod frame;
#[path = "model/unit.rs"]
mod unit;

use stateright::{Checker, Model};

fn explore<M>(name: &str, model: M)
where
    M: Model + Send + Sync + 'static,
    M::State: std::hash::Hash + Send + Sync + Clone + PartialEq + std::fmt::Debug,
    M::Action: Clone + PartialEq + std::fmt::Debug + Send + Sync,
{
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!("{name}: {} states, {} of them distinct", checker.state_count(), checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn unit_under_every_wish_and_fault() {
    explore("unit, two wishes", unit::Unit { people: 2, faults: 1, deaths: 1, reboots: 0 });
    explore("unit, a reboot", unit::Unit { people: 1, faults: 2, deaths: 1, reboots: 1 });
}

#[test]
fn child_under_every_wish_and_fault() {
    explore("child", child::Child { people: 3, faults: 2, deaths: 2 });
}

/// The check is what keeps the model safe: without it the same exploration finds a gateway that runs although a
/// person stopped it.
#[test]
fn without_the_check_the_explorer_finds_a_revived_gateway() {
    let lawless = unit::Lawless(unit::Unit { people: 1, faults: 1, deaths: 0, reboots: 0 });
    let checker = lawless.checker().spawn_bfs().join();
    assert!(checker.discovery(unit::STAYS_STOPPED).is_some(), "the model cannot see what it is there to see");
}
