//! A person is asked first, and what they say is done once, or not at all.

use super::scene::{KILLED, Scene, Ways};
use clawmend_core::approval::{Decision, Proposal, ProposalId, Stand};
use clawmend_core::directive::{Action, ActionResult, Output};
use clawmend_core::gateway::Form;
use clawmend_core::incident::{IncidentEvent, Outcome, What};
use clawmend_core::observation::{ActiveState, Evidence};
use clawmend_core::policy::Policy;
use clawmend_core::wish::Wish;

/// A frozen gateway whose guard asks first.
fn frozen(form: Form) -> Scene {
    let mut scene = if form == Form::Child { Scene::healthy_child() } else { Scene::healthy_unit() };
    scene.guardian.set_policy(Policy { confirm: true, ..Policy::adaptive() });
    scene.ways = Ways::stopped();
    scene.watch(10_000);
    scene
}

fn events(scene: &Scene) -> Vec<What> {
    let what = |output: &Output| match output {
        Output::Record(IncidentEvent { what, .. }) => Some(what.clone()),
        _ => None,
    };
    scene.out.iter().filter_map(what).collect()
}

fn open(scene: &Scene) -> Vec<Proposal> {
    let all = scene.guardian.memory().proposals.iter();
    all.filter(|proposal| proposal.is_open(scene.now.mono)).cloned().collect()
}

fn decide(scene: &mut Scene, proposal: ProposalId, approve: bool) {
    scene.see(&Evidence::Decision(Decision { proposal, approve, by: "a test".into() }));
}

#[test]
fn nothing_is_done_without_a_word_and_what_was_approved_is_done_to_its_end() {
    let mut scene = frozen(Form::Child);
    assert!(scene.actions().is_empty(), "it waits");
    let [proposal] = open(&scene).try_into().expect("one proposal");
    assert_eq!(proposal.action, Action::Terminate { wake: true });
    assert!(!scene.guardian.cadence().closely, "waiting for hours costs no close looks");
    decide(&mut scene, proposal.id, true);
    let terminate = scene.one();
    assert_eq!(terminate.action, Action::Terminate { wake: true });
    assert!(terminate.reason.contains("a person approved it"), "{}", terminate.reason);
    scene.done(&terminate);
    // It does not end: the approval of its end covers that, too.
    scene.ways = Ways::spinning();
    scene.pass(10);
    let (_, kill) = scene.watch(5_000);
    let kill = kill.expect("the next rung");
    assert_eq!(kill.action, Action::Kill);
    scene.done(&kill);
    scene.end(KILLED);
    scene.ways = Ways::well();
    let spawn = scene.one();
    assert_eq!(spawn.action, Action::Spawn, "a start is not asked for");
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(20);
    assert_eq!(scene.last_outcome().1, Outcome::Recovered);
    assert!(open(&scene).is_empty());
}

#[test]
fn a_decision_counts_once_and_only_for_what_was_shown() {
    let mut scene = frozen(Form::Child);
    let [proposal] = open(&scene).try_into().expect("one proposal");
    scene.asked();
    decide(&mut scene, ProposalId(proposal.id.0 + 1), true);
    assert!(scene.asked().is_empty(), "there is no such proposal");
    decide(&mut scene, proposal.id, true);
    let first = scene.one();
    scene.see(&Evidence::Result { directive: first.id, result: ActionResult::Retry { reason: "busy".into() } });
    decide(&mut scene, proposal.id, true);
    let voids = events(&scene).into_iter().filter(|what| matches!(what, What::Decided { void: Some(_), .. })).count();
    assert_eq!(voids, 1, "the second word on it is void, and on record");
}

#[test]
fn a_denied_step_is_not_proposed_again_for_that_life() {
    let mut scene = frozen(Form::Child);
    let [proposal] = open(&scene).try_into().expect("one proposal");
    decide(&mut scene, proposal.id, false);
    scene.watch(3 * 3_600_000);
    assert!(scene.actions().is_empty() && open(&scene).is_empty());
    assert_eq!(scene.guardian.memory().proposals[0].stand, Stand::Denied);
}

#[test]
fn a_proposal_lapses_and_comes_again_a_few_times() {
    let mut scene = frozen(Form::Child);
    let first = open(&scene)[0].id;
    for _minute in 0..=60 {
        scene.pass(60_000);
        scene.look();
    }
    assert!(events(&scene).contains(&What::Lapsed { proposal: first }));
    let second = open(&scene)[0].id;
    assert!(second > first);
    decide(&mut scene, first, true);
    assert!(scene.actions().is_empty(), "its time is over");
    scene.watch(24 * 3_600_000);
    assert_eq!(scene.guardian.memory().last_proposal, 3);
    assert!(scene.actions().is_empty());
}

#[test]
fn what_was_meant_for_one_life_does_nothing_to_the_next() {
    let mut scene = frozen(Form::Child);
    let [proposal] = open(&scene).try_into().expect("one proposal");
    scene.end(KILLED);
    scene.ways = Ways::well();
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(2);
    scene.asked();
    decide(&mut scene, proposal.id, true);
    scene.run(30);
    assert!(scene.actions().is_empty());
}

#[test]
fn an_approval_does_not_outlive_the_guard_unseen_nor_a_persons_later_word() {
    let mut scene = frozen(Form::Child);
    let [proposal] = open(&scene).try_into().expect("one proposal");
    // The next guard knows the proposal.
    scene.another_guard();
    scene.guardian.set_policy(Policy { confirm: true, ..Policy::adaptive() });
    scene.found(60_000);
    scene.watch(5_000);
    scene.asked();
    assert_eq!(open(&scene).iter().map(|one| one.id).collect::<Vec<_>>(), [proposal.id], "and does not ask twice");
    // Paused before it was approved: hands off.
    scene.see(&Evidence::Person(Wish::Pause { until: None, reason: None }));
    decide(&mut scene, proposal.id, true);
    scene.watch(20_000);
    assert!(scene.actions().is_empty());
    scene.see(&Evidence::Person(Wish::Resume));
    let (_, directive) = scene.watch(5_000);
    assert_eq!(directive.expect("approved and not paused").action, Action::Terminate { wake: true });
}

#[test]
fn a_unit_is_asked_for_in_the_same_way() {
    let mut scene = frozen(Form::Systemd);
    let [proposal] = open(&scene).try_into().expect("one proposal");
    assert_eq!(proposal.action, Action::RestartUnit);
    scene.unit(ActiveState::Active, None);
    decide(&mut scene, proposal.id, true);
    let (_, directive) = scene.watch(1_000);
    assert_eq!(directive.map(|one| one.action).or_else(|| scene.actions().pop()), Some(Action::RestartUnit));
}

#[test]
fn an_approved_step_that_does_not_fit_any_more_holds_up_nobody() {
    let mut scene = frozen(Form::Child);
    let [proposal] = open(&scene).try_into().expect("one proposal");
    // It goes on by itself, and is approved a moment too late.
    scene.ways = Ways::well();
    scene.run(2);
    scene.asked();
    decide(&mut scene, proposal.id, true);
    scene.run(2);
    assert!(scene.actions().is_empty(), "it serves");
    scene.see(&Evidence::Person(Wish::Stop));
    scene.run(2);
    assert!(matches!(scene.actions().first(), Some(Action::Terminate { .. })), "a person's stop is carried out");
}
