//! What people say to the guard, and what they do past it.

use super::scene::{KILLED, Scene};
use clawmend_core::directive::{Action, Output};
use clawmend_core::health::Verdict;
use clawmend_core::incident::{Outcome, What};
use clawmend_core::observation::{ActiveState, Evidence, Exit, JobKind};
use clawmend_core::time::Wall;
use clawmend_core::wish::{Desired, Wish};

#[test]
fn a_start_after_a_stop_by_a_person_is_no_incident() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Person(Wish::EmergencyStop));
    let stop = scene.one();
    assert_eq!(scene.guardian.verdict(), Verdict::Draining, "it still runs");
    scene.done(&stop);
    scene.end(Exit::Code { code: 0 });
    assert_eq!(scene.guardian.verdict(), Verdict::Stopped);
    scene.pass(10_000);
    scene.see(&Evidence::Person(Wish::Start));
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
    let opened = |output: &Output| matches!(output, Output::Record(event) if matches!(event.what, What::Opened { .. }));
    assert!(!scene.out.iter().any(opened));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

/// How the incident that is open ended.
fn closed(scene: &Scene) -> Option<Outcome> {
    scene.out.iter().find_map(|output| match output {
        Output::Record(event) => match event.what {
            What::Closed { outcome } => Some(outcome),
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn a_stop_before_a_recovery_is_proven_does_not_say_that_the_remedy_did_not_help() {
    for (serves_for_s, outcome) in [(0, Outcome::Ineffective), (3, Outcome::Planned)] {
        let mut scene = Scene::healthy_child();
        scene.end(KILLED);
        let spawn = scene.one();
        scene.done(&spawn);
        scene.appear(Some(&spawn));
        scene.run(serves_for_s);
        scene.see(&Evidence::Person(Wish::Stop));
        let stop = scene.one();
        scene.done(&stop);
        scene.end(Exit::Code { code: 0 });
        assert_eq!(closed(&scene), Some(outcome), "it had served for {serves_for_s} s");
    }
}

/// `systemctl stop`.
#[test]
fn nor_does_a_stop_past_the_guard() {
    let mut scene = Scene::healthy_unit();
    scene.end(Exit::Unknown);
    scene.pass(40);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    let asked = scene.one();
    scene.done(&asked);
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    scene.run(3);
    scene.see(&Evidence::ForeignJob(JobKind::Stop));
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::Inactive, Some(Exit::Code { code: 0 }));
    scene.idle(1);
    assert_eq!(closed(&scene), Some(Outcome::Planned));
}

#[test]
fn a_person_wins_in_every_state() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Person(Wish::Stop));
    let asked = scene.one();
    assert_eq!(asked.action, Action::Terminate { wake: false });
    scene.done(&asked);
    scene.end(Exit::Code { code: 0 });
    assert_eq!(scene.guardian.verdict(), Verdict::Stopped);
    scene.idle(7_200);
    assert!(scene.actions().is_empty());
    scene.see(&Evidence::Person(Wish::Resume));
    assert!(scene.actions().is_empty(), "resume starts nothing");
    scene.see(&Evidence::Person(Wish::Start));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn standing_by_takes_nothing_from_a_persons_stop_and_adds_none() {
    let mut scene = Scene::healthy_child();
    let standing = |scene: &Scene| {
        let standing = &scene.guardian.memory().standing;
        (standing.forbids_start(), standing.hinders(), standing.hinders_a_group())
    };
    scene.see(&Evidence::Person(Wish::StandBy));
    let asked = scene.one();
    assert_eq!(asked.action, Action::Terminate { wake: false });
    scene.done(&asked);
    scene.end(Exit::Code { code: 0 });
    assert_eq!(standing(&scene), (true, false, false));
    scene.see(&Evidence::Person(Wish::Stop));
    scene.see(&Evidence::Person(Wish::StandBy));
    assert_eq!(standing(&scene), (true, false, true));
    scene.see(&Evidence::Person(Wish::Start));
    assert_eq!((standing(&scene), scene.actions()), ((false, false, false), vec![Action::Spawn]));
}

#[test]
fn what_ends_during_a_pause_stays_ended_unless_it_crashed_by_itself() {
    for (exit, comes_back) in [
        (Exit::Code { code: 0 }, false),
        (KILLED, false),
        (Exit::Signal { signal: 6, core: true }, true),
        (Exit::Code { code: 134 }, true),
    ] {
        let mut scene = Scene::healthy_child();
        scene.see(&Evidence::Person(Wish::Pause { until: None, reason: None }));
        assert_eq!(scene.guardian.verdict(), Verdict::Paused);
        scene.end(exit);
        assert!(scene.actions().is_empty());
        scene.see(&Evidence::Person(Wish::Resume));
        assert_eq!(!scene.actions().is_empty(), comes_back, "{exit:?}");
    }
}

#[test]
fn a_pause_with_an_end_ends() {
    let mut scene = Scene::healthy_child();
    let until = Some(Wall(scene.now.wall.0 + 60_000));
    scene.see(&Evidence::Person(Wish::Pause { until, reason: None }));
    scene.run(59);
    assert_eq!(scene.guardian.verdict(), Verdict::Paused);
    scene.run(2);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
}

#[test]
fn a_stop_and_a_start_in_a_row_by_another_hand_leave_it_guarded() {
    for start in [JobKind::Start, JobKind::Restart] {
        let mut scene = Scene::healthy_unit();
        scene.see(&Evidence::ForeignJob(JobKind::Stop));
        scene.unit(ActiveState::Deactivating, None);
        scene.end(Exit::Unknown);
        scene.unsettled_unit(ActiveState::Inactive, Some(Exit::Code { code: 0 }));
        scene.pass(20);
        scene.see(&Evidence::ForeignJob(start));
        scene.appear(None);
        scene.unit(ActiveState::Active, None);
        scene.run(20);
        assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
        scene.end(Exit::Unknown);
        scene.unit(ActiveState::AutoRestart, Some(KILLED));
        assert_eq!(scene.actions(), [Action::Hasten], "{start:?}: it is wanted again");
    }
}

#[test]
fn a_start_by_another_hand_is_no_incident() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::ForeignJob(JobKind::Stop));
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::Failed, Some(KILLED));
    scene.idle(60);
    scene.out.clear();
    scene.see(&Evidence::ForeignJob(JobKind::Start));
    scene.unsettled_unit(ActiveState::Failed, Some(KILLED));
    scene.pass(20);
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    scene.run(20);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    let opened = |output: &Output| matches!(output, Output::Record(event) if matches!(event.what, What::Opened { .. }));
    assert!(!scene.out.iter().any(opened), "nothing has failed");
}

