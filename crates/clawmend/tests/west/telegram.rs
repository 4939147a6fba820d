use crate::battery::{self, Battery, alert, channel, deliver};
use clawmend::notify::{Kind, Letter, NotDelivered, Receipt};
use clawmend_core::alert::Level;
use clawmend_testkit::alerts::{Mode, telegram};
use serde_json::json;
use std::time::Duration;

fn settings(api: &str, token: &str) -> String {
    format!("kind = 'telegram'\nbot_token = '{token}'\nto = '{}'\napi = '{api}'", telegram::CHAT)
}

#[tokio::test(flavor = "current_thread")]
async fn it_is_delivered_or_said_why_not() {
    let service = telegram::start().unwrap();
    let channel = channel(&settings(&service.url(), telegram::TOKEN));
    let battery = Battery {
        channel: &channel,
        service: &service,
        hint: "@BotFather",
        wait: Duration::from_secs(7),
        status_decides: true,
    };
    battery.run().await;
    assert!(
        service.requests().iter().all(|request| request.path.ends_with("/sendMessage")),
        "no other method is called: the bot is OpenClaw's"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn an_alert_reads_well() {
    let service = telegram::start().unwrap();
    let channel = channel(&settings(&service.url(), telegram::TOKEN));
    let receipt = deliver(&channel, &alert()).await.unwrap();
    assert_eq!(receipt, Receipt("1".to_owned()));
    let message = &service.accepted()[0];
    insta::assert_snapshot!("telegram_alert", message["text"].as_str().unwrap());
    assert_eq!(message["link_preview_options"], json!({"is_disabled": true}));
    assert_eq!(message["disable_notification"], json!(false));
}

#[tokio::test(flavor = "current_thread")]
async fn its_end_answers_it() {
    let service = telegram::start().unwrap();
    let channel = channel(&settings(&service.url(), telegram::TOKEN));
    let first = deliver(&channel, &alert()).await.unwrap();
    let end = Letter { kind: Kind::Resolved, level: Level::Info, answers: Some(first), ..alert() };
    deliver(&channel, &end).await.unwrap();
    let sent = &service.accepted()[1];
    assert_eq!(sent["reply_parameters"], json!({"message_id": 1, "allow_sending_without_reply": true}));
    assert!(sent["text"].as_str().unwrap().starts_with("<b>✅ "), "{sent}");
}

#[tokio::test(flavor = "current_thread")]
async fn errors_of_its_own_are_told_apart() {
    let service = telegram::start().unwrap();
    let fine = channel(&settings(&service.url(), telegram::TOKEN));
    for (words, expected) in [
        ("Bad Request: chat not found", "pressed Start"),
        ("Forbidden: bot was blocked by the user", "unblock"),
        ("Forbidden: bot was kicked from the group chat", "into the group"),
    ] {
        service.set_mode(Mode::Error(words.to_owned()));
        match deliver(&fine, &alert()).await {
            Err(NotDelivered::NeedsPerson { hint, .. }) => assert!(hint.contains(expected), "{words}: {hint}"),
            other => panic!("{words}: {other:?}"),
        }
    }
    service.set_mode(Mode::Error("Bad Request: can't parse entities".to_owned()));
    assert!(matches!(deliver(&fine, &alert()).await, Err(NotDelivered::Refused { .. })));
    service.set_mode(Mode::Contract);
    let wrong = channel(&settings(&service.url(), "4242:canary-of-another"));
    assert!(matches!(deliver(&wrong, &alert()).await, Err(NotDelivered::NeedsPerson { .. })));
}

#[tokio::test(flavor = "current_thread")]
async fn an_error_inside_a_200_is_one() {
    use clawmend_testkit::alerts::telegram::SERVICE;
    use clawmend_testkit::alerts::{StandIn, Verdict};
    let body = json!({"ok": false, "error_code": 401, "description": "Unauthorized"});
    let service = StandIn::start_as(SERVICE, &[], move |_, _| Verdict::json(200, &body)).unwrap();
    let channel = channel(&settings(&service.url(), telegram::TOKEN));
    assert!(matches!(deliver(&channel, &alert()).await, Err(NotDelivered::NeedsPerson { .. })));
    let service =
        StandIn::start_as(SERVICE, &[], |_, _| Verdict::text(200, "<html>please log in to the wifi</html>")).unwrap();
    let channel = battery::channel(&settings(&service.url(), telegram::TOKEN));
    assert!(matches!(deliver(&channel, &alert()).await, Err(NotDelivered::NeedsPerson { .. })));
}
