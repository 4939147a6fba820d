use crate::battery::{Battery, alert, channel, deliver, not_taken};
use clawmend::notify::{Kind, Letter, NotDelivered, Receipt};
use clawmend_core::alert::Level;
use clawmend_testkit::alerts::{Mode, ntfy};
use std::time::Duration;

fn settings(api: &str, login: &str) -> String {
    format!("kind = 'ntfy'\ntopic = '{}'\napi = '{api}'\n{login}", ntfy::TOPIC)
}

#[tokio::test(flavor = "current_thread")]
async fn it_is_delivered_or_said_why_not() {
    let service = ntfy::start().unwrap();
    let channel = channel(&settings(&service.url(), &format!("token = '{}'", ntfy::TOKEN)));
    let battery = Battery {
        channel: &channel,
        service: &service,
        hint: "token",
        wait: Duration::from_secs(7),
        status_decides: true,
    };
    battery.run().await;
}

#[tokio::test(flavor = "current_thread")]
async fn an_alert_reads_well_and_is_as_loud_as_its_level() {
    let service = ntfy::start().unwrap();
    let channel = channel(&settings(&service.url(), "user = 'phil'\npassword = 'canary-pass'"));
    assert_eq!(deliver(&channel, &alert()).await.unwrap(), Receipt("hwQ2YpKdmg".to_owned()));
    let mut message = service.accepted()[0].clone();
    message["topic"] = "…".into();
    insta::assert_json_snapshot!("ntfy_alert", message);
    for (kind, level, priority) in [
        (Kind::Alert, Level::Critical, 5),
        (Kind::Alert, Level::Warning, 3),
        (Kind::Digest, Level::Info, 2),
        (Kind::Resolved, Level::Info, 3),
    ] {
        deliver(&channel, &Letter { kind, level, ..alert() }).await.unwrap();
        assert_eq!(service.accepted().last().unwrap()["priority"], priority, "{kind:?} {level:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn errors_of_its_own_are_told_apart() {
    let service = ntfy::start().unwrap();
    let nobody = channel(&settings(&service.url(), ""));
    assert!(matches!(deliver(&nobody, &alert()).await, Err(NotDelivered::NeedsPerson { .. })));
    let elsewhere = channel(&settings(&format!("{}/{}", service.url(), "path"), "token = 'tk_canary'"));
    match deliver(&elsewhere, &alert()).await {
        Err(NotDelivered::NeedsPerson { hint, .. }) => assert!(hint.contains("without the topic"), "{hint}"),
        other => panic!("{other:?}"),
    }
    service.set_mode(Mode::Error("40010".to_owned()));
    assert!(matches!(deliver(&nobody, &alert()).await, Err(NotDelivered::NeedsPerson { .. })));
    service.set_mode(Mode::Error("40017".to_owned()));
    assert!(matches!(deliver(&nobody, &alert()).await, Err(NotDelivered::Refused { .. })));
}

#[test]
fn settings_are_checked() {
    for (text, expected) in [
        ("topic = 'canary/../x'", "expected a topic"),
        ("topic = 't'\ntoken = 'canary'\nuser = 'a'\npassword = 'canary'", "either `token`"),
        ("topic = 't'\nuser = 'a'", "either `token`"),
        ("topic = 't'\nserver = 'x'", "unknown field"),
    ] {
        let error = not_taken(&format!("kind = 'ntfy'\n{text}"));
        assert!(error.contains(expected) && !error.contains("canary"), "{text}: {error}");
    }
}