#[test]
fn a_unit_stopped_by_another_hand_stays_stopped() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::ForeignJob(JobKind::Stop));
    scene.unit(ActiveState::Deactivating, None);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::Failed, Some(KILLED));
    assert_eq!(scene.guardian.verdict(), Verdict::Stopped);
    scene.idle(3_600);
    assert!(scene.actions().is_empty());
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    scene.run(20);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy, "a person started it again");
}

#[test]
fn an_emergency_stop_takes_the_unit_out_of_the_boot_and_start_puts_it_back() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::Person(Wish::EmergencyStop));
    let asked = scene.one();
    assert_eq!(asked.action, Action::EnableUnit { on: false });
    scene.done(&asked);
    let asked = scene.one();
    assert_eq!(asked.action, Action::StopUnit);
    scene.done(&asked);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::Inactive, Some(Exit::Code { code: 0 }));
    assert_eq!(scene.guardian.verdict(), Verdict::Stopped);
    assert!(scene.actions().is_empty());
    scene.see(&Evidence::Person(Wish::Start));
    let asked = scene.one();
    assert_eq!(asked.action, Action::EnableUnit { on: true });
    scene.done(&asked);
    assert_eq!(scene.actions(), [Action::StartUnit { reset_limit: false }]);
    assert_eq!(scene.guardian.memory().standing.desired, Desired::Running);
}
