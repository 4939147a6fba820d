#![allow(clippy::unwrap_used)]
use super::*;
use crate::doctor::ai::hidden::Hidden;
use crate::notify::letter::Part;
use clawmend_core::alert::Level;
use clawmend_core::alert::notice::Repaired;
use clawmend_core::approval::{Proposal, ProposalId, Stand};
use clawmend_core::check::Origin;
use clawmend_core::diagnosis::{Cause, RefusalReason};
use clawmend_core::directive::{Action, ActionResult, DirectiveId, IncidentId};
use clawmend_core::failover::lease::word::{self, Word};
use clawmend_core::failover::lease::{self, NodeId, Term, Why};
use clawmend_core::failover::{Episode, Obstacle, Reason, Role, Step, Telling, telling};
use clawmend_core::gateway::{GatewayId, Incarnation};
use clawmend_core::incident::{IncidentEvent, Named, Outcome, What};
use clawmend_core::time::Moment;

/// 2026-02-28 02:55:00 UTC.
const BEGAN: i64 = 1_772_247_300_000;
const CANARY: &str = "canary-0123456789abcdef";

fn writer(language: Language) -> Writer {
    Writer {
        language,
        templates: Templates::default(),
        library: Library::built_in(),
        host: "nas".into(),
        zone: TimeZone::UTC,
    }
}

fn event(after_ms: i64, what: What) -> IncidentEvent {
    IncidentEvent { incident: IncidentId(12), mono: Moment(0), wall: Wall(BEGAN + after_ms), what }
}

fn story() -> Story {
    let detail = "openclaw.json:3: gateway: Unrecognized key: \"prot\"".to_owned();
    let cause = Cause::RefusedToStart { reason: RefusalReason::Config, detail };
    let evidence = vec!["gateway: Unrecognized key: \"prot\"".to_owned(), "# not a title **not bold** ```".to_owned()];
    let named = Named {
        case: "config-unknown-key".into(),
        cause: clawmend_core::diagnosis::class::CauseCode::RefusedToStart,
        sure_percent: 97,
        evidence,
    };
    let action = Action::RestoreConfig { rejected: 7 };
    let mut story = Story::default();
    for event in [
        event(
            0,
            What::Opened { onset: Wall(BEGAN), onset_uncertainty_ms: 1_000, detected_after_ms: 0, incarnation: None },
        ),
        event(10, What::Diagnosed { cause }),
        event(20, What::Examined { causes: vec![named] }),
        event(1_000, What::Acted { directive: DirectiveId(1), action: action.clone(), reason: String::new() }),
        event(2_000, What::Result { directive: DirectiveId(1), result: ActionResult::Done }),
        event(9_000, What::Ineffective { action, reason: "it refused to start afterwards".into() }),
        event(9_100, What::Acted { directive: DirectiveId(2), action: Action::Spawn, reason: String::new() }),
    ] {
        story.note(&event);
    }
    story
}

fn around() -> Surroundings {
    let log = vec![
        "2026-02-28T02:55:00Z Gateway failed to start".to_owned(),
        format!("``` <b>@all</b> [x](http://evil) {CANARY}"),
    ];
    Surroundings { crashes: 7, log, several: false, code: "1234 5678".into() }
}

fn alert() -> Notice {
    Notice {
        key: "default/12/0badcafe".into(),
        subject: "default/12".into(),
        level: Level::Critical,
        at: Wall(BEGAN + 2_112_000),
        what: Told::Alert {
            gateway: GatewayId("default".into()),
            incident: IncidentId(12),
            reason: Some("it refuses to start: \u{202e}line 3\n# second".into()),
        },
    }
}

fn proposal() -> Proposal {
    Proposal {
        id: ProposalId(3),
        incident: IncidentId(12),
        target: Some(Incarnation { pid: 4711, start: 7, boot: "boot".into() }),
        action: Action::Terminate { wake: true },
        origin: Origin::Ladder,
        reason: "it is stopped by a signal".into(),
        until: Moment(0),
        until_wall: Wall(BEGAN + 5_700_000),
        stand: Stand::Open,
    }
}

