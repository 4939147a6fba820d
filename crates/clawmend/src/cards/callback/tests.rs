#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::super::access::FeishuSettings;
use super::*;
use crate::host::clock;
use clawmend_testkit::alerts::feishu_callbacks::{Sent, encrypted, encrypted_with};
use clawmend_testkit::alerts::{FeishuCallbacks, FeishuStandIn};
use proptest::prelude::*;
use serde_json::json;

fn access() -> Access {
    let settings: FeishuSettings = toml::from_str(&format!(
        "app_id = '{}'\napp_secret = 'x'\nencrypt_key = '{}'\nverification_token = '{}'",
        FeishuStandIn::APP_ID,
        FeishuCallbacks::ENCRYPT_KEY,
        FeishuCallbacks::TOKEN
    ))
    .unwrap();
    Access::new(&settings, None).unwrap()
}

fn feishu() -> FeishuCallbacks {
    FeishuCallbacks::to("127.0.0.1:1".parse().unwrap(), "/x")
}

fn headers(sent: &Sent) -> Headers {
    let one = |name: &str| sent.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    Headers {
        timestamp: one("X-Lark-Request-Timestamp"),
        nonce: one("X-Lark-Request-Nonce"),
        signature: one("X-Lark-Signature"),
    }
}

fn read_at(sent: &Sent, shift_ms: i64) -> Result<Callback, Refused> {
    read(&access(), &headers(sent), &sent.body, Wall(clock::now().wall.0 + shift_ms))
}

fn read_now(sent: &Sent) -> Result<Callback, Refused> {
    read_at(sent, 0)
}

fn what(sent: &Sent) -> What {
    match read_now(sent).unwrap() {
        Callback::Event(event) => event.what,
        Callback::Challenge(_) => What::Other,
    }
}

#[test]
fn taps_messages_and_challenges_are_read() {
    let feishu = feishu();
    let tap = What::Tap { person: "ou_owner".to_owned(), data: "1y".to_owned() };
    assert_eq!(what(&feishu.tap("ou_owner", "om_1", "1y")), tap);
    let message = |private, text: &str| What::Message { person: "ou_owner".to_owned(), private, text: text.to_owned() };
    assert_eq!(what(&feishu.message("ou_owner", "status")), message(true, "status"));
    let group = feishu.message_event("ou_owner", "group", "status");
    assert_eq!(what(&feishu.signed(&group, 0)), message(false, "status"));
    assert_eq!(read_now(&feishu.challenge("abc")), Ok(Callback::Challenge("abc".to_owned())));
}

#[test]
fn what_was_not_sent_by_feishu_is_refused() {
    let feishu = feishu();
    let good = feishu.tap("ou_owner", "om_1", "1y");
    let with = |change: &dyn Fn(&mut Sent)| {
        let mut sent = good.clone();
        change(&mut sent);
        read_now(&sent).unwrap_err()
    };
    let drop_header = |name: &str| with(&|sent| sent.headers.retain(|(known, _)| known != name));
    for name in ["X-Lark-Request-Timestamp", "X-Lark-Request-Nonce", "X-Lark-Signature"] {
        assert_eq!(drop_header(name), Refused::Unsigned);
    }
    for name in ["X-Lark-Request-Timestamp", "X-Lark-Request-Nonce", "X-Lark-Signature"] {
        let altered = with(&|sent| {
            let header = sent.headers.iter_mut().find(|(known, _)| known == name).unwrap();
            header.1 = format!("{}0", header.1);
        });
        assert_eq!(altered, Refused::Forged, "{name}");
    }
    // Each byte of the body is covered.
    for at in [0, 12, good.body.len() / 2, good.body.len() - 4] {
        let refused = with(&|sent| sent.body[at] ^= 1);
        assert!(matches!(refused, Refused::Forged | Refused::Garbage | Refused::Plain), "{at}: {refused:?}");
    }
    let inner = feishu.tap_event("ou_owner", "om_1", &json!({"clawmend": "1y"}));
    let foreign = feishu.unsigned(encrypted_with(inner.to_string().as_bytes(), "another-key-0123456789"));
    assert_eq!(read_now(&foreign), Err(Refused::Unsigned));
    let mut sealed = foreign;
    feishu.sign(&mut sealed, 0);
    assert_eq!(read_now(&sealed), Err(Refused::Sealed));
    let mut plain = feishu.unsigned(inner.to_string().into_bytes());
    feishu.sign(&mut plain, 0);
    assert_eq!(read_now(&plain), Err(Refused::Plain));
    for body in [&b""[..], b"[]", b"null", b"\xff\xfe", b"{\"encrypt\": 5}", b"{\"encrypt\": \"AAAA\"}"] {
        let mut garbage = feishu.unsigned(body.to_vec());
        assert!(read_now(&garbage).is_err());
        feishu.sign(&mut garbage, 0);
        assert!(read_now(&garbage).is_err());
    }
}

