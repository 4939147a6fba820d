//! Against a stand-in that keeps the documented contract.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::bot::access::BotSettings;
use crate::bot::update::What;
use clawmend_testkit::alerts::bot_api::{PERSON, TOKEN};
use clawmend_testkit::alerts::{BotApiStandIn, Mode};

fn api_with(service: &BotApiStandIn, token: &str) -> BotApi {
    let text = format!("token = '{token}'\napi = '{}'", service.url());
    let settings: BotSettings = toml::from_str(&text).unwrap();
    BotApi::new(Access::new(&settings, None).unwrap()).unwrap()
}

fn api(service: &BotApiStandIn) -> BotApi {
    api_with(service, TOKEN)
}

#[tokio::test(flavor = "current_thread")]
async fn updates_come_again_until_they_are_confirmed() {
    let service = BotApiStandIn::start().unwrap();
    let api = api(&service);
    assert_eq!(api.updates(0, BATCH, 0).await.unwrap(), []);
    let (first, second) = (service.write(PERSON, "one"), service.write(PERSON, "two"));
    for _ in 0..2 {
        let ids: Vec<i64> = api.updates(0, BATCH, 0).await.unwrap().iter().map(|update| update.id).collect();
        assert_eq!(ids, [first, second]);
    }
    assert_eq!(api.updates(0, 1, 0).await.unwrap().len(), 1, "the limit is kept");
    let left = api.updates(second, BATCH, 0).await.unwrap();
    assert!(matches!(&left[..], [one] if matches!(&one.what, What::Message { text, .. } if text == "two")));
    assert_eq!(api.updates(second + 1, BATCH, 0).await.unwrap(), []);
}

#[tokio::test(flavor = "current_thread")]
async fn a_held_request_ends_with_what_comes_or_when_another_asks() {
    let service = BotApiStandIn::start().unwrap();
    let (one, other) = (api(&service), api(&service));
    let both = async {
        let came = one.updates(0, BATCH, HELD_S);
        let write = async {
            while !service.requests().iter().any(|(method, _)| method == "getUpdates") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            service.write(PERSON, "late");
        };
        tokio::join!(came, write).0
    };
    assert_eq!(both.await.unwrap().len(), 1);
    let confirmed = service.confirmed();
    let polls = || service.requests().len();
    let before = polls();
    let held = one.updates(200, BATCH, HELD_S);
    let second = async {
        while polls() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        other.updates(200, BATCH, 0).await
    };
    let (held, second) = tokio::join!(held, second);
    assert!(matches!(held, Err(Trouble::Conflict { .. })), "{held:?}");
    assert!(second.is_ok() && confirmed < 200);
}

#[tokio::test(flavor = "current_thread")]
async fn troubles_are_told_apart_and_hold_no_token() {
    let service = BotApiStandIn::start().unwrap();
    let api = api(&service);
    let modes = [
        Mode::Unauthorized,
        Mode::RateLimited(7),
        Mode::Error("Conflict: can't use getUpdates method while webhook is active".to_owned()),
        Mode::Status(502),
        Mode::Status(200),
        Mode::CutOff,
    ];
    let mut all = String::new();
    for mode in modes {
        service.set_mode(mode.clone());
        let trouble = api.updates(0, BATCH, 0).await.unwrap_err();
        all.push_str(&format!("{mode:?}: {trouble}\n"));
        if let Trouble::TooMany { after } = &trouble {
            assert_eq!(*after, Some(Duration::from_secs(7)));
        }
    }
    service.set_mode(Mode::Contract);
    let other = api_with(&service, "4243:canary-not-this-one");
    all.push_str(&format!("another token: {}\n", other.updates(0, BATCH, 0).await.unwrap_err()));
    let url = service.url();
    drop(service);
    let gone = api.updates(0, BATCH, 0).await.unwrap_err().to_string();
    assert!(!all.contains("canary") && !gone.contains("canary"), "{all}{gone}");
    assert!(gone.contains("127.0.0.1") && !gone.contains(&url), "{gone}");
    insta::assert_snapshot!(all);
}

#[tokio::test(flavor = "current_thread")]
async fn it_answers_within_what_the_service_takes() {
    let service = BotApiStandIn::start().unwrap();
    let api = api(&service);
    assert!(matches!(api.say(PERSON, "first").await, Err(Trouble::Refused { .. })), "nobody is written to first");
    service.write(PERSON, "hello");
    api.say(PERSON, &"长".repeat(10_000)).await.unwrap();
    api.say(PERSON, &"😀".repeat(3_000)).await.unwrap();
    assert_eq!(service.sent().len(), 2);
    let query = service.tap(PERSON, 1, "x");
    api.answer(&query, &"长".repeat(1_000)).await.unwrap();
    assert!(api.answer(&query, "again").await.is_err(), "the service takes one answer");
    assert_eq!(service.answers()[0].1.chars().count(), 200);
    api.take_buttons_away(PERSON, 1).await.unwrap();
    api.take_buttons_away(PERSON, 1).await.unwrap();
    assert!(api.take_buttons_away(PERSON, 99).await.is_err());
}
