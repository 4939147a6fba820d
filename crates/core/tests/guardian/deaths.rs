//! The guard's own deaths, and what the next one makes of what it finds.

use super::scene::{KILLED, Scene, Ways};
use clawmend_core::diagnosis::Cause;
use clawmend_core::directive::{Action, ActionResult, Directive, Output};
use clawmend_core::gateway::{Form, Incarnation};
use clawmend_core::guardian::{Guardian, Memory};
use clawmend_core::health::Verdict;
use clawmend_core::incident::What;
use clawmend_core::observation::{ActiveState, Appeared, Evidence, Exit, Gone, KillLeft};
use clawmend_core::policy::Policy;
use clawmend_core::wish::Wish;

impl Scene {
    fn left(&mut self, kill: &Directive, ended: bool, recorded: bool) {
        self.see(&Evidence::KillLeft(KillLeft { directive: kill.clone(), age_ms: 3_000, ended, recorded }));
    }

    fn unclean(&self) -> u32 {
        self.guardian.memory().unclean.count(self.now.mono, 300_000)
    }

    /// What was recorded since the last call, beliefs apart.
    fn recorded(&mut self) -> Vec<What> {
        let event = |output: &Output| if let Output::Record(event) = output { Some(event.what.clone()) } else { None };
        self.out.iter().filter_map(event).filter(|what| !matches!(what, What::Judged { .. })).collect()
    }

    fn killed_while_spinning(form: Form) -> (Self, Directive) {
        let mut scene = if form == Form::Child { Self::healthy_child() } else { Self::healthy_unit() };
        scene.ways = Ways::spinning();
        let (_, kill) = scene.until_asked(120);
        assert_eq!(kill.action, Action::Kill);
        (scene, kill)
    }
}

#[test]
fn a_guard_that_comes_back_answers_the_exit_that_was_kept_for_it() {
    let mut scene = Scene::healthy_child();
    let memory = serde_json::to_string(scene.guardian.memory()).unwrap();
    let memory: Memory = serde_json::from_str(&memory).unwrap();
    let profile = scene.guardian.profile().clone();
    scene.pass(3_000);
    scene.guardian = Guardian::new(profile, Policy::adaptive(), memory, scene.now);
    scene.out.clear();
    scene.end(Exit::Code { code: 0 });
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn an_end_that_the_keeper_tells_twice_is_counted_once() {
    let mut scene = Scene::healthy_child();
    scene.end(KILLED);
    let memory = scene.guardian.memory().clone();
    let profile = scene.guardian.profile().clone();
    scene.guardian = Guardian::new(profile, Policy::adaptive(), memory, scene.now);
    scene.end(KILLED);
    assert_eq!(scene.guardian.memory().unclean.count(scene.now.mono, 300_000), 1);
}

#[test]
fn a_start_that_a_person_asked_for_survives_the_death_of_the_guard() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::Person(Wish::Stop));
    let stop = scene.one();
    scene.done(&stop);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::Deactivating, None);
    scene.see(&Evidence::Person(Wish::Start));
    assert!(scene.actions().is_empty(), "the stop is still under way");
    let memory = scene.guardian.memory().clone();
    let profile = scene.guardian.profile().clone();
    scene.guardian = Guardian::new(profile, Policy::adaptive(), memory, scene.now);
    scene.unit(ActiveState::Inactive, Some(Exit::Code { code: 0 }));
    assert_eq!(scene.actions(), [Action::StartUnit { reset_limit: false }]);
}

#[test]
fn a_kill_that_the_guard_died_over_counts_once_and_as_ours() {
    let (mut scene, kill) = Scene::killed_while_spinning(Form::Child);
    scene.another_guard();
    scene.left(&kill, true, true);
    assert_eq!(scene.unclean(), 1);
    let recorded = scene.recorded();
    assert!(
        matches!(recorded.as_slice(), [What::Result { directive, result: ActionResult::Unknown { .. } }] if *directive == kill.id),
        "{recorded:?}"
    );
    scene.pass(50);
    scene.end(KILLED);
    assert_eq!(scene.unclean(), 1, "the keeper's word on it is no second end");
    assert_eq!(scene.one().action, Action::Spawn);
    let crashed = |what: &What| matches!(what, What::Diagnosed { cause } if cause.code() == "crashed");
    assert!(!scene.recorded().iter().any(crashed), "our kill was taken for a crash");
    assert_eq!(scene.guardian.memory().incident.clone().unwrap().cause, Some(Cause::Spinning));
}