#[test]
fn only_what_is_fresh_counts() {
    let feishu = feishu();
    let event = feishu.tap_event("ou_owner", "om_1", &json!({"clawmend": "1y"}));
    assert!(read_now(&feishu.signed(&event, 290)).is_ok());
    assert!(read_now(&feishu.signed(&event, -290)).is_ok());
    assert!(matches!(read_now(&feishu.signed(&event, 302)), Err(Refused::Stale { off_ms }) if off_ms < -300_000));
    assert!(matches!(read_now(&feishu.signed(&event, -302)), Err(Refused::Stale { off_ms }) if off_ms > 300_000));
    // Our own clock is wrong by an hour.
    let refused = read_at(&feishu.signed(&event, 0), 3_600_000).unwrap_err();
    assert!(matches!(refused, Refused::Stale { .. }), "{refused}");
    // Signed just now, and of long ago: what Feishu sends again after we were away.
    let mut old = event;
    old["header"]["create_time"] = (clock::now().wall.0 - 600_000).to_string().into();
    assert!(matches!(read_now(&feishu.signed(&old, 0)), Err(Refused::Late { late_ms }) if late_ms >= 600_000));
}

#[test]
fn another_app_another_token_and_the_old_form_are_refused() {
    let feishu = feishu();
    let event = feishu.tap_event("ou_owner", "om_1", &json!({"clawmend": "1y"}));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = event.clone();
        change(&mut event);
        read_now(&feishu.signed(&event, 0))
    };
    assert_eq!(with(&|event| event["header"]["token"] = "canary".into()), Err(Refused::Foreign));
    assert_eq!(with(&|event| event["header"]["app_id"] = "cli_other".into()), Err(Refused::Foreign));
    assert_eq!(with(&|event| event["header"]["event_id"] = "".into()), Err(Refused::Garbage));
    assert_eq!(with(&|event| event["header"]["create_time"] = 5.into()), Err(Refused::Garbage));
    assert_eq!(with(&|event| event["schema"] = "1.0".into()), Err(Refused::Old));
    let old = json!({"open_id": "ou_owner", "user_id": "u", "open_message_id": "om_1", "tenant_key": "t", "token": "c-1",
        "action": {"value": {"clawmend": "1y"}, "tag": "button"}});
    assert_eq!(read_now(&feishu.signed(&old, 0)), Err(Refused::Old));
    let old = json!({"ts": "1", "uuid": "x", "token": FeishuCallbacks::TOKEN, "type": "event_callback", "event": {}});
    assert_eq!(read_now(&feishu.signed(&old, 0)), Err(Refused::Old));
    // A challenge with another token, one that is not encrypted, and one that is too long.
    let challenge = |token: &str, text: &str| json!({"type": "url_verification", "token": token, "challenge": text});
    assert_eq!(read_now(&feishu.unsigned(encrypted(&challenge("x", "abc")))), Err(Refused::Foreign));
    let plain = challenge(FeishuCallbacks::TOKEN, "abc").to_string().into_bytes();
    assert_eq!(read_now(&feishu.unsigned(plain)), Err(Refused::Plain));
    let long = challenge(FeishuCallbacks::TOKEN, &"a".repeat(5_000));
    assert_eq!(read_now(&feishu.unsigned(encrypted(&long))), Err(Refused::Garbage));
}

#[test]
fn what_is_not_understood_is_nothing() {
    let feishu = feishu();
    let event = feishu.tap_event("ou_owner", "om_1", &json!({"clawmend": "1y"}));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = event.clone();
        change(&mut event);
        what(&feishu.signed(&event, 0))
    };
    assert_eq!(with(&|event| event["header"]["event_type"] = "url.preview.get".into()), What::Other);
    assert_eq!(with(&|event| event["event"]["operator"] = json!({"open_id": 5})), What::Other);
    for person in ["", "on_1", "ou_1\u{1b}[31m", "ou_1/../x", &format!("ou_{}", "1".repeat(64))] {
        assert_eq!(with(&|event| event["event"]["operator"]["open_id"] = person.into()), What::Other, "{person}");
    }
    assert_eq!(with(&|event| event["event"]["action"]["value"] = "1y".into()), What::Other);
    assert_eq!(with(&|event| event["event"]["action"]["value"]["clawmend"] = "y".repeat(500).into()), What::Other);
    let mut picture = feishu.message_event("ou_owner", "p2p", "status");
    picture["event"]["message"]["message_type"] = "image".into();
    let said = what(&feishu.signed(&picture, 0));
    assert!(matches!(&said, What::Message { text, .. } if text.is_empty()), "{said:?}");
}

proptest! {
    /// Whatever comes, without our key it is refused; nothing of it ends the guard.
    #[test]
    fn no_bytes_of_strangers_count(body in prop::collection::vec(any::<u8>(), 0..400), header in ".{0,40}") {
        let headers = Headers {
            timestamp: Some((clock::now().wall.0 / 1000).to_string()),
            nonce: Some(header.clone()),
            signature: Some(header),
        };
        prop_assert!(read(&access(), &headers, &body, clock::now().wall).is_err());
        let sealed = encrypted_with(&body, "another-key-0123456789");
        prop_assert!(read(&access(), &headers, &sealed, clock::now().wall).is_err());
    }

    /// What our key has encrypted and signed is still only what it says.
    #[test]
    fn no_content_ends_the_guard(body in prop::collection::vec(any::<u8>(), 0..400), text in "\\PC{0,80}") {
        let feishu = feishu();
        let mut sent = feishu.unsigned(encrypted_with(&body, FeishuCallbacks::ENCRYPT_KEY));
        feishu.sign(&mut sent, 0);
        prop_assert!(read_now(&sent).is_err());
        let event = feishu.tap_event("ou_owner", "om_1", &json!({"clawmend": text}));
        prop_assert!(read_now(&feishu.signed(&event, 0)).is_ok());
    }
}
