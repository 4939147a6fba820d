use crate::battery::{Battery, alert, channel, deliver, not_taken};
use clawmend::notify::{Kind, Letter, NotDelivered, Part, Receipt};
use clawmend_testkit::alerts::{Mode, StandIn, slack};
use serde_json::json;
use std::time::Duration;

fn hook(service: &StandIn) -> String {
    format!("kind = 'slack_webhook'\nurl = '{}{}'", service.url(), slack::HOOK)
}

fn bot(service: &StandIn, to: &str) -> String {
    format!("kind = 'slack_bot'\nbot_token = '{}'\nto = '{to}'\napi = '{}'", slack::TOKEN, service.url())
}

#[tokio::test(flavor = "current_thread")]
async fn through_a_webhook_it_is_delivered_or_said_why_not() {
    let service = slack::start().unwrap();
    let channel = channel(&hook(&service));
    let battery = Battery {
        channel: &channel,
        service: &service,
        hint: "install",
        wait: Duration::from_secs(7),
        status_decides: true,
    };
    battery.run().await;
}

#[tokio::test(flavor = "current_thread")]
async fn through_a_bot_it_is_delivered_or_said_why_not() {
    let service = slack::start().unwrap();
    let channel = channel(&bot(&service, slack::CHANNEL));
    let battery = Battery {
        channel: &channel,
        service: &service,
        hint: "install",
        wait: Duration::from_secs(7),
        status_decides: false,
    };
    battery.run().await;
}

#[tokio::test(flavor = "current_thread")]
async fn an_alert_reads_well() {
    let service = slack::start().unwrap();
    deliver(&channel(&hook(&service)), &alert()).await.unwrap();
    insta::assert_json_snapshot!("slack_alert", service.accepted()[0]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_person_gets_it_in_a_conversation_and_its_end_in_the_thread() {
    let service = slack::start().unwrap();
    let channel = channel(&bot(&service, slack::PERSON.0));
    let first = deliver(&channel, &alert()).await.unwrap();
    assert_eq!(first, Receipt("D0PERSON/1503435956.000001".to_owned()));
    let end = Letter { kind: Kind::Resolved, answers: Some(first), ..alert() };
    deliver(&channel, &end).await.unwrap();
    let sent = &service.accepted()[1];
    assert_eq!((&sent["channel"], &sent["thread_ts"]), (&json!("D0PERSON"), &json!("1503435956.000001")));
    assert_eq!(sent["reply_broadcast"], json!(true));
}

#[tokio::test(flavor = "current_thread")]
async fn while_the_conversation_is_opened_nothing_can_have_arrived() {
    let service = slack::start().unwrap();
    let channel = channel(&bot(&service, slack::PERSON.0));
    for mode in [Mode::HangUp, Mode::CutOff] {
        service.set_mode(mode.clone());
        let error = deliver(&channel, &alert()).await.unwrap_err();
        assert!(matches!(error, NotDelivered::Retry { .. }), "{mode:?}: {error:?}");
    }
    assert_eq!(service.accepted().len(), 0);
}

#[tokio::test(flavor = "current_thread")]
async fn words_inside_a_200_are_told_apart() {
    let service = slack::start().unwrap();
    let (hook, bot) = (channel(&hook(&service)), channel(&bot(&service, slack::CHANNEL)));
    for (word, expected) in [
        ("token_revoked", "person"),
        ("not_in_channel", "person"),
        ("channel_not_found", "person"),
        ("channel_is_archived", "person"),
        ("missing_scope", "person"),
        ("action_prohibited", "person"),
        ("rate_limited", "retry"),
        ("service_unavailable", "retry"),
        ("internal_error", "unsure"),
        ("invalid_payload", "refused"),
        ("msg_too_long", "refused"),
    ] {
        service.set_mode(Mode::Error(word.to_owned()));
        for channel in [&hook, &bot] {
            let error = deliver(channel, &alert()).await.unwrap_err();
            let kind = match &error {
                NotDelivered::NeedsPerson { .. } => "person",
                NotDelivered::Retry { .. } => "retry",
                NotDelivered::Unsure { .. } => "unsure",
                NotDelivered::Refused { .. } => "refused",
            };
            assert_eq!(kind, expected, "{word} {}: {error:?}", channel.kind());
        }
    }
}

#[test]
fn settings_are_checked() {
    for (text, expected) in [
        ("kind = 'slack_bot'\nbot_token = 'canary'\nto = 'U1'", "xoxb"),
        ("kind = 'slack_bot'\nbot_token = 'xoxb-canary'\nto = '#general'", "the id of a person"),
        ("kind = 'slack_webhook'\nurl = 'http://hooks.slack.com/canary'", "https"),
    ] {
        let error = not_taken(text);
        assert!(error.contains(expected) && !error.contains("canary"), "{text}: {error}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn all_sections_together_stay_below_what_it_takes() {
    let service = slack::start().unwrap();
    let parts = (0..20).map(|number| Part::Code(vec![format!("{number} {}", "x".repeat(2_900))])).collect();
    deliver(&channel(&bot(&service, slack::CHANNEL)), &Letter { parts, ..alert() }).await.unwrap();
    let blocks = service.accepted()[0]["blocks"].as_array().unwrap().clone();
    assert_eq!(blocks.len(), 5, "a title and four sections");
    assert!(blocks[4]["text"]["text"].as_str().unwrap().contains("(shortened)"), "{}", blocks[4]);
}
