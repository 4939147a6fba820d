use crate::battery::{Battery, alert, channel, deliver, not_taken};
use clawmend::notify::{Kind, Letter, NotDelivered};
use clawmend_core::alert::Level;
use clawmend_testkit::alerts::{Mode, StandIn, pagerduty};
use std::time::Duration;

fn settings(service: &StandIn) -> String {
    format!("kind = 'pagerduty'\nrouting_key = '{}'\napi = '{}'", pagerduty::KEY, service.url())
}

#[tokio::test(flavor = "current_thread")]
async fn it_is_delivered_or_said_why_not() {
    let service = pagerduty::start().unwrap();
    let channel = channel(&settings(&service));
    let battery = Battery {
        channel: &channel,
        service: &service,
        hint: "Events API v2",
        // It does not say for how long: a few minutes.
        wait: Duration::from_secs(120),
        status_decides: true,
    };
    battery.run().await;
}

#[tokio::test(flavor = "current_thread")]
async fn an_alert_its_reminder_and_its_end_are_one_incident() {
    let service = pagerduty::start().unwrap();
    let channel = channel(&settings(&service));
    for kind in [Kind::Alert, Kind::Reminder, Kind::Resolved, Kind::MorningNote] {
        deliver(&channel, &Letter { kind, ..alert() }).await.unwrap();
    }
    let events = service.accepted();
    let mut first = events[0].clone();
    first["routing_key"] = "…".into();
    insta::assert_json_snapshot!("pagerduty_alert", first);
    let actions: Vec<&str> = events.iter().filter_map(|event| event["event_action"].as_str()).collect();
    assert_eq!(actions, ["trigger", "trigger", "resolve"]);
    assert!(events[..3].iter().all(|event| event["dedup_key"] == "incident-7"));
    assert_eq!(service.requests()[3].path, "/v2/change/enqueue", "nobody is called for a morning note");
}

#[tokio::test(flavor = "current_thread")]
async fn levels_are_its_severities() {
    let service = pagerduty::start().unwrap();
    let channel = channel(&settings(&service));
    for level in [Level::Info, Level::Warning, Level::Error, Level::Critical] {
        deliver(&channel, &Letter { level, ..alert() }).await.unwrap();
        assert_eq!(service.accepted().last().unwrap()["payload"]["severity"], level.name());
    }
}

#[tokio::test(flavor = "current_thread")]
async fn an_event_that_it_does_not_take_is_a_fault_of_ours() {
    let service = pagerduty::start().unwrap();
    let channel = channel(&settings(&service));
    service.set_mode(Mode::Error("'payload.summary' is missing or too long".to_owned()));
    assert!(matches!(deliver(&channel, &alert()).await, Err(NotDelivered::Refused { .. })));
}

#[test]
fn settings_are_checked() {
    let error = not_taken("kind = 'pagerduty'\nrouting_key = 'canary'");
    assert!(error.contains("32 letters") && !error.contains("canary"), "{error}");
}
