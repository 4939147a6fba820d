//! A gateway that runs mute while this node does not own, and is opened when it does.

use super::scene::{FIGURES, OTHER, Scene};
use clawmend_core::failover::lease::{Directive, Evidence, Gateway, Memory, Order, Request, Telling, Term, Why};

fn lets_the_other_one_go(scene: &mut Scene) {
    scene.run(FIGURES.ttl_ms + 1_000);
}

#[test]
fn a_warm_node_opens_its_gateway_instead_of_starting_one() {
    let mut scene = Scene::warm();
    let life = scene.life.clone();
    lets_the_other_one_go(&mut scene);
    assert_eq!(scene.steps(), ["acquire", "open"]);
    assert!(scene.speaks && scene.life == life && scene.holder.owns());
    assert_eq!(scene.told(), [Telling::Residual { nodes: [OTHER].into() }, Telling::Owns { term: Term(2) }]);
    let active = scene.disk.active.clone().unwrap();
    assert_eq!((active.life, active.opened, scene.disk.mute.clone()), (life, true, None));
    // Armed before, and durable before.
    let at = |wanted: fn(&Directive) -> bool| scene.log.iter().position(|(_, one)| wanted(one)).unwrap();
    let open = at(|one| matches!(one, Directive::Open { .. }));
    assert!(at(|one| matches!(one, Directive::Arm { .. })) < open);
    assert_eq!(scene.log[open - 1].1, Directive::Persist);
}

#[test]
fn it_ends_as_a_whole_and_is_mute_again_only_after_its_lease_is_given_back() {
    let mut scene = Scene::warm();
    lets_the_other_one_go(&mut scene);
    scene.log.clear();
    scene.say(Order::HandOver { to: Some(OTHER) });
    scene.see(Evidence::Quiesced);
    scene.other(OTHER, &Request::Acquire);
    scene.run(FIGURES.retry_ms - 1_000);
    assert_eq!(scene.steps(), ["quiesce", "end", "disable", "release"], "whoever takes over comes first");
    scene.run(1_000);
    assert_eq!(scene.steps()[4..], ["start mute"]);
    assert!(!scene.speaks && scene.life.is_some() && !scene.holder.is_warm());
    scene.is_mute();
    assert!(scene.holder.is_warm());
}

#[test]
fn one_whose_own_word_is_missing_is_not_opened_and_started_anew_when_it_stays_so() {
    let mut scene = Scene::warm();
    scene.see(Evidence::Gateway(Gateway::Ended { after: clawmend_core::failover::lease::ActId(9) }));
    scene.life = None;
    scene.run(6_000);
    assert_eq!(scene.steps(), ["start mute"]);
    // The lease comes while it boots.
    scene.run(FIGURES.ttl_ms + 20_000);
    assert_eq!(scene.steps(), ["start mute", "acquire"]);
    scene.run(30_000);
    assert_eq!(scene.steps(), ["start mute", "acquire", "end", "start"]);
    assert_eq!(scene.ended().unwrap().1, Why::CannotOpen);
    assert!(scene.holder.owns());
}

#[test]
fn what_cannot_be_opened_is_ended_and_started_under_the_same_lease() {
    for silently in [false, true] {
        let mut scene = Scene::warm();
        (scene.can_open, scene.opens_silently) = (silently, silently);
        lets_the_other_one_go(&mut scene);
        scene.run(25_000);
        assert_eq!(scene.steps(), ["acquire", "open", "end", "start"], "{silently}");
        assert_eq!((scene.term(), scene.holder.owns()), (Some(Term(2)), true));
    }
}

#[test]
fn one_that_is_switched_on_without_a_lease_is_ended_told_of_and_started_mute() {
    let mut scene = Scene::warm();
    let life = scene.life.clone().unwrap();
    scene.see(Evidence::Gateway(Gateway::Speaks { life }));
    assert_eq!(scene.ended().unwrap().1, Why::SwitchedOn);
    assert_eq!(scene.told(), [Telling::SwitchedOn]);
    scene.run(2_000);
    scene.other(OTHER, &Request::Renew { term: Term(1), off: [].into() });
    scene.run(6_000);
    assert_eq!(scene.steps(), ["end", "start mute"]);
}

#[test]
fn a_new_guard_goes_on_with_the_mute_one_that_it_remembers_and_ends_any_other() {
    let mut scene = Scene::warm();
    scene.begin_guard();
    assert!(scene.steps().is_empty() && scene.holder.is_mute() && !scene.holder.is_warm());
    scene.is_mute();
    assert!(scene.holder.is_warm());

    for forget in [|disk: &mut Memory| disk.mute = None, |disk: &mut Memory| *disk = Memory::default()] {
        let mut scene = Scene::warm();
        forget(&mut scene.disk);
        scene.begin_guard();
        assert_eq!(scene.ended().unwrap().1, Why::Unproven);
    }
    let mut cold = Scene::warm();
    cold.node.warm = false;
    cold.begin_guard();
    assert_eq!(cold.ended().unwrap().1, Why::Unproven, "the settings want it off");
}

/// Nobody knows whether the order had left.
#[test]
fn a_new_guard_ends_what_was_being_opened() {
    let mut scene = Scene::warm();
    scene.opens_silently = true;
    lets_the_other_one_go(&mut scene);
    assert_eq!(scene.steps(), ["acquire", "open"]);
    scene.begin_guard();
    assert_eq!(scene.ended().unwrap().1, Why::Unproven);
    assert!(!scene.holder.owns() && scene.term().is_none());
}

#[test]
fn a_lease_that_is_lost_while_it_opens_ends_it() {
    let mut scene = Scene::warm();
    scene.opens_silently = true;
    lets_the_other_one_go(&mut scene);
    scene.offline = true;
    scene.run(FIGURES.ttl_ms);
    assert_eq!(scene.ended().unwrap().1, Why::RanOut);
    // An answer that comes after that changes nothing.
    scene.see(Evidence::Gateway(Gateway::Opened { act: clawmend_core::failover::lease::ActId(2) }));
    assert!(!scene.holder.owns());
}

#[test]
fn a_node_that_takes_over_from_nobody_does_not_wait_for_a_mute_start() {
    let mut scene = Scene::warm();
    scene.life = None;
    scene.disk = Memory::default();
    scene.record = clawmend_core::failover::lease::Record::default();
    scene.expires = 0;
    scene.begin_guard();
    scene.run(5_000);
    assert_eq!(scene.steps(), ["acquire", "start"]);
}

#[test]
fn a_node_that_slept_leaves_a_mute_one_alone() {
    let mut scene = Scene::warm();
    scene.sleep(120_000);
    scene.other(OTHER, &Request::Acquire);
    scene.poll();
    scene.see(Evidence::Woke);
    assert!(scene.ended().is_none() && scene.holder.is_warm());
}
