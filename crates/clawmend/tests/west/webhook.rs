use crate::battery::{Battery, NOW, alert, channel, deliver};
use clawmend::notify::NotDelivered;
use clawmend_core::time::Wall;
use clawmend_testkit::alerts::{Mode, webhook};
use std::time::Duration;

fn settings(url: &str, more: &str) -> String {
    let (name, value) = webhook::HEADER;
    format!(
        "kind = 'webhook'\nurl = '{url}/canary'\nsecret = '{}'\n{more}\n[headers]\n{name} = '{value}'",
        webhook::SECRET
    )
}

#[tokio::test(flavor = "current_thread")]
async fn it_is_delivered_or_said_why_not() {
    let service = webhook::start(NOW.0 / 1000).unwrap();
    let channel = channel(&settings(&service.url(), ""));
    let battery = Battery {
        channel: &channel,
        service: &service,
        hint: "credential",
        wait: Duration::from_secs(7),
        status_decides: true,
    };
    battery.run().await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_document_is_stable() {
    let service = webhook::start(NOW.0 / 1000).unwrap();
    deliver(&channel(&settings(&service.url(), "")), &alert()).await.unwrap();
    insta::assert_json_snapshot!("webhook_alert", service.accepted()[0]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_template_makes_its_own_document_and_no_text_breaks_out() {
    let service = webhook::start(NOW.0 / 1000).unwrap();
    let template = "template = '''{\"summary\": {{ title }}, \"log\": [{% for part in parts if part.kind == \"code\" %}\
                    {{ part.lines }}{% if not loop.last %},{% endif %}{% endfor %}]}'''";
    deliver(&channel(&settings(&service.url(), template)), &alert()).await.unwrap();
    let body = &service.accepted()[0]["body"];
    assert_eq!(body["summary"], "OpenClaw <default> is down: config refused");
    assert!(body["log"][0][4].as_str().unwrap().contains("{{ 7 * 7 }}"), "a text is no template: {body}");
}

#[tokio::test(flavor = "current_thread")]
async fn an_attempt_is_signed_at_its_own_time_and_keeps_its_id() {
    let service = webhook::start(NOW.0 / 1000).unwrap();
    let channel = channel(&settings(&service.url(), ""));
    let http = crate::battery::http();
    let late = Wall(NOW.0 + 299_000);
    for now in [NOW, late] {
        channel.deliver(&alert(), &http, now).await.unwrap();
    }
    let requests = service.requests();
    assert_eq!(requests[0].header("webhook-id"), Some("incident-7/alert_1"));
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    assert_ne!(requests[0].header("webhook-signature"), requests[1].header("webhook-signature"));
    // A clock that is an hour wrong is refused there, and said here.
    let wrong = channel.deliver(&alert(), &http, Wall(NOW.0 + 3_600_000)).await;
    assert!(matches!(wrong, Err(NotDelivered::NeedsPerson { .. })), "{wrong:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn statuses_are_told_apart() {
    let service = webhook::start(NOW.0 / 1000).unwrap();
    let channel = channel(&settings(&service.url(), ""));
    for (status, person) in [("410", true), ("404", true), ("400", false), ("422", false)] {
        service.set_mode(Mode::Error(status.to_owned()));
        let error = deliver(&channel, &alert()).await.unwrap_err();
        assert_eq!(matches!(error, NotDelivered::NeedsPerson { .. }), person, "{status}: {error:?}");
        assert_eq!(matches!(error, NotDelivered::Refused { .. }), !person, "{status}: {error:?}");
    }
}
