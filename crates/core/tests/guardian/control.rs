//! Gateways that the guard may only look at, and those that were started by hand.

use super::scene::{KILLED, Scene};
use clawmend_core::diagnosis::{Cause, RefusalReason};
use clawmend_core::directive::Action;
use clawmend_core::gateway::{Control, Form};
use clawmend_core::health::Verdict;
use clawmend_core::observation::{ActiveState, ConfigSeen, ConfigValidity, Evidence, Exit, LogSign};
use clawmend_core::wish::Wish;

#[test]
fn who_may_only_look_names_the_fault_and_calls_a_person() {
    let mut scene = Scene::healthy_unit();
    scene.guardian.set_control(Control::Observe);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    scene.idle(10);
    assert!(scene.actions().is_empty());
    let report = scene.guardian.report();
    assert_eq!(report.cause.map(|cause| cause.code()), Some("crashed"));
    assert!(report.told.is_some_and(|told| told.contains("only look")));

    scene.guardian.set_control(Control::Full);
    scene.idle(2);
    assert_eq!(scene.actions(), [Action::Hasten]);
}

#[test]
fn what_a_person_must_know_is_said_once_although_two_things_are_true() {
    let mut scene = Scene::healthy_unit();
    scene.guardian.set_control(Control::Observe);
    let broken = ConfigValidity::Invalid { line: 3, column: 1, message: "unexpected end".into() };
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 2, validity: broken }));
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::Failed, Some(Exit::Code { code: 78 }));
    scene.idle(600);
    let told = scene.escalated();
    assert!(told.iter().any(|text| text.contains("refuses to start")), "{told:?}");
    assert!(told.iter().any(|text| text.contains("only look")), "{told:?}");
    assert!(told.iter().any(|text| text.contains("config on disk is broken")), "{told:?}");
    assert_eq!(told.len(), 3, "each once: {told:?}");
}

/// A gateway that a person started, and that is well.
fn started_by_hand() -> Scene {
    let mut scene = Scene::new(Form::Foreign);
    scene.see(&Evidence::NotThere);
    scene.pass(60_000);
    scene.appear(None);
    scene.run(30);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    assert!(scene.actions().is_empty());
    scene
}

#[test]
fn what_was_stopped_through_the_guard_and_started_by_hand_runs() {
    // Also where the clock is set back in between, for all that anybody can know of it.
    for set_back_ms in [0, 365 * 86_400_000] {
        let mut scene = started_by_hand();
        scene.see(&Evidence::Person(Wish::Stop));
        let stop = scene.one();
        assert_eq!(stop.action, Action::Terminate { wake: false });
        scene.done(&stop);
        scene.end(Exit::Unknown);
        assert_eq!(scene.guardian.verdict(), Verdict::Stopped);
        scene.another_guard();
        scene.see(&Evidence::NotThere);
        scene.now.wall.0 -= set_back_ms;
        scene.idle(60);
        scene.appear(None);
        scene.run(30);
        assert_eq!(scene.actions(), [], "the hand that started it wants it to run");
        assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    }
}

#[test]
fn what_was_started_by_hand_before_a_stop_is_ended_by_it() {
    let mut scene = started_by_hand();
    scene.end(Exit::Unknown);
    scene.pass(1_000);
    scene.see(&Evidence::Person(Wish::Stop));
    scene.pass(500);
    scene.pid += 1;
    scene.found(800);
    assert_eq!(scene.one().action, Action::Terminate { wake: false });
}

#[test]
fn a_start_by_hand_that_is_refused_is_named_by_its_own_words() {
    let text = "Gateway start blocked".to_owned();
    let sign = Evidence::Log(LogSign::Refused { text, reason: RefusalReason::Config });
    for late in [false, true] {
        let mut scene = started_by_hand();
        scene.end(Exit::Unknown);
        scene.pass(60_000);
        scene.appear(None);
        scene.pass(2_000);
        if late {
            scene.end(Exit::Unknown);
            scene.pass(200);
            scene.see(&sign);
        } else {
            scene.see(&sign);
            scene.end(Exit::Unknown);
        }
        let cause = scene.guardian.report().cause;
        assert!(matches!(cause, Some(Cause::RefusedToStart { reason: RefusalReason::Config, .. })), "{cause:?}");
        scene.idle(60);
        assert!(scene.escalated().iter().any(|text| text.contains("refuses to start")));
        scene.see(&sign);
        assert_eq!(scene.actions(), [], "nothing is restored or started");
        // The next start is another matter.
        scene.appear(None);
        scene.run(30);
        scene.end(Exit::Unknown);
        assert_eq!(scene.guardian.report().cause.map(|cause| cause.code()), Some("crashed"));
    }
}
