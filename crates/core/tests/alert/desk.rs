//! From the events of incidents to notices.

use clawmend_core::alert::Level;
use clawmend_core::alert::desk::{Clock, Desk};
use clawmend_core::alert::notice::{Notice, Told};
use clawmend_core::alert::policy::{AlertPolicy, Minute, Quiet};
use clawmend_core::diagnosis::{Cause, RefusalReason};
use clawmend_core::directive::IncidentId;
use clawmend_core::gateway::GatewayId;
use clawmend_core::health::Verdict;
use clawmend_core::incident::{IncidentEvent, Outcome, What};
use clawmend_core::time::{Moment, Wall};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

/// Minutes since a local midnight.
fn clock(minutes: i64) -> Clock {
    let of_day = minutes.rem_euclid(1_440);
    let minute = Minute::new(u16::try_from(of_day / 60).unwrap(), u16::try_from(of_day % 60).unwrap()).unwrap();
    Clock { wall: Wall(minutes * MINUTE), minute, day: minutes.div_euclid(1_440) }
}

fn gateway() -> GatewayId {
    GatewayId("default".into())
}

fn event(incident: u64, minutes: i64, what: What) -> IncidentEvent {
    IncidentEvent { incident: IncidentId(incident), mono: Moment(0), wall: Wall(minutes * MINUTE), what }
}

fn opened(incident: u64, minutes: i64) -> IncidentEvent {
    let what = What::Opened {
        onset: Wall(minutes * MINUTE),
        onset_uncertainty_ms: 0,
        detected_after_ms: 0,
        incarnation: None,
    };
    event(incident, minutes, what)
}

fn crashed() -> What {
    What::Diagnosed { cause: Cause::Crashed { how: "signal 9".into() } }
}

fn refused() -> What {
    What::Diagnosed { cause: Cause::RefusedToStart { reason: RefusalReason::Config, detail: String::new() } }
}

fn told(reason: &str) -> What {
    What::Escalated { reason: reason.into() }
}

fn closed(outcome: Outcome) -> What {
    What::Closed { outcome }
}

#[derive(Default)]
struct Scene {
    desk: Desk,
    policy: AlertPolicy,
    said: Vec<Notice>,
}

impl Scene {
    fn see(&mut self, event: &IncidentEvent) -> Vec<Notice> {
        let mut out = Vec::new();
        let at = clock(event.wall.0 / MINUTE);
        self.desk.observe(at, &self.policy, &gateway(), event, &mut out);
        self.said.extend(out.clone());
        out
    }

    fn poll(&mut self, minutes: i64) -> Vec<Notice> {
        let mut out = Vec::new();
        self.desk.poll(clock(minutes), &self.policy, &mut out);
        self.said.extend(out.clone());
        out
    }
}

#[test]
fn a_repair_that_worked_disturbs_nobody_and_is_in_the_morning_note() {
    let mut scene = Scene::default();
    for event in [opened(1, 200), event(1, 200, crashed()), event(1, 201, closed(Outcome::Recovered))] {
        assert_eq!(scene.see(&event), []);
    }
    assert_eq!(scene.poll(509), []);
    let note = scene.poll(510);
    let [Notice { what: Told::MorningNote { repaired, more: 0 }, level: Level::Info, .. }] = &*note else {
        panic!("{note:?}")
    };
    assert_eq!((repaired.len(), repaired[0].incident, &*repaired[0].cause), (1, IncidentId(1), "crashed"));
    assert_eq!(scene.poll(511), [], "once a day");
    assert_eq!(scene.poll(510 + 1_440), [], "nothing was mended since");
}

