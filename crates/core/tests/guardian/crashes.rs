//! Ends by whatever hand, and the starts that follow.

use super::scene::{KILLED, Scene};
use clawmend_core::directive::{Action, Output};
use clawmend_core::health::Verdict;
use clawmend_core::incident::{Outcome, What};
use clawmend_core::observation::Exit;

#[test]
fn a_crash_is_answered_in_the_same_instant() {
    let mut scene = Scene::healthy_child();
    scene.end(KILLED);
    let spawn = scene.one();
    assert_eq!(spawn.action, Action::Spawn);
    assert!(spawn.incident.is_some(), "whatever is done is done within an incident");
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(20);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    let recovery = scene.guardian.memory().last_recovery.clone().unwrap();
    assert_eq!(recovery.outcome, Outcome::Recovered);
    assert_eq!(recovery.cause.unwrap().code(), "crashed");
    assert_eq!(recovery.start_issued_after_ms, Some(0));
}

#[test]
fn a_life_that_does_not_last_is_followed_by_longer_waits() {
    let mut scene = Scene::healthy_child();
    scene.end(KILLED);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let began = scene.now.mono;
        let directive = loop {
            if let Some(directive) = scene.asked().into_iter().next() {
                break directive;
            }
            scene.idle(1);
        };
        waits.push(scene.now.mono.since(began));
        scene.done(&directive);
        scene.appear(Some(&directive));
        scene.pass(100);
        scene.end(Exit::Code { code: 1 });
    }
    assert_eq!(waits, [0, 1_000, 2_000, 5_000, 10_000, 20_000]);
}

#[test]
fn a_second_crash_within_one_incident_is_named_and_the_start_before_it_is_called_ineffective() {
    let mut scene = Scene::healthy_child();
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(5);
    scene.out.clear();
    scene.end(KILLED);
    assert_eq!(scene.named(), ["crashed"], "another life has ended, before the incident was over");
    let ineffective = |output: &&Output| {
        let spawn = |what: &What| matches!(what, What::Ineffective { action: Action::Spawn, .. });
        matches!(output, Output::Record(event) if spawn(&event.what))
    };
    assert_eq!(scene.out.iter().filter(ineffective).count(), 1);
    scene.idle(10);
    assert_eq!(scene.named(), ["crashed"], "once for each life");
}
