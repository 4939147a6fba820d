//! A process that lives and does not answer: stopped, held, spinning, without a listener.

use super::scene::{KILLED, Scene, Ways};
use clawmend_core::diagnosis::Cause;
use clawmend_core::directive::{Action, Output};
use clawmend_core::gateway::Form;
use clawmend_core::health::Verdict;
use clawmend_core::incident::{Outcome, What};
use clawmend_core::observation::{Evidence, GuardSelf, Held, HttpOutcome, LogSign};

#[test]
fn a_stopped_process_is_woken_and_ended_in_order_then_by_force() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::stopped();
    let (waited, directive) = scene.watch(5_000);
    assert_eq!(waited, 150, "three looks that show the same stop");
    let directive = directive.unwrap();
    assert_eq!(directive.action, Action::Terminate { wake: true });
    scene.done(&directive);
    // Woken, and its event loop does not turn. What it answered before the stop says nothing of it now.
    scene.ways = Ways::spinning();
    scene.pass(10);
    let (waited, directive) = scene.watch(5_000);
    assert!((590..=690).contains(&waited), "{waited} ms: with a look every 500 ms before, all is over within 1.5 s");
    let directive = directive.unwrap();
    assert_eq!(directive.action, Action::Kill, "it did not react");
    scene.done(&directive);
    scene.end(KILLED);
    scene.ways = Ways::well();
    let spawn = scene.one();
    assert_eq!(spawn.action, Action::Spawn);
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(20);
    assert_eq!(scene.last_outcome(), (Some(Cause::Frozen), Outcome::Recovered));
}

#[test]
fn a_stop_that_ends_in_time_is_left_alone_also_when_it_comes_again_and_again() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::stopped();
    let (_, directive) = scene.watch(140);
    assert_eq!(directive, None, "continued before it was sure");
    scene.ways = Ways::well();
    scene.run(20);
    assert!(scene.actions().is_empty());
    // As `cpulimit` does it: stopped at each look, but it has run in between.
    scene.ways = Ways::stopped();
    for _ in 0..600 {
        scene.voluntary += 1;
        scene.look();
        scene.pass(50);
    }
    assert!(scene.actions().is_empty(), "it goes on between two looks");
    assert_eq!(scene.guardian.verdict(), Verdict::Suspect);
}

#[test]
fn a_woken_gateway_whose_event_loop_turns_has_its_drain() {
    for (form, ask) in [(Form::Child, Action::Terminate { wake: true }), (Form::Systemd, Action::RestartUnit)] {
        let mut scene = if form == Form::Child { Scene::healthy_child() } else { Scene::healthy_unit() };
        scene.ways = Ways::stopped();
        let directive = scene.watch(1_000).1.unwrap();
        assert_eq!(directive.action, ask);
        scene.done(&directive);
        // It ends its work: its loop turns, busy at first, then it says how long it will take.
        scene.ways = Ways { answer: HttpOutcome::TimedOut, ..Ways::well() };
        for _ in 0..20 {
            scene.pass(100);
            scene.voluntary += 1;
            scene.look();
        }
        assert!(scene.actions().is_empty(), "{form:?}: it turns");
        scene.see(&Evidence::Log(LogSign::Draining { timeout_ms: 60_000 }));
        scene.run(70);
        assert!(scene.actions().is_empty(), "{form:?}: it drains");
    }
}

#[test]
fn what_someone_holds_on_purpose_is_left_alone_and_said() {
    for held in [Held::Frozen, Held::Traced { tracer: 7 }, Held::Inspected] {
        let mut scene = Scene::healthy_child();
        scene.ways = Ways { held: Some(held), ..Ways::stopped() };
        scene.run(300);
        let said = scene
            .out
            .iter()
            .any(|output| matches!(output, Output::Record(event) if matches!(event.what, What::Escalated { .. })));
        assert!(said, "{held:?} is said");
        assert!(scene.actions().is_empty(), "{held:?} is left alone");
        scene.ways = Ways::well();
        scene.run(20);
        assert_eq!(scene.last_outcome().1, Outcome::HumanFixed);
    }
}

#[test]
fn a_stall_within_the_budget_is_left_alone_and_one_beyond_is_killed() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::spinning();
    scene.run(24);
    scene.ways = Ways::well();
    scene.run(20);
    assert!(scene.actions().is_empty());
    assert_eq!(scene.last_outcome(), (Some(Cause::Stalled), Outcome::SelfRecovered));
    scene.ways = Ways::spinning();
    let (waited, directive) = scene.until_asked(60);
    assert_eq!(directive.action, Action::Kill);
    assert!((29_500..=31_000).contains(&waited), "{waited} ms");
    scene.done(&directive);
    scene.end(KILLED);
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn our_kill_is_never_the_third_unclean_end_in_five_minutes() {
    let mut scene = Scene::healthy_child();
    for _ in 0..2 {
        scene.end(KILLED);
        let (_, directive) = scene.until_asked(60);
        scene.done(&directive);
        scene.appear(Some(&directive));
        scene.run(15);
    }
    scene.asked();
    scene.ways = Ways::spinning();
    let (waited, directive) = scene.until_asked(400);
    assert_eq!(directive.action, Action::Kill);
    assert!(waited > 200_000, "held back for {waited} ms");
}

#[test]
fn an_idle_process_without_a_listener_is_restarted_and_a_busy_one_is_not() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::unlistened(400);
    scene.run(27);
    assert!(scene.actions().is_empty(), "a restart inside the process takes up to 27 s");
    scene.ways = Ways::unlistened(2);
    let (_, directive) = scene.until_asked(60);
    assert_eq!(directive.action, Action::Terminate { wake: false });
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Log(LogSign::StartupFailedAlive));
    scene.ways = Ways::unlistened(2);
    let (waited, _) = scene.until_asked(5);
    assert!(waited <= 500, "its own word is proof");
}

#[test]
fn a_late_or_sleeping_guard_doubts_itself_first() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::spinning();
    scene.run(20);
    scene.pass(3_600_000);
    scene.see(&Evidence::Guard(GuardSelf { slept_ms: 3_600_000, ..GuardSelf::default() }));
    assert_eq!(scene.guardian.verdict(), Verdict::Unknown);
    scene.run(5);
    assert!(scene.actions().is_empty(), "the sleep does not count as silence");
}

#[test]
fn stops_that_end_in_time_do_not_keep_an_incident_open() {
    let mut scene = Scene::healthy_child();
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(1);
    for _ in 0..30 {
        scene.ways = Ways { answer: HttpOutcome::Ok, ..Ways::stopped() };
        scene.watch(100);
        assert_eq!(scene.guardian.verdict(), Verdict::Suspect);
        scene.ways = Ways::well();
        scene.run(1);
    }
    assert!(scene.guardian.memory().incident.is_none(), "it has been well for half a minute");
    assert_eq!(scene.last_outcome().1, Outcome::Recovered);
    // A silence that is worth a record is another matter.
    scene.end(KILLED);
    let (_, spawn) = scene.until_asked(5);
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    for _ in 0..10 {
        scene.ways = Ways { answer: HttpOutcome::TimedOut, ..Ways::well() };
        scene.run(3);
        scene.ways = Ways::well();
        scene.run(7);
    }
    assert!(scene.guardian.memory().incident.is_some(), "it was never well for ten seconds");
}
