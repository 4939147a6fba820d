#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

fn hypothesis() -> ReplyHypothesis {
    ReplyHypothesis {
        title: "The disk is full".into(),
        why: "Line 2 says ENOSPC.".into(),
        cause: Some("disk_full".into()),
        class: Some("fd-disk".into()),
        confidence: 0.8,
        evidence: vec![2, 1, 2],
    }
}

fn step(action: &str) -> ReplyStep {
    ReplyStep { action: action.into(), why: "because".into(), ..ReplyStep::default() }
}

fn reply(plan: Vec<ReplyStep>) -> Reply {
    Reply { hypotheses: vec![hypothesis()], plan }
}

fn refused(reply: Reply) -> AdviceError {
    Advice::of(reply, Some(3)).unwrap_err()
}

const ACTIONS: [&str; 8] = [
    "start_channel",
    "reload_secrets",
    "restore_config",
    "free_own_logs",
    "quarantine_lock",
    "start",
    "restart",
    "tell",
];

/// With what each action needs.
fn whole(action: &str) -> ReplyStep {
    let channel = (action == "start_channel").then(|| "telegram".to_owned());
    ReplyStep { channel, ..step(action) }
}

#[test]
fn a_good_reply_becomes_advice() {
    let advice = Advice::of(reply(ACTIONS.map(whole).to_vec()), Some(3)).unwrap();
    assert_eq!(advice.hypotheses()[0].cause, Some(CauseCode::DiskFull));
    assert_eq!(advice.hypotheses()[0].class, Some(Class::FdDisk));
    assert_eq!(advice.hypotheses()[0].evidence, [1, 2]);
    let names = advice.plan().iter().map(|step| serde_json::to_value(step.proposal.action()).unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ACTIONS.map(serde_json::Value::from), "each name is the action's own");
    let started = Proposal::StartChannel { channel: "telegram".into(), account: "default".into() };
    assert_eq!(advice.plan()[0].proposal, started);
}

#[test]
fn advice_survives_being_written_down() {
    let told = ReplyStep { about: Some("security".into()), ..whole("tell") };
    let plan: Vec<_> = ACTIONS[..7].iter().map(|action| whole(action)).chain([told]).collect();
    let advice = Advice::of(reply(plan), Some(3)).unwrap();
    let text = serde_json::to_string(&advice.to_reply()).unwrap();
    assert!(text.contains("\"cause\":\"disk_full\",\"class\":\"fd-disk\""), "{text}");
    assert_eq!(Advice::of(serde_json::from_str(&text).unwrap(), Some(3)).unwrap(), advice);
}

#[test]
fn it_may_say_that_it_does_not_know() {
    let advice = Advice::of(Reply::default(), Some(0)).unwrap();
    assert!(advice.hypotheses().is_empty() && advice.plan().is_empty());
}

#[test]
fn tiers() {
    let tiers = |serving| {
        let advice = Advice::of(reply(ACTIONS.map(whole).to_vec()), None).unwrap();
        advice.plan().iter().map(|step| step.proposal.tier(serving)).collect::<Vec<_>>()
    };
    use Tier::{Green, Red, Yellow};
    assert_eq!(tiers(false), [Green, Green, Green, Green, Yellow, Green, Yellow, Red]);
    assert_eq!(tiers(true), [Green, Green, Yellow, Green, Yellow, Green, Yellow, Red]);
    assert!(Green.runs_alone(true) && !Green.runs_alone(false));
    assert!(!Yellow.runs_alone(true) && Yellow.can_be_approved());
    assert!(!Red.runs_alone(true) && !Red.can_be_approved());
}

#[test]
fn actions_beyond_the_list_are_refused_with_all_that_came_along() {
    for action in ["exec", "shell", "Start", "start ", "", "rm -rf /", "delete_state", "edit_config", "run_command"] {
        let error = refused(reply(vec![whole("start"), step(action)]));
        assert!(matches!(error, AdviceError::UnknownAction { place: Place::Step(2), .. }), "{action}: {error}");
    }
    let AdviceError::UnknownAction { name, .. } = refused(reply(vec![step(&"x".repeat(9000))])) else { panic!() };
    assert_eq!(name.len(), MAX_NAME);
}

