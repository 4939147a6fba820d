//! Starts and orderly ends that take their time.

use super::scene::{Scene, Ways};
use clawmend_core::directive::{Action, Output};
use clawmend_core::gateway::Form;
use clawmend_core::health::Verdict;
use clawmend_core::incident::What;
use clawmend_core::observation::{Endpoint, Evidence, Exit, Held, HttpOutcome, Readiness};
use clawmend_core::wish::Wish;

#[test]
fn a_slow_boot_that_progresses_is_not_interrupted() {
    let mut scene = Scene::new(Form::Child);
    scene.see(&Evidence::NotThere);
    let first = scene.one();
    scene.done(&first);
    scene.appear(Some(&first));
    scene.ways = Ways::unlistened(30);
    scene.run(600);
    assert!(scene.actions().is_empty());
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
    scene.ways = Ways::unlistened(0);
    let (_, directive) = scene.until_asked(400);
    assert_eq!(directive.action, Action::Kill, "a start that neither progresses nor ends");
}

#[test]
fn a_boot_under_a_tight_quota_is_not_taken_for_stuck() {
    let mut scene = Scene::new(Form::Child);
    scene.see(&Evidence::NotThere);
    let first = scene.one();
    scene.done(&first);
    scene.appear(Some(&first));
    // A fiftieth of a core: below what counts as busy in any short window.
    scene.ways = Ways::unlistened(10);
    scene.run(900);
    assert!(scene.actions().is_empty());
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
}

#[test]
fn a_silence_between_the_first_answer_and_readiness_belongs_to_the_start() {
    let mut scene = Scene::new(Form::Child);
    scene.see(&Evidence::NotThere);
    let first = scene.one();
    scene.done(&first);
    scene.appear(Some(&first));
    scene.ways = Ways { burn_ms: 450, ..Ways::unlistened(450) };
    scene.run(8);
    let starting = Readiness { failing: vec!["startup-sidecars".into()], ..Readiness::default() };
    scene.http(Endpoint::Healthz, HttpOutcome::Ok);
    scene.http(Endpoint::Readyz, HttpOutcome::Readiness(starting));
    scene.ways = Ways { answer: HttpOutcome::TimedOut, burn_ms: 450, ..Ways::well() };
    scene.run(20);
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
    let opened = |output: &Output| matches!(output, Output::Record(event) if matches!(event.what, What::Opened { .. }));
    assert!(!scene.out.iter().any(opened), "a start is no incident");
    scene.ways = Ways::well();
    scene.run(1);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    scene.ways = Ways::spinning();
    scene.run(5);
    assert_eq!(scene.guardian.verdict(), Verdict::Suspect, "once it was ready, a silence is suspicious");
}

#[test]
fn a_start_that_was_held_gets_its_time_after_that() {
    let mut scene = Scene::new(Form::Child);
    scene.see(&Evidence::NotThere);
    let first = scene.one();
    scene.done(&first);
    scene.appear(Some(&first));
    scene.ways = Ways { held: Some(Held::Frozen), ..Ways::unlistened(0) };
    scene.run(300);
    scene.ways = Ways::unlistened(450);
    scene.run(30);
    assert_eq!(scene.actions(), [], "it could do nothing while it was held");
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
}

#[test]
fn a_drain_is_waited_for() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Person(Wish::Restart));
    let asked = scene.one();
    assert_eq!(asked.action, Action::Terminate { wake: false });
    scene.done(&asked);
    let draining = Readiness { failing: vec!["gateway-draining".into()], ..Readiness::default() };
    for _ in 0..600 {
        scene.pass(500);
        scene.http(Endpoint::Healthz, HttpOutcome::Ok);
        scene.http(Endpoint::Readyz, HttpOutcome::Readiness(draining.clone()));
        assert_eq!(scene.guardian.verdict(), Verdict::Draining);
    }
    assert!(scene.actions().is_empty());
    scene.end(Exit::Code { code: 0 });
    assert_eq!(scene.actions(), [Action::Spawn]);
}
