use crate::battery::{Battery, alert, channel, deliver, not_taken};
use clawmend::notify::{Kind, Letter, NotDelivered, Receipt};
use clawmend_testkit::alerts::{Mode, StandIn, discord};
use serde_json::json;
use std::time::Duration;

fn hook(service: &StandIn) -> String {
    format!("kind = 'discord_webhook'\nurl = '{}{}?thread_id=9'", service.url(), discord::HOOK)
}

fn bot(service: &StandIn, to: &str) -> String {
    format!("kind = 'discord_bot'\ntoken = '{}'\nto = '{to}'\napi = '{}'", discord::TOKEN, service.url())
}

#[tokio::test(flavor = "current_thread")]
async fn through_a_webhook_it_is_delivered_or_said_why_not() {
    let service = discord::start().unwrap();
    let channel = channel(&hook(&service));
    let battery = Battery {
        channel: &channel,
        service: &service,
        hint: "make a new one",
        wait: Duration::from_millis(6_500),
        status_decides: true,
    };
    battery.run().await;
    assert!(service.requests().iter().all(|request| request.query == "thread_id=9&wait=true"));
}

#[tokio::test(flavor = "current_thread")]
async fn through_a_bot_it_is_delivered_or_said_why_not() {
    let service = discord::start().unwrap();
    let channel = channel(&bot(&service, &format!("channel:{}", discord::CHANNEL)));
    let battery = Battery {
        channel: &channel,
        service: &service,
        hint: "developer portal",
        wait: Duration::from_millis(6_500),
        status_decides: true,
    };
    battery.run().await;
}

#[tokio::test(flavor = "current_thread")]
async fn an_alert_reads_well() {
    let service = discord::start().unwrap();
    deliver(&channel(&hook(&service)), &alert()).await.unwrap();
    insta::assert_json_snapshot!("discord_alert", service.accepted()[0]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_person_gets_it_once_and_its_end_as_a_reply() {
    let service = discord::start().unwrap();
    let channel = channel(&bot(&service, discord::PERSON.0));
    let first = deliver(&channel, &alert()).await.unwrap();
    assert_eq!(first, Receipt("515151/1".to_owned()));
    assert_eq!(deliver(&channel, &alert()).await.unwrap(), first, "a repeat is the same message");
    assert_eq!(service.accepted().len(), 1);
    let end = Letter { key: "end".to_owned(), kind: Kind::Resolved, answers: Some(first), ..alert() };
    deliver(&channel, &end).await.unwrap();
    let sent = &service.accepted()[1];
    assert_eq!(sent["message_reference"], json!({"message_id": "1", "fail_if_not_exists": false}));
}

#[tokio::test(flavor = "current_thread")]
async fn while_the_conversation_is_opened_nothing_can_have_arrived() {
    let service = discord::start().unwrap();
    let channel = channel(&bot(&service, discord::PERSON.0));
    for mode in [Mode::HangUp, Mode::CutOff] {
        service.set_mode(mode.clone());
        let error = deliver(&channel, &alert()).await.unwrap_err();
        assert!(matches!(error, NotDelivered::Retry { .. }), "{mode:?}: {error:?}");
    }
    assert_eq!(service.accepted().len(), 0);
}

#[tokio::test(flavor = "current_thread")]
async fn codes_are_told_apart() {
    let service = discord::start().unwrap();
    let channel = channel(&bot(&service, discord::PERSON.0));
    for (code, expected) in [("50007", "share a server"), ("10003", "check `to`")] {
        service.set_mode(Mode::Error(code.to_owned()));
        match deliver(&channel, &alert()).await {
            Err(NotDelivered::NeedsPerson { hint, .. }) => assert!(hint.contains(expected), "{code}: {hint}"),
            other => panic!("{code}: {other:?}"),
        }
    }
    service.set_mode(Mode::Error("50035".to_owned()));
    assert!(matches!(deliver(&channel, &alert()).await, Err(NotDelivered::Refused { .. })));
}

#[test]
fn settings_are_checked() {
    for (text, expected) in [
        ("kind = 'discord_webhook'\nurl = 'https://discord.com/api/webhooks/1/canary/slack'", "webhook's address"),
        ("kind = 'discord_webhook'\nurl = 'https://discord.com/canary'", "webhook's address"),
        ("kind = 'discord_bot'\ntoken = 'canary'\nto = 'me'", "the number of a person"),
        ("kind = 'discord_bot'\ntoken = 'can ary'\nto = '1'", "bot's token"),
    ] {
        let error = not_taken(text);
        assert!(error.contains(expected) && !error.contains("canary"), "{text}: {error}");
    }
}
