//! Machines that may be paused.

use super::scene::{FIGURES, ME, OTHER, Scene};
use clawmend_core::failover::lease::{
    Clearance, NodeId, Order, PausePolicy, Request, Telling, Term, Vouch, Why, clearance,
};
use std::collections::BTreeSet;

/// The other node owned, and was lost.
fn lost_owner(pause: PausePolicy) -> Scene {
    let mut scene = Scene::with(pause, 1);
    scene.other(OTHER, &Request::Acquire);
    scene.log.clear();
    scene
}

#[test]
fn an_external_fence_comes_before_the_start() {
    let mut scene = lost_owner(PausePolicy::ExternalFence);
    scene.run(60_000);
    assert_eq!(scene.steps(), ["acquire", "turn off", "start"]);
    assert!(scene.record.view(true).suspects.is_empty(), "the store knows it, too");
}

#[test]
fn a_fence_that_fails_is_told_and_tried_again_and_nothing_starts() {
    let mut scene = lost_owner(PausePolicy::ExternalFence);
    scene.hook_works = false;
    scene.run(60_000);
    assert_eq!(scene.started(), None);
    let tries = scene.steps().iter().filter(|step| **step == "turn off").count() as u64;
    assert!((5..=60_000 / FIGURES.retry_ms).contains(&tries), "{tries}");
    assert!(scene.told().contains(&Telling::NotTurnedOff { node: OTHER }));
    scene.say(Order::Promote { vouch: None });
    assert_eq!(scene.started(), None, "a word for nobody");
    let vouch = scene.holder.to_vouch_for();
    scene.say(Order::Promote { vouch });
    assert!(scene.started().is_some());
}

#[test]
fn without_a_fence_a_person_is_asked_before_the_lease_is_taken() {
    let mut scene = lost_owner(PausePolicy::Manual);
    scene.run(120_000);
    assert_eq!(scene.steps(), Vec::<&str>::new());
    assert_eq!(scene.told(), [Telling::NeedsPerson { nodes: BTreeSet::from([OTHER]) }]);
    let vouch = scene.holder.to_vouch_for();
    scene.say(Order::Promote { vouch });
    scene.run(1_000);
    assert_eq!(scene.steps(), ["acquire", "start"]);
}

#[test]
fn a_person_who_spoke_before_the_owner_held_it_again_is_not_heard() {
    let nodes = BTreeSet::from([OTHER]);
    let vouch = Vouch { term: Term(4), nodes: nodes.clone() };
    let decide = |term| clearance(PausePolicy::Manual, term, &nodes, Some(&vouch));
    assert_eq!(decide(Term(4)), Clearance::Clear);
    assert_eq!(decide(Term(5)), Clearance::AskPerson(nodes.clone()));
}

#[test]
fn a_word_that_came_too_early_is_not_used_later() {
    let mut scene = Scene::with(PausePolicy::Manual, 0);
    scene.other(OTHER, &Request::Acquire);
    scene.run(30_000);
    // The one that was lost holds it again for a moment, between the word and the request.
    scene.offline = true;
    let vouch = scene.holder.to_vouch_for();
    assert!(vouch.is_some());
    scene.say(Order::Promote { vouch });
    scene.run(FIGURES.look_ms * 5);
    scene.offline = false;
    scene.other(OTHER, &Request::Acquire);
    scene.sleep(FIGURES.ttl_ms);
    scene.begin_guard();
    scene.run(60_000);
    assert_eq!(scene.started(), None);
}

#[test]
fn the_accepted_window_is_told() {
    let mut scene = lost_owner(PausePolicy::ResidualWindow);
    scene.run(60_000);
    assert!(scene.started().is_some());
    assert!(scene.told().contains(&Telling::Residual { nodes: BTreeSet::from([OTHER]) }));
}

#[test]
fn a_suspect_stays_one_through_later_holders() {
    let mut scene = Scene::with(PausePolicy::ExternalFence, 0);
    let third = NodeId(3);
    scene.hook_works = false;
    scene.other(OTHER, &Request::Acquire);
    scene.sleep(FIGURES.ttl_ms);
    scene.other(third, &Request::Acquire);
    scene.sleep(FIGURES.ttl_ms);
    scene.begin_guard();
    scene.run(5_000);
    let told = scene.told();
    assert!(told.contains(&Telling::TurningOff { node: OTHER }) && told.contains(&Telling::TurningOff { node: third }));
    assert_eq!(scene.started(), None);
}

#[test]
fn a_node_does_not_suspect_itself() {
    let mut scene = Scene::owning();
    scene.node.pause = PausePolicy::Manual;
    (scene.life, scene.fenced) = (None, None);
    scene.begin_guard();
    scene.run(60_000);
    assert!(scene.started().is_some());
    assert_eq!(scene.record.view(false).suspects, BTreeSet::from([ME]), "others do");
}

#[test]
fn an_owner_that_gave_the_lease_back_is_no_suspect() {
    let mut scene = Scene::owning();
    scene.say(Order::Demote);
    scene.run(FIGURES.drain_ms * 2);
    assert!(scene.told().contains(&Telling::GaveUp(Why::Person)));
    assert!(scene.record.view(false).suspects.is_empty());
}

/// The store is told of a person's word, so that nobody asks for the same one after a planned switch.
#[test]
fn a_persons_word_clears_the_record() {
    let mut scene = lost_owner(PausePolicy::Manual);
    scene.run(60_000);
    let vouch = scene.holder.to_vouch_for();
    scene.say(Order::Promote { vouch });
    scene.run(FIGURES.renew_ms + 1_000);
    assert!(scene.started().is_some());
    assert!(scene.record.view(true).suspects.is_empty(), "{:?}", scene.record.view(true));
}

/// The same machine is lost once more, after it had owned in between.
#[test]
fn a_person_is_asked_again_when_the_same_node_is_lost_again() {
    let mut scene = lost_owner(PausePolicy::Manual);
    scene.run(60_000);
    let asks = Telling::NeedsPerson { nodes: BTreeSet::from([OTHER]) };
    let count = |scene: &Scene| scene.told().iter().filter(|told| **told == asks).count();
    assert_eq!(count(&scene), 1);
    scene.other(OTHER, &Request::Acquire);
    scene.run(60_000);
    assert_eq!(count(&scene), 2, "{:?}", scene.told());
    scene.run(600_000);
    assert_eq!(count(&scene), 2);
}
