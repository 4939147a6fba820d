//! What the doctor makes of an incident, and what follows from it.

use super::scene::{KILLED, Scene};
use clawmend_core::diagnosis::case::{Guard, Remedy, RemedyAction};
use clawmend_core::diagnosis::class::CauseCode;
use clawmend_core::diagnosis::opinion::{Opinion, Suspicion};
use clawmend_core::directive::{Action, ActionResult, Directive, IncidentId, Lesson, Output, Question};
use clawmend_core::incident::{IncidentEvent, What};
use clawmend_core::observation::{
    ChannelState, ConfigDoubt, ConfigSeen, ConfigValidity, DiskSeen, Endpoint, Evidence, Exit,
};
use clawmend_core::observation::{HttpOutcome, Listener, Readiness, RpcSeen};

/// What came out besides directives.
#[derive(Debug, Default)]
struct Said {
    asked: Vec<Question>,
    lessons: Vec<Lesson>,
    told: Vec<String>,
    examined: usize,
    evidence: Vec<String>,
    actions: Vec<Directive>,
}

impl Said {
    fn take(&mut self, scene: &mut Scene) {
        for output in std::mem::take(&mut scene.out) {
            match output {
                Output::Examine(question) => self.asked.push(question),
                Output::Learned(lesson) => self.lessons.push(lesson),
                Output::Do(directive) => self.actions.push(directive),
                Output::Record(IncidentEvent { what, .. }) => match what {
                    What::Escalated { reason } => self.told.push(reason),
                    What::Examined { .. } => self.examined += 1,
                    What::Evidence { text } => self.evidence.push(text),
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

fn suspicion(case: &str, remedies: &[(RemedyAction, bool)]) -> Suspicion {
    Suspicion {
        case: case.into(),
        cause: CauseCode::Unknown,
        sure_percent: 95,
        evidence: vec!["a line".into()],
        advice: format!("{case}: do this"),
        may_act: true,
        guards: vec![Guard::NotDraining],
        remedies: remedies.iter().map(|(action, auto)| Remedy { action: *action, auto: *auto }).collect(),
    }
}

fn answer(scene: &mut Scene, incident: IncidentId, causes: Vec<Suspicion>) {
    scene.see(&Evidence::Examined(Opinion { incident, causes }));
}

fn account(running: bool) -> ChannelState {
    ChannelState {
        channel: "telegram".into(),
        account: "default".into(),
        wanted: true,
        running,
        connected: None,
        suppressed: false,
        stopped_by_person: false,
        terminal: !running,
        error: (!running).then(|| "401: Unauthorized".into()),
    }
}

/// Serves with a channel that has given up, for so long; everything that came out.
fn serve_deaf(scene: &mut Scene, seconds: u64, said: &mut Said) {
    scene.see(&Evidence::Rpc(RpcSeen::Channels { accounts: vec![account(false)] }));
    for _ in 0..seconds {
        scene.pass(1_000);
        scene.cpu_ms += 5;
        scene.voluntary += 1;
        scene.look();
        scene.see(&Evidence::Listener(Listener::Own { port: 18789, backlog: 0 }));
        scene.http(Endpoint::Healthz, HttpOutcome::Ok);
        let readiness = Readiness { ready: false, failing: vec!["telegram".into()], ..Readiness::default() };
        scene.http(Endpoint::Readyz, HttpOutcome::Readiness(readiness));
        let before = said.actions.len();
        said.take(scene);
        for directive in said.actions[before..].iter() {
            scene.see(&Evidence::Result { directive: directive.id, result: ActionResult::Done });
        }
    }
}

#[test]
fn the_doctor_is_asked_once_the_cause_is_named_and_its_lesson_is_drawn() {
    let mut scene = Scene::healthy_child();
    scene.end(KILLED);
    let mut said = Said::default();
    said.take(&mut scene);
    let spawn = said.actions.remove(0);
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(2);
    said.take(&mut scene);
    assert_eq!(said.asked.len(), 1, "one question for one cause");
    let question = said.asked.remove(0);
    assert_eq!(question.cause.code(), "crashed");
    assert!(question.since < scene.now.wall);
    answer(&mut scene, question.incident, vec![suspicion("killed", &[(RemedyAction::Start, true)])]);
    scene.run(40);
    said.take(&mut scene);
    assert_eq!((said.asked.len(), said.examined), (0, 1), "the same cause is not asked about again");
    let incident = question.incident;
    assert_eq!(said.lessons, [Lesson { incident, case: "killed".into(), worked: true }]);
    assert!(said.told.is_empty(), "{:?}", said.told);
}

#[test]
fn an_answer_about_another_incident_does_nothing() {
    let mut scene = Scene::healthy_child();
    answer(&mut scene, IncidentId(77), vec![suspicion("secrets", &[(RemedyAction::ReloadSecrets, true)])]);
    scene.run(30);
    let mut said = Said::default();
    said.take(&mut scene);
    assert!(said.actions.is_empty() && said.examined == 0);
}

/// A gateway with a deaf channel, whose incident the doctor was asked about.
fn asked_about_a_deaf_channel() -> (Scene, Said, IncidentId) {
    let mut scene = Scene::healthy_child();
    let mut said = Said::default();
    serve_deaf(&mut scene, 5, &mut said);
    let incident = said.asked.first().expect("the doctor is asked").incident;
    assert!(said.actions.is_empty(), "OpenClaw's own ladder comes first");
    (scene, said, incident)
}

fn reloads(said: &Said) -> usize {
    said.actions.iter().filter(|directive| directive.action == Action::ReloadSecrets).count()
}

#[test]
fn what_only_a_case_asks_for_is_done_a_few_times_and_only_while_its_guards_hold() {
    let (mut scene, mut said, incident) = asked_about_a_deaf_channel();
    let unproven =
        Suspicion { guards: vec![Guard::ResourceProven], ..suspicion("a", &[(RemedyAction::ReloadSecrets, true)]) };
    answer(&mut scene, incident, vec![unproven]);
    serve_deaf(&mut scene, 5, &mut said);
    assert_eq!(reloads(&said), 0, "what cannot be seen is not proven");
    let unsure = Suspicion { may_act: false, ..suspicion("b", &[(RemedyAction::ReloadSecrets, true)]) };
    answer(&mut scene, incident, vec![unsure]);
    answer(&mut scene, incident, vec![suspicion("c", &[(RemedyAction::ReloadSecrets, false)])]);
    serve_deaf(&mut scene, 1, &mut said);
    assert_eq!(reloads(&said), 0, "a demoted case and a step that asks first do nothing");
    answer(&mut scene, incident, vec![suspicion("secrets", &[(RemedyAction::ReloadSecrets, true)])]);
    serve_deaf(&mut scene, 1_200, &mut said);
    assert_eq!(reloads(&said), 3, "a few times, then never again in this incident");
}

#[test]
fn a_deaf_channel_is_started_ever_more_slowly_and_for_ever() {
    let mut scene = Scene::healthy_child();
    let mut said = Said::default();
    let began = scene.now.mono;
    let mut at = Vec::new();
    for _ in 0..4 * 3_600 {
        let before = said.actions.len();
        serve_deaf(&mut scene, 1, &mut said);
        if said.actions.len() > before {
            at.push(scene.now.mono.since(began) / 1_000);
        }
    }
    let start = Action::StartChannel { channel: "telegram".into(), account: "default".into() };
    assert!(said.actions.iter().all(|directive| directive.action == start), "no restart for a channel");
    let waits: Vec<u64> = at.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(at[0] <= 15, "{at:?}");
    assert!(
        waits.is_sorted() && waits[0] >= 29 && waits.last().is_some_and(|last| (600..620).contains(last)),
        "{waits:?}"
    );
    assert!(at.last().is_some_and(|last| *last > 4 * 3_600 - 620), "it is never given up: {at:?}");
    let deaf: Vec<&String> = said.told.iter().filter(|text| text.contains("stays deaf")).collect();
    assert_eq!(deaf.len(), 1, "a person hears of it once: {:?}", said.told);
    assert!(deaf[0].contains("401: Unauthorized"), "{deaf:?}");
    // Accepted again.
    scene.see(&Evidence::Rpc(RpcSeen::Channels { accounts: vec![account(true)] }));
    scene.run(30);
    said.take(&mut scene);
    assert_eq!(scene.last_outcome().1, clawmend_core::incident::Outcome::Recovered);
}

#[test]
fn a_channel_that_a_person_stopped_is_never_started() {
    let mut scene = Scene::healthy_child();
    let stopped = ChannelState { stopped_by_person: true, ..account(false) };
    scene.see(&Evidence::Rpc(RpcSeen::Channels { accounts: vec![stopped] }));
    scene.run(1_200);
    assert!(scene.actions().is_empty());
}

#[test]
fn a_person_is_told_at_once_what_only_a_person_can_do() {
    let (mut scene, mut said, incident) = asked_about_a_deaf_channel();
    answer(&mut scene, incident, vec![suspicion("credentials", &[(RemedyAction::Tell, false)])]);
    serve_deaf(&mut scene, 2, &mut said);
    assert_eq!(said.told, ["credentials: do this"]);
    serve_deaf(&mut scene, 600, &mut said);
    let again = said.told.iter().filter(|text| text.starts_with("credentials")).count();
    assert_eq!(again, 1, "{:?}", said.told);
}

#[test]
fn a_changed_config_is_checked_before_a_start_and_the_gateway_decides() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    let broken = ConfigValidity::Invalid { line: 3, column: 1, message: "gateway.prot is not a key".into() };
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 2, validity: broken }));
    let mut said = Said::default();
    said.take(&mut scene);
    assert!(said.told.iter().any(|text| text.contains("line 3") && text.contains("config restore")), "{:?}", said.told);
    scene.end(KILLED);
    said.take(&mut scene);
    assert_eq!(said.actions.len(), 1, "our reading is no proof");
    assert_eq!(said.actions[0].action, Action::Spawn);
    assert!(said.evidence.iter().any(|text| text.contains("would not start it: line 3")), "{:?}", said.evidence);
    let spawn = said.actions.remove(0);
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.end(Exit::Code { code: 78 });
    assert_eq!(scene.one().action, Action::RestoreConfig { rejected: 2 });
}

#[test]
fn many_starts_of_channels_do_not_make_a_case_forget_its_own_tries() {
    let (mut scene, mut said, incident) = asked_about_a_deaf_channel();
    answer(&mut scene, incident, vec![suspicion("secrets", &[(RemedyAction::ReloadSecrets, true)])]);
    let accounts = (0..40).map(|number| ChannelState { account: format!("a{number}"), ..account(false) }).collect();
    scene.see(&Evidence::Rpc(RpcSeen::Channels { accounts }));
    for _ in 0..900 {
        scene.pass(1_000);
        scene.look();
        scene.http(Endpoint::Healthz, HttpOutcome::Ok);
        let before = said.actions.len();
        said.take(&mut scene);
        for directive in &said.actions[before..] {
            scene.see(&Evidence::Result { directive: directive.id, result: ActionResult::Done });
        }
    }
    assert!(said.actions.len() > 60, "{}", said.actions.len());
    assert_eq!(reloads(&said), 3);
}

#[test]
fn a_lost_connection_heals_no_channel() {
    let mut scene = Scene::healthy_child();
    let mut said = Said::default();
    scene.see(&Evidence::Rpc(RpcSeen::Channels { accounts: vec![account(false)] }));
    scene.run(5);
    assert_eq!(scene.guardian.report().cause.map(|cause| cause.code()), Some("channel_deaf"));
    scene.see(&Evidence::Rpc(RpcSeen::Lost));
    scene.run(60);
    said.take(&mut scene);
    assert!(scene.guardian.report().incident.is_some(), "nobody has seen it well");
    scene.see(&Evidence::Rpc(RpcSeen::Channels { accounts: vec![account(true)] }));
    scene.run(30);
    assert!(scene.guardian.report().incident.is_none());
}

#[test]
fn a_call_that_needs_a_person_keeps_no_other_step_waiting() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Rpc(RpcSeen::Channels { accounts: vec![account(false)] }));
    let (_, start) = scene.until_asked(60);
    assert!(matches!(start.action, Action::StartChannel { .. }));
    let reason = "INVALID_REQUEST: no such channel".to_owned();
    scene.see(&Evidence::Result { directive: start.id, result: ActionResult::NeedsPerson { reason } });
    scene.ways = super::scene::Ways::stopped();
    let (waited, asked) = scene.watch(5_000);
    assert_eq!(asked.map(|asked| asked.action), Some(Action::Terminate { wake: true }));
    assert!(waited < 1_000, "{waited} ms");
}

