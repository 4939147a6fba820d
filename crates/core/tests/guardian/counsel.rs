//! What an AI proposes, and how little may come of it.

use super::scene::{KILLED, Scene};
use clawmend_core::diagnosis::advice::Tier;
use clawmend_core::diagnosis::case::RemedyAction;
use clawmend_core::diagnosis::counsel::{Counsel, CounselStep};
use clawmend_core::diagnosis::opinion::Opinion;
use clawmend_core::directive::{Action, ActionResult, Directive, IncidentId, Output};
use clawmend_core::incident::{IncidentEvent, Outcome, What};
use clawmend_core::observation::{ChannelState, Evidence, RpcSeen};
use clawmend_core::policy::Policy;

fn step(action: RemedyAction, tier: Tier) -> CounselStep {
    let channel = (action == RemedyAction::StartChannel).then(|| ("telegram".to_owned(), "default".to_owned()));
    CounselStep { action, tier, channel, why: "because".into() }
}

/// Takes what came out: questions to an AI, directives, events.
fn taken(scene: &mut Scene) -> (usize, Vec<Directive>, Vec<What>) {
    let (mut questions, mut directives, mut events) = (0, Vec::new(), Vec::new());
    for output in std::mem::take(&mut scene.out) {
        match output {
            Output::Consult(_) => questions += 1,
            Output::Do(directive) => directives.push(directive),
            Output::Record(IncidentEvent { what, .. }) => events.push(what),
            _ => {}
        }
    }
    (questions, directives, events)
}

/// A gateway that was killed, is back, and whose incident the doctor could not explain.
fn unexplained(ask_ai: bool, ai_auto_heal: bool) -> (Scene, IncidentId, usize) {
    let mut scene = Scene::healthy_child();
    scene.guardian.set_policy(Policy { ask_ai, ai_auto_heal, verify_ms: 120_000, ..Policy::adaptive() });
    scene.end(KILLED);
    let (_, spawn) = scene.until_asked(60);
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(5);
    let incident = scene.guardian.report().incident.expect("it is open");
    taken(&mut scene);
    scene.see(&Evidence::Examined(Opinion { incident, causes: Vec::new() }));
    scene.see(&Evidence::Examined(Opinion { incident, causes: Vec::new() }));
    let (questions, ..) = taken(&mut scene);
    (scene, incident, questions)
}

fn say(scene: &mut Scene, incident: IncidentId, steps: Vec<CounselStep>) {
    scene.see(&Evidence::Counsel(Counsel { incident, guess: "something".into(), steps }));
}

#[test]
fn an_ai_is_asked_once_and_only_where_a_person_named_one() {
    assert_eq!(unexplained(false, false).2, 0);
    assert_eq!(unexplained(true, false).2, 1, "the doctor abstained twice, and that is one question");
}

#[test]
fn a_green_step_runs_where_healing_is_allowed_and_once() {
    let (mut scene, incident, _) = unexplained(true, true);
    say(&mut scene, incident, vec![step(RemedyAction::ReloadSecrets, Tier::Green)]);
    let (_, directives, events) = taken(&mut scene);
    assert_eq!(directives.iter().map(|one| one.action.clone()).collect::<Vec<_>>(), [Action::ReloadSecrets]);
    assert!(events.iter().any(|event| matches!(event, What::Advised { .. })));
    scene.done(&directives[0]);
    scene.run(60);
    assert!(taken(&mut scene).1.is_empty(), "each step comes once");
}

#[test]
fn nothing_runs_that_a_person_has_not_allowed() {
    for (auto_heal, action, tier) in [
        (false, RemedyAction::ReloadSecrets, Tier::Green),
        (true, RemedyAction::Restart, Tier::Yellow),
        (true, RemedyAction::QuarantineLock, Tier::Yellow),
        (true, RemedyAction::Tell, Tier::Red),
        // A tier that does not belong to the action changes nothing.
        (true, RemedyAction::Restart, Tier::Green),
        (true, RemedyAction::QuarantineLock, Tier::Green),
    ] {
        let (mut scene, incident, _) = unexplained(true, auto_heal);
        say(&mut scene, incident, vec![step(action, tier)]);
        scene.run(30);
        let (_, directives, events) = taken(&mut scene);
        assert!(directives.is_empty(), "{action:?} {tier:?}: {directives:?}");
        let told = events.iter().any(|event| matches!(event, What::Escalated { .. }));
        assert_eq!(told, !tier.runs_alone(auto_heal), "what waits is told: {action:?} {tier:?}");
    }
}

#[test]
fn the_check_holds_for_an_ai_too() {
    let (mut scene, incident, _) = unexplained(true, true);
    let stopped = ChannelState {
        channel: "telegram".into(),
        account: "default".into(),
        wanted: true,
        running: false,
        connected: None,
        suppressed: false,
        stopped_by_person: true,
        terminal: false,
        error: None,
    };
    scene.see(&Evidence::Rpc(RpcSeen::Channels { accounts: vec![stopped] }));
    taken(&mut scene);
    let steps = vec![
        step(RemedyAction::StartChannel, Tier::Green),
        step(RemedyAction::FreeOwnLogs, Tier::Green),
        step(RemedyAction::RestoreConfig, Tier::Green),
        step(RemedyAction::Start, Tier::Green),
    ];
    say(&mut scene, incident, steps);
    scene.run(30);
    let (_, directives, events) = taken(&mut scene);
    assert!(directives.is_empty(), "{directives:?}");
    let held = events.iter().filter(|event| matches!(event, What::Withheld { .. })).count();
    assert_eq!(held, 2, "a channel that a person stopped, a disk that has room: {events:?}");
}