fn shown(letter: &Letter) -> String {
    let mut text =
        format!("{:?} {:?} {} {}\n= {}\n", letter.kind, letter.level, letter.key, letter.subject_key, letter.title);
    for part in &letter.parts {
        text.push_str(&match part {
            Part::Heading(heading) => format!("== {heading}\n"),
            Part::Text(text) => format!("{text}\n"),
            Part::Fact { label, value } => format!("{label} = {value}\n"),
            Part::Item(item) => format!("* {item}\n"),
            Part::Code(lines) => lines.iter().map(|line| format!("| {line}\n")).collect(),
        });
    }
    text
}

fn mask() -> Mask {
    let mut hidden = Hidden::default();
    hidden.add(CANARY);
    hidden.mask()
}

#[test]
fn an_alert_tells_everything_that_is_needed_to_decide() {
    for (language, name) in [(Language::English, "alert_en"), (Language::Chinese, "alert_zh")] {
        let letter = writer(language).write(&alert(), &story(), &around(), &mask());
        insta::assert_snapshot!(name, shown(&letter));
        assert!(!format!("{letter:?}").contains(CANARY));
    }
}

#[test]
fn a_gateway_that_is_slow_or_heavy_is_told_quietly_in_both_languages() {
    let causes = [
        (Cause::SlowAnswers { detail: "over 5 s".into() }, "its answers take too long (over 5 s), again and again"),
        (
            Cause::MemoryHigh { detail: "over 1562 MiB, where 781 MiB is usual".into() },
            "it takes too much memory (over 1562 MiB, where 781 MiB is usual)",
        ),
    ];
    for (language, name) in [(Language::English, "thresholds_en"), (Language::Chinese, "thresholds_zh")] {
        let letters: Vec<String> = causes.iter().map(|(cause, said)| threshold(language, cause, said)).collect();
        insta::assert_snapshot!(name, letters.join("\n"));
    }
}

/// The first word on a gateway that serves and is not well.
fn threshold(language: Language, cause: &Cause, said: &str) -> String {
    let opened = What::Opened { onset: Wall(BEGAN), onset_uncertainty_ms: 0, detected_after_ms: 0, incarnation: None };
    let mut story = Story::default();
    for what in [opened, What::Diagnosed { cause: cause.clone() }, What::Serving] {
        story.note(&event(0, what));
    }
    let what =
        Told::Alert { gateway: GatewayId("default".into()), incident: IncidentId(12), reason: Some(said.into()) };
    let notice = Notice { level: Level::Warning, at: Wall(BEGAN), what, ..alert() };
    let quiet = Surroundings { crashes: 0, log: Vec::new(), several: false, code: String::new() };
    shown(&writer(language).write(&notice, &story, &quiet, &mask()))
}

#[test]
fn every_kind_of_letter_in_both_languages() {
    let gateway = GatewayId("default".into());
    let mut over = story();
    over.note(&event(4_000_000, What::Closed { outcome: Outcome::HumanFixed }));
    let repaired = Repaired {
        gateway: gateway.clone(),
        incident: IncidentId(11),
        opened: Wall(BEGAN),
        closed: Wall(BEGAN + 12_000),
        cause: "crashed".into(),
        outcome: Outcome::Recovered,
    };
    let incident = IncidentId(12);
    for language in [Language::English, Language::Chinese] {
        let writer = writer(language);
        let mut text = String::new();
        for what in [
            Told::Reminder { gateway: gateway.clone(), incident, reason: None, times: 2 },
            Told::Resolved {
                gateway: gateway.clone(),
                incident,
                outcome: Outcome::HumanFixed,
                loudest: Level::Critical,
            },
            Told::Approval { gateway: gateway.clone(), proposal: proposal() },
            Told::ManyCrashes { gateway: gateway.clone(), crashes: 6, incident },
            Told::MorningNote { repaired: vec![repaired.clone()], more: 3 },
        ] {
            let letter = writer.write(
                &Notice { what, ..alert() },
                &over,
                &Surroundings { log: Vec::new(), ..around() },
                &mask(),
            );
            text.push_str(&shown(&letter));
            text.push('\n');
        }
        let alert = writer.write(&alert(), &story(), &around(), &mask());
        text.push_str(&shown(&writer.digest("digest/1", &[&alert; 32], Wall(BEGAN), &mask())));
        text.push('\n');
        text.push_str(&shown(&writer.test("test/1", Wall(BEGAN), &mask())));
        insta::assert_snapshot!(format!("kinds_{language:?}"), text);
    }
}