#[test]
fn amounts_are_bounded() {
    assert_eq!(refused(reply(vec![whole("tell"); 10_000])), AdviceError::TooManySteps(10_000));
    let many = Reply { hypotheses: vec![hypothesis(); 6], plan: vec![] };
    assert_eq!(refused(many), AdviceError::TooManyHypotheses(6));
    let plan = vec![ReplyStep { evidence: vec![1; 17], ..whole("start") }];
    assert_eq!(refused(reply(plan)), AdviceError::TooManyReferences(Place::Step(1)));
    assert_eq!(refused(Reply { hypotheses: vec![], plan: vec![whole("start")] }), AdviceError::NoHypothesis);
}

fn with(change: impl FnOnce(&mut ReplyHypothesis)) -> AdviceError {
    let mut hypothesis = hypothesis();
    change(&mut hypothesis);
    refused(Reply { hypotheses: vec![hypothesis], plan: vec![] })
}

#[test]
fn texts_names_and_figures_are_checked() {
    let place = Place::Hypothesis(1);
    let text = |field, limit| AdviceError::Text { place, field, limit };
    assert_eq!(with(|said| said.title = "界".repeat(161)), text("title", 160));
    assert_eq!(with(|said| said.title = " \n".into()), text("title", 160));
    assert_eq!(with(|said| said.why = "x".repeat(801)), text("why", 800));
    for confidence in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(with(|said| said.confidence = confidence), AdviceError::Confidence(place));
    }
    let unknown = |field, name: &str| AdviceError::UnknownName { place, field, name: name.into() };
    assert_eq!(with(|said| said.cause = Some("aliens".into())), unknown("cause", "aliens"));
    assert_eq!(with(|said| said.class = Some("disk".into())), unknown("class", "disk"));
    let place = Place::Step(1);
    let one = |step| refused(reply(vec![step]));
    assert_eq!(one(step("start_channel")), AdviceError::NoChannel(place));
    for channel in ["", "a b", "../x", "tele\ngram", "$(id)"] {
        let step = ReplyStep { channel: Some(channel.into()), ..step("start_channel") };
        assert_eq!(one(step), AdviceError::BadName { place, field: "channel" });
    }
    let step = ReplyStep { channel: Some("telegram".into()), ..step("restart") };
    assert_eq!(one(step), AdviceError::Needless { place, field: "channel" });
    let step = ReplyStep { about: Some("security".into()), ..whole("start") };
    assert_eq!(one(step), AdviceError::Needless { place, field: "about" });
    let step = ReplyStep { about: Some("money".into()), ..whole("tell") };
    assert_eq!(one(step), AdviceError::UnknownName { place, field: "about", name: "money".into() });
}

#[test]
fn claims_rest_on_lines_that_were_sent() {
    assert_eq!(with(|said| said.evidence = vec![]), AdviceError::Ungrounded(Place::Hypothesis(1)));
    for number in [0, 4, u32::MAX] {
        let error = with(|said| said.evidence = vec![1, number]);
        assert_eq!(error, AdviceError::NoSuchEvidence { place: Place::Hypothesis(1), number, lines: 3 });
    }
    let plan = vec![ReplyStep { evidence: vec![9], ..whole("start") }];
    let advice = Advice::of(reply(plan), None).unwrap();
    let error = AdviceError::NoSuchEvidence { place: Place::Step(1), number: 9, lines: 3 };
    assert_eq!(advice.grounded_in(3).unwrap_err(), error);
}

proptest! {
    #[test]
    fn whatever_is_said_only_the_closed_list_comes_out(
        actions in prop::collection::vec("[a-z_ ]{0,20}|start|restart|tell|reload_secrets", 0..12),
        why in ".{0,900}", evidence in prop::collection::vec(0u32..6, 0..20), confidence in -1.0f64..2.0,
    ) {
        let plan: Vec<_> = actions
            .iter()
            .map(|action| ReplyStep { why: why.clone(), evidence: evidence.clone(), ..step(action) })
            .collect();
        let hypothesis = ReplyHypothesis { confidence, why: why.clone(), ..hypothesis() };
        if let Ok(advice) = Advice::of(Reply { hypotheses: vec![hypothesis], plan }, Some(3)) {
            prop_assert!(advice.plan().len() <= MAX_STEPS);
            prop_assert!(actions.iter().all(|action| ACTIONS.contains(&action.as_str())));
            let lines = advice.plan().iter().flat_map(|step| &step.evidence);
            prop_assert!(lines.chain(&advice.hypotheses()[0].evidence).all(|line| (1..=3).contains(line)));
            prop_assert!(why.chars().count() <= MAX_WHY);
        }
    }
}