#[test]
fn an_answer_about_another_incident_or_without_being_asked_does_nothing() {
    let (mut scene, incident, _) = unexplained(true, true);
    say(&mut scene, IncidentId(incident.0 + 1), vec![step(RemedyAction::ReloadSecrets, Tier::Green)]);
    assert!(taken(&mut scene).1.is_empty());
    let (mut scene, incident, _) = unexplained(false, true);
    say(&mut scene, incident, vec![step(RemedyAction::ReloadSecrets, Tier::Green)]);
    let (_, directives, events) = taken(&mut scene);
    assert!(directives.is_empty() && !events.iter().any(|event| matches!(event, What::Advised { .. })));
}

/// Whether an AI's answer was found to have helped, by the end of a long look.
fn credited(scene: &mut Scene) -> bool {
    scene.run(300);
    scene.out.iter().any(|output| matches!(output, Output::CounselHelped(_)))
}

fn telegram(running: bool) -> Evidence {
    let account = ChannelState {
        channel: "telegram".into(),
        account: "default".into(),
        wanted: true,
        running,
        connected: None,
        suppressed: false,
        stopped_by_person: false,
        terminal: !running,
        error: None,
    };
    Evidence::Rpc(RpcSeen::Channels { accounts: vec![account] })
}

/// A gateway that serves, with a channel that has given up; the doctor could not explain it.
fn deaf() -> (Scene, IncidentId) {
    let mut scene = Scene::healthy_child();
    scene.guardian.set_policy(Policy { ask_ai: true, ai_auto_heal: true, ..Policy::adaptive() });
    scene.see(&telegram(false));
    scene.run(5);
    scene.see(&telegram(false));
    let incident = scene.guardian.report().incident.expect("it is open");
    for directive in taken(&mut scene).1 {
        scene.done(&directive);
    }
    scene.see(&Evidence::Examined(Opinion { incident, causes: Vec::new() }));
    scene.see(&Evidence::Examined(Opinion { incident, causes: Vec::new() }));
    assert_eq!(taken(&mut scene).0, 1, "nobody was asked");
    (scene, incident)
}

#[test]
fn an_answer_whose_step_was_the_last_before_a_proven_recovery_has_helped() {
    let (mut scene, incident) = deaf();
    say(&mut scene, incident, vec![step(RemedyAction::ReloadSecrets, Tier::Green)]);
    let (_, directives, _) = taken(&mut scene);
    assert_eq!(directives[0].action, Action::ReloadSecrets);
    scene.done(&directives[0]);
    scene.see(&telegram(true));
    assert!(credited(&mut scene));
    assert_eq!(scene.last_outcome().1, Outcome::Recovered);
}

#[test]
fn an_answer_that_came_when_all_was_well_again_gets_no_credit() {
    let (mut scene, incident, _) = unexplained(true, true);
    say(&mut scene, incident, vec![step(RemedyAction::ReloadSecrets, Tier::Green)]);
    let (_, directives, _) = taken(&mut scene);
    scene.done(&directives[0]);
    assert!(!credited(&mut scene), "the ladder's own start did it");
    assert_eq!(scene.last_outcome().1, Outcome::Recovered);
}

#[test]
fn an_answer_that_nothing_came_of_gets_no_credit() {
    let (mut scene, incident, _) = unexplained(true, true);
    say(&mut scene, incident, vec![step(RemedyAction::Tell, Tier::Red)]);
    assert!(!credited(&mut scene), "the ladder's own start did it");
    assert_eq!(scene.last_outcome().1, Outcome::Recovered);
}

#[test]
fn a_step_that_failed_gets_no_credit() {
    let (mut scene, incident, _) = unexplained(true, true);
    say(&mut scene, incident, vec![step(RemedyAction::ReloadSecrets, Tier::Green)]);
    let (_, directives, _) = taken(&mut scene);
    let result = ActionResult::Retry { reason: "no answer".into() };
    scene.see(&Evidence::Result { directive: directives[0].id, result });
    assert!(!credited(&mut scene));
}

#[test]
fn a_later_step_of_another_takes_the_credit_away() {
    let (mut scene, incident, _) = unexplained(true, true);
    say(&mut scene, incident, vec![step(RemedyAction::ReloadSecrets, Tier::Green)]);
    let (_, directives, _) = taken(&mut scene);
    scene.done(&directives[0]);
    scene.end(KILLED);
    let (_, spawn) = scene.until_asked(120);
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    assert!(!credited(&mut scene));
    assert_eq!(scene.last_outcome().1, Outcome::Recovered);
}