#[test]
fn our_own_doubt_about_a_config_warns_and_proves_nothing() {
    let mut scene = Scene::healthy_child();
    let doubt = |fingerprint| ConfigDoubt { fingerprint, detail: "line 3, column 5: gateway.prot is not a key".into() };
    let valid = |fingerprint| Evidence::Config(ConfigSeen { fingerprint, validity: ConfigValidity::Valid });
    scene.see(&valid(1));
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(30);
    let mut said = Said::default();
    said.take(&mut scene);
    scene.see(&Evidence::ConfigDoubt(doubt(1)));
    assert!(scene.guardian.report().reasons.is_empty(), "the present life began with it, so it is accepted");
    scene.see(&valid(2));
    scene.see(&Evidence::ConfigDoubt(doubt(2)));
    said.take(&mut scene);
    assert!(said.told.iter().any(|text| text.contains("gateway.prot") && text.contains("config restore")), "{said:?}");
    scene.end(KILLED);
    said.take(&mut scene);
    assert_eq!(said.actions.pop().map(|one| one.action), Some(Action::Spawn));
    assert!(said.evidence.iter().any(|text| text.contains("would not start it: line 3")), "{:?}", said.evidence);
    scene.end(Exit::Code { code: 78 });
    // Nothing that the gateway said is about its config, and our doubt is no proof.
    scene.idle(5);
    said.take(&mut scene);
    assert!(!said.actions.iter().any(|one| matches!(one.action, Action::RestoreConfig { .. })), "{said:?}");
}