#[test]
fn what_only_a_person_can_end_is_told_once_and_so_is_its_end() {
    let mut scene = Scene::default();
    scene.see(&opened(1, 600));
    scene.see(&event(1, 600, refused()));
    let first = scene.see(&event(1, 600, told("it refuses to start: line 3")));
    let [Notice { level: Level::Critical, what: Told::Alert { reason: Some(reason), .. }, key, subject, .. }] = &*first
    else {
        panic!("{first:?}")
    };
    assert_eq!((&**reason, &**subject), ("it refuses to start: line 3", "default/1"));
    assert!(key.starts_with("default/1/") && key.is_ascii());
    assert_eq!(scene.see(&event(1, 601, told("it refuses to start: line 3"))), [], "the same again");
    assert_eq!(scene.see(&event(1, 601, told("it refuses to start: line 4"))), [], "only a figure differs");
    let over = scene.see(&event(1, 660, closed(Outcome::HumanFixed)));
    assert!(matches!(&*over, [Notice { what: Told::Resolved { outcome: Outcome::HumanFixed, .. }, subject, .. }]
        if subject == "default/1"));
    assert_eq!(scene.poll(510 + 1_440), [], "who was told of it needs no note");
}

#[test]
fn a_guard_that_reads_the_record_again_says_nothing_twice() {
    let events = [
        opened(7, 600),
        event(7, 600, refused()),
        event(7, 600, told("it refuses to start")),
        event(7, 640, closed(Outcome::HumanFixed)),
        opened(8, 700),
        event(8, 700, refused()),
        event(8, 700, told("it refuses to start")),
    ];
    let mut scene = Scene::default();
    for event in &events {
        scene.see(event);
    }
    let before = scene.said.len();
    let saved = serde_json::to_string(&scene.desk).unwrap();
    scene.desk = serde_json::from_str(&saved).unwrap();
    for event in &events {
        assert_eq!(scene.see(event), [], "{event:?}");
    }
    assert_eq!(scene.said.len(), before);
    // A guard that lost what it knew decides on the very same keys, so the outbox knows them.
    let keys = |said: &[Notice]| said.iter().map(|notice| notice.key.clone()).collect::<Vec<_>>();
    let mut again = Scene::default();
    for event in &events {
        again.see(event);
    }
    assert_eq!(keys(&again.said), keys(&scene.said));
}

#[test]
fn an_old_record_is_not_told_when_alerts_are_first_switched_on() {
    let mut scene = Scene::default();
    scene.desk.begin(&gateway(), IncidentId(7));
    assert_eq!(scene.see(&event(7, 600, told("it refuses to start"))), []);
    assert_eq!(scene.see(&event(8, 600, told("it refuses to start"))).len(), 1);
}

#[test]
fn quiet_hours_hold_back_what_is_not_critical() {
    let at = |hour, minute| Minute::new(hour, minute).unwrap();
    let quiet = Quiet { from: at(23, 0), to: at(7, 0), broken_by: Level::Critical };
    let policy = AlertPolicy { quiet: Some(quiet), ..AlertPolicy::default() };
    let mut scene = Scene { policy, ..Scene::default() };
    let serving = What::Judged { verdict: Verdict::Degraded };
    // Deaf at one in the morning, still deaf at seven.
    scene.see(&opened(1, 60));
    scene.see(&event(1, 60, serving.clone()));
    assert_eq!(scene.see(&event(1, 61, told("telegram stays deaf"))), []);
    assert_eq!(scene.poll(62), []);
    assert_eq!(scene.desk.due_in_ms(clock(62), &scene.policy), Some(358 * 60_000));
    let woken = scene.poll(420);
    assert!(matches!(&*woken, [Notice { level: Level::Warning, what: Told::Alert { .. }, .. }]), "{woken:?}");
    scene.see(&event(1, 430, closed(Outcome::HumanFixed)));
    // Deaf at one in the next morning, over at two: not a word but the note.
    let night = 1_440;
    scene.see(&opened(2, night + 60));
    scene.see(&event(2, night + 60, serving));
    scene.see(&event(2, night + 61, told("telegram stays deaf")));
    assert_eq!(scene.see(&event(2, night + 120, closed(Outcome::Recovered))), []);
    assert_eq!(scene.poll(night + 420), []);
    let note = scene.poll(night + 510);
    assert!(matches!(&*note, [Notice { what: Told::MorningNote { repaired, .. }, .. }] if repaired.len() == 1));
    // Down, and only a person can help: that wakes.
    scene.see(&opened(3, 2 * night + 60));
    assert_eq!(scene.see(&event(3, 2 * night + 60, told("it refuses to start"))).len(), 1);
}

