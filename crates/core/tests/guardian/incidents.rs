//! The record: what a person reads of an incident.

use super::scene::{KILLED, Scene, Ways};
use clawmend_core::directive::Output;
use clawmend_core::incident::What;
use clawmend_core::observation::{Exit, HttpOutcome};

/// The record of the incident as a person reads it.
fn story(out: Vec<Output>) -> Vec<String> {
    let line = |what: What| match what {
        What::Opened { .. } => "opened".to_owned(),
        What::Evidence { text } => format!("saw: {text}"),
        What::Judged { verdict } => format!("believed: {}", verdict.name()),
        What::Diagnosed { cause } => format!("cause: {}", cause.code()),
        What::Acted { action, .. } => format!("did: {}", action.name()),
        What::Closed { outcome } => format!("over: {outcome:?}"),
        What::Started { .. } => "started".to_owned(),
        What::Serving => "serving".to_owned(),
        other => format!("{other:?}"),
    };
    let recorded = |output| if let Output::Record(event) = output { Some(line(event.what)) } else { None };
    out.into_iter().filter_map(recorded).collect()
}

#[test]
fn an_incident_reads_as_what_was_seen_believed_done_and_how_it_ended() {
    let mut scene = Scene::healthy_child();
    scene.out.clear();
    scene.ways = Ways::spinning();
    scene.run(40);
    let kill =
        scene.out.iter().find_map(|output| if let Output::Do(kill) = output { Some(kill.clone()) } else { None });
    scene.done(kill.as_ref().unwrap());
    scene.end(KILLED);
    let spawn =
        scene.out.iter().rev().find_map(|output| if let Output::Do(it) = output { Some(it.clone()) } else { None });
    scene.ways = Ways::well();
    scene.appear(spawn.as_ref());
    scene.run(20);
    let story = story(std::mem::take(&mut scene.out)).join("\n");
    let (kill, spawn) = (kill.unwrap().id, spawn.unwrap().id);
    let expected = format!(
        "opened\nbelieved: suspect\nbelieved: down\n\
         saw: no good answer for 30.0 s; its main thread is running; 29 s of CPU used since its start\n\
         cause: spinning\ndid: kill\nResult {{ directive: {kill:?}, result: Done }}\n\
         did: spawn\nResult {{ directive: {spawn:?}, result: Done }}\n\
         started\nbelieved: starting\nserving\nbelieved: healthy\nover: Recovered"
    );
    assert_eq!(story, expected, "{story}");
}

#[test]
fn a_gateway_that_flaps_for_hours_does_not_fill_its_record() {
    let mut scene = Scene::healthy_child();
    scene.out.clear();
    for _ in 0..300 {
        scene.ways = Ways { answer: HttpOutcome::TimedOut, ..Ways::well() };
        scene.run(4);
        scene.ways = Ways::well();
        scene.run(2);
    }
    let lines = story(std::mem::take(&mut scene.out));
    let remarks = lines.iter().filter(|line| line.starts_with("saw: ") || line.starts_with("believed: ")).count();
    assert!((20..=40).contains(&remarks), "{remarks}");
}

#[test]
fn a_remedy_that_did_not_help_is_recorded_as_such_and_a_person_hears_after_half_an_hour() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::unlistened(2);
    let (_, directive) = scene.until_asked(60);
    scene.done(&directive);
    scene.end(Exit::Code { code: 0 });
    let mut records = Vec::new();
    // Every new life dies at once, for forty minutes.
    for _ in 0..2_400 {
        let outputs = std::mem::take(&mut scene.out);
        for output in outputs {
            match output {
                Output::Do(directive) if directive.action.is_start() => {
                    scene.done(&directive);
                    scene.appear(Some(&directive));
                    scene.pass(50);
                    scene.end(Exit::Code { code: 1 });
                }
                Output::Do(directive) => scene.done(&directive),
                Output::Record(event) => records.push(event.what),
                Output::Remember(_)
                | Output::Persist
                | Output::Changed
                | Output::Examine(_)
                | Output::Consult(_)
                | Output::Learned(_)
                | Output::CounselHelped(_) => {}
            }
        }
        scene.idle(1);
    }
    assert!(records.iter().any(|what| matches!(what, What::Ineffective { .. })), "{records:?}");
    let told = records.iter().filter(|what| matches!(what, What::Escalated { .. })).count();
    assert_eq!(told, 1, "a person hears of it, once");
}
