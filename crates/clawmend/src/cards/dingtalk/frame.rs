//! The frames of DingTalk's Stream protocol.
//!
//! From the documentation, as of 2026-11: <https://opensource.dingtalk.com/developerpedia/docs/learn/stream/protocol/>:
//! - a frame has `type` (`SYSTEM`, `CALLBACK`, `EVENT`), `headers` with `topic` and `messageId`, and `data`, which is JSON in a
//!   string; all headers are strings;
//! - each but `disconnect` is answered by `code`, `headers` with `messageId` and `contentType`, `message` and `data`; a `ping`
//!   gets its `data` back;
//! - after `disconnect` nothing more comes, and the connection ends within 10 s.
//!
//! Invariant: reading a frame changes nothing, and none is read beyond its outer form.

use clawmend_core::time::Wall;
use serde_json::{Value, json};

/// What people write to the app's robot.
pub const MESSAGES: &str = "/v1.0/im/bot/messages/get";
/// What people do on its cards.
pub const CARDS: &str = "/v1.0/card/instances/callback";
/// Longest id, in bytes.
const MAX_ID: usize = 256;
/// Longest `data` of a ping, in bytes: it is sent back.
const MAX_PING: usize = 4 * 1024;

/// What a callback is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// [`MESSAGES`].
    Message,
    /// [`CARDS`].
    Card,
}

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    /// What.
    pub topic: Topic,
    /// Names this frame; its answer carries it.
    pub id: String,
    /// When DingTalk sent it.
    pub at: Wall,
    /// The rest.
    pub data: Value,
}

/// A frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// Whether we are there.
    Ping {
        /// Names it.
        id: String,
        /// Goes back.
        data: String,
    },
    /// This connection ends; another one is to be opened.
    Disconnect,
    /// Something happened.
    Callback(Callback),
    /// What we have not asked for.
    Unknown {
        /// Names it.
        id: String,
    },
}

/// How a frame was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// It need not come again.
    Ok = 200,
    /// Nobody here knows its topic.
    NotFound = 404,
    /// It was not taken.
    Failed = 500,
}

/// Reads one; `None`: it is none.
#[must_use]
pub fn read(text: &str) -> Option<Frame> {
    let frame: Value = serde_json::from_str(text).ok()?;
    let (headers, data) = (&frame["headers"], frame["data"].as_str().unwrap_or_default());
    let topic = headers["topic"].as_str()?;
    let kind = frame["type"].as_str()?;
    if (kind, topic) == ("SYSTEM", "disconnect") {
        return Some(Frame::Disconnect);
    }
    let id = short(&headers["messageId"])?;
    let topic = match (kind, topic) {
        ("SYSTEM", "ping") if data.len() <= MAX_PING => return Some(Frame::Ping { id, data: data.to_owned() }),
        ("SYSTEM", "ping") => return None,
        ("CALLBACK", MESSAGES) => Topic::Message,
        ("CALLBACK", CARDS) => Topic::Card,
        _ => return Some(Frame::Unknown { id }),
    };
    let data = serde_json::from_str(data).ok()?;
    Some(Frame::Callback(Callback { topic, id, at: Wall(millis(&headers["time"])?), data }))
}

/// The answer to a frame.
#[must_use]
pub fn ack(id: &str, code: Code, data: &str) -> String {
    let message = match code {
        Code::Ok => "OK",
        Code::NotFound => "not found",
        Code::Failed => "internal error",
    };
    let headers = json!({"messageId": id, "contentType": "application/json"});
    json!({"code": code as u16, "headers": headers, "message": message, "data": data}).to_string()
}

/// An id, if it is one.
#[must_use]
pub fn short(value: &Value) -> Option<String> {
    let fine = |text: &&str| (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    value.as_str().filter(fine).map(str::to_owned)
}

/// A time in ms: a number, or one in a string, as the documentation has both.
#[must_use]
pub fn millis(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: &str, topic: &str, data: &str) -> String {
        json!({"specVersion": "1.0", "type": kind, "data": data,
            "headers": {"topic": topic, "messageId": "m1", "contentType": "application/json", "time": "1690362102194"}})
        .to_string()
    }

    #[test]
    fn the_documented_frames_are_read() {
        let ping = read(&frame("SYSTEM", "ping", "{\"opaque\":\"1\"}")).unwrap();
        assert_eq!(ping, Frame::Ping { id: "m1".into(), data: "{\"opaque\":\"1\"}".into() });
        // As the documentation shows it: without an id, and without a time.
        let disconnect = r#"{"type":"SYSTEM","headers":{"topic":"disconnect"},"data":"{\"reason\":\"expired\"}"}"#;
        assert_eq!(read(disconnect), Some(Frame::Disconnect));
        let expected = Callback {
            topic: Topic::Message,
            id: "m1".into(),
            at: Wall(1_690_362_102_194),
            data: json!({"msgId": "x"}),
        };
        assert_eq!(read(&frame("CALLBACK", MESSAGES, "{\"msgId\":\"x\"}")), Some(Frame::Callback(expected)));
        for (kind, topic) in [("EVENT", "*"), ("CALLBACK", "/v1.0/graph/api/invoke"), ("SYSTEM", "KEEPALIVE")] {
            assert_eq!(read(&frame(kind, topic, "{}")), Some(Frame::Unknown { id: "m1".into() }));
        }
    }

    #[test]
    fn an_answer_has_the_documented_form() {
        let answer: Value = serde_json::from_str(&ack("m1", Code::Ok, "{\"response\":null}")).unwrap();
        let expected = json!({"code": 200, "message": "OK", "data": "{\"response\":null}",
            "headers": {"messageId": "m1", "contentType": "application/json"}});
        assert_eq!(answer, expected);
    }

    #[test]
    fn garbage_is_no_frame() {
        let cut = frame("CALLBACK", MESSAGES, "{\"msgId\":");
        let nameless = frame("CALLBACK", MESSAGES, "{}").replace("m1", "");
        let long = frame("CALLBACK", MESSAGES, "{}").replace("m1", &"m".repeat(257));
        let timeless = frame("CALLBACK", MESSAGES, "{}").replace("1690362102194", "now");
        let loud = frame("SYSTEM", "ping", &"x".repeat(5_000));
        for text in ["", "{", "[]", "null", "\"x\"", "{}", &cut, &nameless, &long, &timeless, &loud] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_a_fault(text in ".{0,300}") {
            let _ = read(&text);
            let _ = read(&frame("CALLBACK", CARDS, &text));
        }
    }
}