#[test]
fn a_unit_that_was_back_before_the_next_guard_has_our_kill_in_its_window() {
    let (mut scene, kill) = Scene::killed_while_spinning(Form::Systemd);
    scene.another_guard();
    scene.left(&kill, true, false);
    let recorded = scene.recorded();
    assert!(
        matches!(recorded.as_slice(), [What::Acted { action: Action::Kill, .. }, What::Result { .. }]),
        "{recorded:?}"
    );
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    assert_eq!(scene.unclean(), 1);
    // A later guard that reads the same record again books nothing.
    scene.another_guard();
    scene.left(&kill, true, true);
    assert_eq!(scene.unclean(), 1);
}

#[test]
fn a_unit_that_failed_while_no_guard_looked_has_that_end_in_its_window_once() {
    let failed = Some(Exit::Code { code: 1 });
    let mut scene = Scene::healthy_unit();
    scene.another_guard();
    scene.unit(ActiveState::AutoRestart, failed);
    assert_eq!(scene.unclean(), 1);
    scene.another_guard();
    scene.unit(ActiveState::AutoRestart, failed);
    assert_eq!(scene.unclean(), 1, "a later guard sees the same end");
    // A clean one is none of it.
    let mut scene = Scene::healthy_unit();
    scene.another_guard();
    scene.unit(ActiveState::AutoRestart, Some(Exit::Code { code: 0 }));
    assert_eq!(scene.unclean(), 0);
}

#[test]
fn a_unit_that_ended_and_was_back_while_no_guard_looked_has_that_end_in_its_window_once() {
    let mut scene = Scene::healthy_unit();
    scene.another_guard();
    scene.unit(ActiveState::Active, None);
    scene.found(30_000);
    assert_eq!(scene.unclean(), 0, "it is the same life");
    scene.another_guard();
    scene.pid += 1;
    for _ in 0..2 {
        scene.unit(ActiveState::Active, None);
        scene.found(5_000);
        assert_eq!(scene.unclean(), 1, "how the one before ended nobody can tell");
        scene.another_guard();
    }
    // A keeper tells how its child ended.
    let mut scene = Scene::healthy_child();
    scene.another_guard();
    scene.appear(None);
    assert_eq!(scene.unclean(), 0);
}

#[test]
fn a_kill_does_not_survive_the_guard_that_wanted_it() {
    let (mut scene, kill) = Scene::killed_while_spinning(Form::Child);
    scene.another_guard();
    scene.left(&kill, false, true);
    assert_eq!(scene.unclean(), 0);
    let recorded = scene.recorded();
    assert!(matches!(recorded.as_slice(), [What::Result { result: ActionResult::Moot { .. }, .. }]), "{recorded:?}");
    // It answers again: nobody touches it.
    scene.pid -= 1;
    scene.appear(None);
    scene.ways = Ways::well();
    scene.run(20);
    assert!(scene.actions().is_empty());
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
}

#[test]
fn kills_of_dead_guards_keep_the_next_kill_from_being_the_third() {
    let mut scene = Scene::healthy_child();
    for _ in 0..2 {
        scene.ways = Ways::spinning();
        let (_, kill) = scene.until_asked(120);
        assert_eq!(kill.action, Action::Kill);
        scene.another_guard();
        scene.left(&kill, true, true);
        scene.see(&Evidence::NotThere);
        let spawn = scene.one();
        scene.done(&spawn);
        scene.ways = Ways::well();
        scene.appear(Some(&spawn));
        scene.run(30);
        scene.out.clear();
    }
    assert_eq!(scene.unclean(), 2);
    scene.ways = Ways::spinning();
    scene.run(60);
    assert!(scene.actions().is_empty(), "a third unclean end by our hand");
}