#[test]
fn an_open_incident_is_told_again_ever_more_rarely() {
    let mut scene = Scene::default();
    scene.see(&opened(1, 0));
    scene.see(&event(1, 0, told("it refuses to start")));
    let mut at = Vec::new();
    for minutes in 0..(6 * 1_440) {
        at.extend(
            scene
                .poll(minutes)
                .iter()
                .filter(|notice| matches!(notice.what, Told::Reminder { .. }))
                .map(|_| minutes / 60),
        );
    }
    assert_eq!(at, [4, 12, 28, 52, 76, 100, 124]);
    let keys: std::collections::BTreeSet<_> = scene.said.iter().map(|notice| notice.key.clone()).collect();
    assert_eq!(keys.len(), scene.said.len(), "each has a key of its own");
}

#[test]
fn ends_that_were_all_mended_are_told_when_they_are_too_many() {
    let mut scene = Scene::default();
    for number in 1..=12 {
        let minutes = 600 + i64::try_from(number).unwrap() * 5;
        scene.see(&opened(number, minutes));
        scene.see(&event(number, minutes, crashed()));
        scene.see(&event(number, minutes + 1, closed(Outcome::Recovered)));
    }
    let many: Vec<_> = scene.said.iter().map(|notice| (notice.level, &notice.what)).collect();
    assert!(
        matches!(&*many, [(Level::Error, Told::ManyCrashes { crashes: 6, incident: IncidentId(6), .. })]),
        "{many:?}"
    );
    assert_eq!(scene.desk.crashes(&gateway(), Wall(660 * MINUTE)), 3, "in 600 s");
}

#[test]
fn every_incident_is_told_to_those_who_want_that() {
    let policy = AlertPolicy { escalation_only: false, ..AlertPolicy::default() };
    let mut scene = Scene { policy, ..Scene::default() };
    scene.see(&opened(1, 600));
    let first = scene.see(&event(1, 600, crashed()));
    assert!(matches!(&*first, [Notice { level: Level::Error, what: Told::Alert { reason: None, .. }, .. }]));
    assert_eq!(scene.see(&event(1, 601, refused())), [], "a better name of the cause is no other alert");
    assert_eq!(scene.see(&event(1, 602, closed(Outcome::Recovered))).len(), 1);
}

proptest! {
    /// Whatever comes, in whatever order and how often: keys are never repeated, state stays bounded.
    #[test]
    fn nothing_is_said_twice(steps in proptest::collection::vec((1_u64..6, 0_i64..4_000, 0_u8..6, 0_u8..4), 1..200)) {
        let at = |hour| Minute::new(hour, 0).unwrap();
        let quiet = Quiet { from: at(22), to: at(6), broken_by: Level::Critical };
        let policy = AlertPolicy { quiet: Some(quiet), escalation_only: false, ..AlertPolicy::default() };
        let mut scene = Scene { policy, ..Scene::default() };
        for (incident, minutes, kind, word) in steps {
            match kind {
                0 => drop(scene.see(&opened(incident, minutes))),
                1 => drop(scene.see(&event(incident, minutes, crashed()))),
                2 => drop(scene.see(&event(incident, minutes, told(["a", "b", "c", "d"][usize::from(word)])))),
                3 => drop(scene.see(&event(incident, minutes, closed(Outcome::Recovered)))),
                4 => drop(scene.see(&event(incident, minutes, What::Serving))),
                _ => drop(scene.poll(minutes)),
            }
        }
        let mut keys = std::collections::BTreeSet::new();
        for notice in &scene.said {
            prop_assert!(keys.insert(notice.key.clone()), "{} twice", notice.key);
            prop_assert!(notice.key.len() <= 96 && notice.key.is_ascii());
        }
    }
}