/// Every word on a pair.
fn pair_words() -> Vec<(Telling, Vec<Step>)> {
    let step =
        |step: &str, worked, detail: &str| Step { step: step.into(), worked, took_ms: 16_400, detail: detail.into() };
    let well = vec![
        step("workspace", true, "brought to 01234567"),
        step("gateway", true, "healthy"),
        step("channel", true, "telegram account `default` connected"),
    ];
    let half = vec![
        step("workspace", false, &format!("not after 15 s # no title ``` {CANARY}")),
        step("gateway", true, "healthy"),
        step("channel", false, "not proven within 60 s: telegram account `default` is not connected: 401"),
    ];
    let again = vec![
        step("switch", true, "telegram switched on by the gateway itself"),
        step("gateway", true, "stopped"),
        step("gateway", true, "healthy"),
        step("secrets", true, "read again by the gateway"),
        step("channel", false, "not proven within 15 s"),
        step("channel", true, "telegram account `default` connected"),
    ];
    let failed = vec![step("gateway", false, "it does not serve after 600 s: down")];
    let back = vec![step("gateway", true, "it stands by"), step("workspace", true, "on the branch clawmend/vps")];
    let shared = || "telegram account `default` here and on the other node are the same".to_owned();
    vec![
        (Telling::TookOver { reason: Reason::Silent { misses: 3 }, held: false }, well),
        (Telling::TookOver { reason: Reason::RepairTooLong, held: false }, half),
        (Telling::TookOver { reason: Reason::Silent { misses: 3 }, held: false }, again),
        (Telling::TookOver { reason: Reason::Stopped, held: false }, Vec::new()),
        (Telling::TookOver { reason: Reason::Person, held: true }, Vec::new()),
        (Telling::SteppedBack { reason: Reason::PrimaryWell { for_ms: 60_000 } }, back),
        (Telling::NotPromoted { obstacle: Obstacle::Held }, Vec::new()),
        (Telling::NotPromoted { obstacle: Obstacle::NotApart { why: shared() } }, Vec::new()),
        (Telling::Returned, Vec::new()),
        (Telling::Unsteady { needs_ms: 120_000, takeovers: 2 }, Vec::new()),
        (Telling::NotApart { why: shared() }, Vec::new()),
        (Telling::Failed { role: Role::Watching, lost: true, again: true, asked: false }, failed.clone()),
        (Telling::Failed { role: Role::Watching, lost: false, again: false, asked: true }, failed.clone()),
        (Telling::Failed { role: Role::Watching, lost: false, again: false, asked: false }, failed),
        (Telling::Failed { role: Role::Active, lost: false, again: true, asked: false }, Vec::new()),
        (Telling::TookOver { reason: Reason::Drill, held: false }, Vec::new()),
        (Telling::NobodyAnswers { since: Wall(BEGAN + 16_000) }, Vec::new()),
        (Telling::AnswersAgain { since: Wall(BEGAN + 16_000) }, Vec::new()),
        (Telling::StandbyLost, Vec::new()),
        (Telling::StandbyBack, Vec::new()),
    ]
}