#[test]
fn our_kill_of_a_unit_counts_although_nobody_tells_how_it_ended() {
    let (mut scene, kill) = Scene::killed_while_spinning(Form::Systemd);
    scene.done(&kill);
    scene.end(Exit::Unknown);
    assert_eq!(scene.unclean(), 1);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    assert_eq!(scene.unclean(), 1, "the manager's word on it is no second end");
    // The same when the new process comes to light first.
    let (mut scene, kill) = Scene::killed_while_spinning(Form::Systemd);
    scene.done(&kill);
    scene.appear(None);
    assert_eq!(scene.unclean(), 1);
}

#[test]
fn an_end_that_a_keeper_tells_after_the_next_birth_is_booked_once() {
    let mut scene = Scene::healthy_child();
    let earlier = Incarnation { pid: 7, start: 7, boot: "boot".into() };
    let gone = Gone { incarnation: earlier, exit: KILLED, uncertainty_ms: 60_000 };
    for _ in 0..2 {
        scene.see(&Evidence::EndedEarlier(gone.clone()));
        assert_eq!(scene.unclean(), 1);
    }
    scene.another_guard();
    scene.see(&Evidence::EndedEarlier(gone));
    assert_eq!(scene.unclean(), 1);
    assert!(scene.actions().is_empty());
}

#[test]
fn a_life_that_several_guards_see_is_one_start() {
    let mut scene = Scene::healthy_unit();
    let born = scene.now.wall.0 - 30_000;
    for _ in 0..6 {
        scene.another_guard();
        scene.unit(ActiveState::Active, None);
        scene.see(&Evidence::Appeared(Appeared {
            incarnation: scene.incarnation(),
            age_ms: u64::try_from(scene.now.wall.0 - born).unwrap(),
            by: None,
            at_boot: false,
            restarts_by_exit: true,
        }));
        scene.run(15);
    }
    assert!(scene.actions().is_empty());
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    assert_eq!(scene.actions(), [Action::Hasten], "it is far from the unit's own limit");
    scene.appear(None);
    let starts = scene.guardian.memory().pace.starts.count(scene.now.mono, 300_000);
    assert_eq!(starts, 2);
}

impl Scene {
    /// It fails and is started again, but has not yet proven itself; the causes that were named.
    fn fail(&mut self, spins: bool) -> Vec<&'static str> {
        self.out.clear();
        let service = self.guardian.profile().form == Form::Systemd;
        if spins {
            self.ways = Ways::spinning();
            self.run(31);
        } else if service {
            self.end(Exit::Unknown);
            self.unit(ActiveState::AutoRestart, Some(KILLED));
        } else {
            self.end(KILLED);
        }
        let named = self.named();
        let (_, mut asked) = self.until_asked(5);
        self.done(&asked);
        if asked.action == Action::Kill {
            self.end(KILLED);
            asked = self.until_asked(5).1;
            self.done(&asked);
        }
        self.ways = Ways::well();
        self.appear((!service).then_some(&asked));
        if service {
            self.unit(ActiveState::Active, None);
        }
        self.run(3);
        named
    }
}

#[test]
fn a_fault_like_the_one_before_is_named_although_the_end_of_that_incident_was_not_kept() {
    for (form, spins, cause) in
        [(Form::Child, false, "crashed"), (Form::Child, true, "spinning"), (Form::Systemd, false, "crashed")]
    {
        let mut scene = if form == Form::Child { Scene::healthy_child() } else { Scene::healthy_unit() };
        assert_eq!(scene.fail(spins), [cause]);
        let kept = scene.guardian.memory().clone();
        scene.run(600);
        assert!(kept.incident.is_some() && scene.guardian.memory().incident.is_none());
        scene.another_guard_with(kept);
        if form == Form::Systemd {
            scene.unit(ActiveState::Active, None);
        }
        scene.found(600_000);
        scene.run(3);
        assert_eq!(scene.named(), [""; 0], "it is well");
        assert_eq!(scene.fail(spins), [cause], "{form:?}");
    }
}
