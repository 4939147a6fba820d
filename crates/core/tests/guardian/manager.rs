//! A unit, and the word of its service manager, which may come late or not at all.

use super::scene::{KILLED, Scene, Ways};
use clawmend_core::directive::{Action, Output};
use clawmend_core::health::Verdict;
use clawmend_core::incident::{Outcome, What};
use clawmend_core::observation::{ActiveState, Evidence, Exit, JobKind, LogSign};

#[test]
fn a_crashed_unit_is_hastened_but_its_own_restart_is_left_alone() {
    let mut scene = Scene::healthy_unit();
    scene.end(Exit::Unknown);
    assert!(scene.actions().is_empty(), "the manager has not spoken");
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    let asked = scene.one();
    assert_eq!(asked.action, Action::Hasten);
    scene.done(&asked);
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    scene.run(20);
    assert_eq!(scene.last_outcome().1, Outcome::Recovered);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::AutoRestart, Some(Exit::Code { code: 0 }));
    scene.idle(4);
    assert!(scene.actions().is_empty());
}

#[test]
fn a_late_look_does_not_hasten_what_has_been_started() {
    let mut scene = Scene::healthy_unit();
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    let asked = scene.one();
    assert_eq!(asked.action, Action::Hasten);
    scene.done(&asked);
    for _ in 0..30 {
        scene.pass(1_000);
        scene.unit(ActiveState::AutoRestart, Some(KILLED));
    }
    assert_eq!(scene.actions(), [], "once per invocation");
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    scene.run(20);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    assert_eq!(scene.actions(), [Action::Hasten], "the next invocation is another matter");
}

#[test]
fn an_end_is_no_incident_before_the_manager_has_spoken_but_counts_from_the_end() {
    let opened = |output: &Output| matches!(output, Output::Record(event) if matches!(event.what, What::Opened { .. }));
    let mut scene = Scene::healthy_unit();
    scene.end(Exit::Unknown);
    scene.pass(20);
    scene.see(&Evidence::ForeignJob(JobKind::Stop));
    scene.unit(ActiveState::Inactive, Some(Exit::Signal { signal: 15, core: false }));
    scene.idle(10);
    assert!(!scene.out.iter().any(opened), "a person stopped it");

    let mut scene = Scene::healthy_unit();
    scene.end(Exit::Unknown);
    assert_eq!(scene.guardian.verdict(), Verdict::Suspect);
    scene.pass(40);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    let asked = scene.one();
    assert_eq!(asked.action, Action::Hasten);
    scene.done(&asked);
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    scene.run(20);
    let recovery = scene.guardian.memory().last_recovery.clone().unwrap();
    assert_eq!((recovery.detected_after_ms, recovery.start_issued_after_ms), (Some(0), Some(40)));
    assert_eq!(recovery.cause.unwrap().code(), "crashed");

    let mut scene = Scene::healthy_unit();
    scene.end(Exit::Unknown);
    scene.idle(2);
    assert!(scene.out.iter().any(opened), "a manager that says nothing does not hide an end");
}

#[test]
fn nothing_rests_on_a_manager_that_does_not_answer() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::ServiceUnseen);
    scene.run(30);
    let report = scene.guardian.report();
    assert_eq!((report.verdict, report.reasons), (Verdict::Healthy, vec!["service_unseen".to_owned()]));

    scene.ways = Ways::stopped();
    scene.run(120);
    assert_eq!(scene.guardian.verdict(), Verdict::Down, "the gateway itself is looked at all the same");
    assert!(scene.actions().is_empty(), "nothing is done that the manager may be about to do, too");

    scene.unit(ActiveState::Active, None);
    let (_, directive) = scene.until_asked(5);
    assert_eq!(directive.action, Action::RestartUnit);
}

#[test]
fn without_the_managers_word_nothing_is_on_its_way() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::Log(LogSign::RestartByExit));
    scene.end(Exit::Unknown);
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
    scene.see(&Evidence::ServiceUnseen);
    assert_eq!(scene.guardian.verdict(), Verdict::Unknown);
    scene.idle(120);
    assert!(scene.actions().is_empty());

    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::ServiceUnseen);
    scene.end(Exit::Unknown);
    scene.idle(60);
    assert_eq!(scene.guardian.verdict(), Verdict::Down, "that it ended is the kernel's word");
    assert!(scene.actions().is_empty());
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    assert_eq!(scene.actions(), [Action::Hasten]);
}