#[test]
fn old_logs_are_looked_for_ever_more_rarely_where_there_are_none() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Disk(DiskSeen { free_bytes: 0, writable: true }));
    let mut at = Vec::new();
    let began = scene.now.mono;
    for _ in 0..24 * 60 {
        for _ in 0..12 {
            scene.pass(5_000);
            scene.look();
            scene.http(Endpoint::Healthz, HttpOutcome::Ok);
        }
        scene.see(&Evidence::Disk(DiskSeen { free_bytes: 0, writable: true }));
        for directive in scene.asked() {
            assert_eq!(directive.action, Action::FreeLogs);
            at.push(scene.now.mono.since(began) / 60_000);
            let result = ActionResult::Moot { reason: "there are no old logs on that disk".into() };
            scene.see(&Evidence::Result { directive: directive.id, result });
        }
    }
    assert!((5..=9).contains(&at.len()), "{at:?}");
}

#[test]
fn the_doctor_is_not_asked_again_while_it_owes_an_answer() {
    let (mut scene, mut said, incident) = asked_about_a_deaf_channel();
    serve_deaf(&mut scene, 240, &mut said);
    assert_eq!(said.asked.len(), 1, "it has not answered");
    answer(&mut scene, incident, vec![suspicion("a", &[(RemedyAction::Tell, false)])]);
    serve_deaf(&mut scene, 2, &mut said);
    assert_eq!(said.asked.len(), 2, "it has, and the incident goes on");
    serve_deaf(&mut scene, 600, &mut said);
    assert!((3..=4).contains(&said.asked.len()), "an answer that never comes is not waited for for ever");
}
