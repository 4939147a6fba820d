#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::super::access::DingtalkSettings;
use super::*;
use proptest::prelude::*;
use serde_json::json;

const NOW: Wall = Wall(1_790_000_000_000);

fn access() -> Access {
    let settings: DingtalkSettings = toml::from_str("client_id = 'dingown'\nclient_secret = 'x'").unwrap();
    Access::new(&settings, None).unwrap()
}

fn said() -> Value {
    json!({"conversationId": "cid1", "chatbotCorpId": "dingcorp", "chatbotUserId": "$:1", "msgId": "msg1==",
        "senderNick": "x", "isAdmin": true, "senderStaffId": "manager1", "sessionWebhookExpiredTime": NOW.0,
        "createAt": NOW.0, "senderCorpId": "dingcorp", "conversationType": "1", "senderId": "$:2",
        "sessionWebhook": "https://example.com", "text": {"content": " 状态 "}, "robotCode": "dingown", "msgtype": "text"})
}

fn tapped() -> Value {
    let content = json!({"cardPrivateData": {"actionIds": ["1"], "params": {"clawmend": "1y"}}}).to_string();
    json!({"type": "actionCallback", "outTrackId": "t", "corpId": "dingcorp", "userId": "manager1", "content": content})
}

fn event(topic: Topic, data: Value, off_ms: i64) -> Result<Event, Refused> {
    read(&access(), &Callback { topic, id: "frame1".into(), at: Wall(NOW.0 + off_ms), data }, NOW)
}

#[test]
fn the_documented_callbacks_are_read() {
    let what = What::Message { person: "manager1".into(), private: true, text: "状态".into() };
    assert_eq!(event(Topic::Message, said(), 0).unwrap(), Event { id: "msg1==".into(), what });
    let what = What::Tap { person: "manager1".into(), data: "1y".into() };
    assert_eq!(event(Topic::Card, tapped(), 0).unwrap(), Event { id: "frame1".into(), what });
    // A time in a string, a group, and something that is no text.
    let mut group = said();
    group["createAt"] = NOW.0.to_string().into();
    group["conversationType"] = "2".into();
    group["msgtype"] = "picture".into();
    let what = What::Message { person: "manager1".into(), private: false, text: String::new() };
    assert_eq!(event(Topic::Message, group, 0).unwrap().what, what);
    let mut other = tapped();
    other["type"] = "dynamicDataSource".into();
    assert_eq!(event(Topic::Card, other, 0).unwrap().what, What::Other);
}

#[test]
fn what_is_old_or_of_nobody_or_for_another_robot_is_refused() {
    for off_ms in [FRESH_MS + 1, -FRESH_MS - 1] {
        assert_eq!(event(Topic::Message, said(), off_ms), Err(Refused::Stale { off_ms }));
        assert_eq!(event(Topic::Card, tapped(), off_ms), Err(Refused::Stale { off_ms }));
    }
    let with = |key: &str, value: Value| {
        let mut data = said();
        data[key] = value;
        event(Topic::Message, data, 0).unwrap_err()
    };
    assert_eq!(with("createAt", (NOW.0 - FRESH_MS - 1).into()), Refused::Late { late_ms: FRESH_MS + 1 });
    assert_eq!(with("createAt", Value::Null), Refused::Garbage);
    assert_eq!(with("msgId", Value::Null), Refused::Garbage);
    assert_eq!(with("robotCode", "dingother".into()), Refused::Foreign);
    for nobody in [Value::Null, "".into(), "a b".into(), "x".repeat(65).into(), json!(["manager1"])] {
        assert_eq!(with("senderStaffId", nobody.clone()), Refused::Nobody);
        let mut data = tapped();
        data["userId"] = nobody;
        assert_eq!(event(Topic::Card, data, 0), Err(Refused::Nobody));
    }
}

#[test]
fn a_card_of_another_template_is_said() {
    for (content, refused) in [
        (json!("{}"), Refused::Template),
        (json!(r#"{"cardPrivateData": {"params": {"action": "agree"}}}"#), Refused::Template),
        (
            json!(format!(r#"{{"cardPrivateData": {{"params": {{"clawmend": "{}"}}}}}}"#, "x".repeat(257))),
            Refused::Template,
        ),
        (json!("{"), Refused::Garbage),
        (json!("x".repeat(MAX_TEXT + 1)), Refused::Garbage),
        (json!({}), Refused::Garbage),
    ] {
        let mut data = tapped();
        data["content"] = content;
        assert_eq!(event(Topic::Card, data, 0), Err(refused));
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_read_without_a_fault(text in ".{0,200}", key in "[a-zA-Z]{1,20}") {
        for topic in [Topic::Message, Topic::Card] {
            let mut data = if topic == Topic::Card { tapped() } else { said() };
            data[key.as_str()] = text.clone().into();
            let _ = event(topic, data, 0);
            let _ = event(topic, serde_json::from_str(&text).unwrap_or_default(), 0);
        }
    }
}