#[test]
fn every_word_on_a_pair_in_both_languages() {
    let episode = Episode { number: 3, since: Wall(BEGAN), open: true };
    for language in [Language::English, Language::Chinese] {
        let mut text = String::new();
        for (telling, steps) in pair_words() {
            let at = Wall(BEGAN + 46_000);
            let notice = telling::notice(&GatewayId("default".into()), &episode, &telling, &steps, at);
            text.push_str(&shown(&writer(language).write(
                &notice,
                &Story::default(),
                &Surroundings::default(),
                &mask(),
            )));
            text.push('\n');
        }
        assert!(!text.contains(CANARY));
        insta::assert_snapshot!(format!("pair_{language:?}"), text);
    }
}

#[test]
fn words_on_a_group_in_both_languages() {
    let node = NodeId(1);
    let nodes = std::collections::BTreeSet::from([node, NodeId(3)]);
    let both = || vec!["alpha".to_owned(), "gamma".to_owned()];
    let one = || vec!["alpha".to_owned()];
    let words = || {
        [
            (lease::Telling::Owns { term: Term(7) }, Vec::new()),
            (lease::Telling::GaveUp(Why::RanOut), Vec::new()),
            (lease::Telling::GaveUp(Why::SplitBrain), Vec::new()),
            (lease::Telling::StillRunning, Vec::new()),
            (lease::Telling::NotTurnedOff { node }, one()),
            (lease::Telling::NeedsPerson { nodes: nodes.clone() }, both()),
            (lease::Telling::Residual { nodes: nodes.clone() }, both()),
            (lease::Telling::NoDeadman, Vec::new()),
            (lease::Telling::StoreConfused { said: Term(3), known: Term(7) }, Vec::new()),
            (lease::Telling::StoreLost { owned: true }, Vec::new()),
            (lease::Telling::StoreLost { owned: false }, Vec::new()),
            (lease::Telling::StoreBack { owned: true }, Vec::new()),
            (lease::Telling::NotDisabled, Vec::new()),
        ]
    };
    for language in [Language::English, Language::Chinese] {
        let mut text = String::new();
        for (telling, machines) in words() {
            let word = Word { telling, machines };
            let notice = word::notice(&GatewayId("default".into()), (0, Term(7)), word, Wall(BEGAN)).unwrap();
            let letter = writer(language).write(&notice, &Story::default(), &Surroundings::default(), &mask());
            text.push_str(&shown(&letter));
            text.push('\n');
        }
        insta::assert_snapshot!(format!("group_{language:?}"), text);
    }
}

#[test]
fn a_template_with_an_error_is_named_and_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("alert.md", "# {{ gateway }} is in trouble\n{{ host }}: {{ headline }}\n");
    put("reminder.md", "# fine\n{{ gatway }}\n");
    put("resolved.md", "# fine\n{% for x in log %}\n");
    put("test.md", "# {% for i in range(1000000) %}{{ i }}{% endfor %}\n");
    put("digest.md", &"x".repeat(70_000));
    let (templates, problems) = Templates::with_own(folder.path());
    let said: Vec<String> = problems
        .iter()
        .map(ToString::to_string)
        .map(|text| text.replace(&folder.path().display().to_string(), ""))
        .collect();
    insta::assert_snapshot!("template_errors", said.join("\n"));
    let writer = Writer { templates, ..writer(Language::English) };
    let letter = writer.write(&alert(), &story(), &around(), &mask());
    assert_eq!((letter.title.as_str(), letter.parts.len()), ("default is in trouble", 1));
    let reminder =
        Told::Reminder { gateway: GatewayId("default".into()), incident: IncidentId(12), reason: None, times: 1 };
    let letter = writer.write(&Notice { what: reminder, ..alert() }, &story(), &around(), &mask());
    assert!(letter.title.contains("still"), "the built-in one");
}
