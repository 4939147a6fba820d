//! What a request of Feishu proves, and what it asks.
//!
//! From the documentation, as of 2026-11:
//! - requests, signature, `url_verification`:
//!   <https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/event-subscription-guide/callback-subscription/receive-and-handle-callbacks>;
//! - a tap, `card.action.trigger`, answered within 3 s, never sent again:
//!   <https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-callback-communication>;
//! - a message, `im.message.receive_v1`, sent again when the answer is late:
//!   <https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/message/events/receive>;
//! - the old form of a tap, which knows neither encryption's signature nor an id of its own, and is refused:
//!   <https://open.feishu.cn/document/ukTMukTMukTM/uYzM3QjL2MzN04iNzcDN/configuring-card-callbacks/card-callback-structure>.
//!
//! Invariant: everything in here is hostile until it is proven. An event comes out only when its signature fits, its time is
//! less than [`FRESH_MS`] away, and app and token are ours. A challenge, which Feishu's own SDK does not expect to be signed,
//! must be encrypted with our key and carry our token; answering it changes nothing. Start at [`read`].

use super::Access;
use super::crypt::{is_same, is_signed, open};
use super::event::{Event, What};
use clawmend_core::time::Wall;
use serde_json::Value;

/// How far a request's time may be from ours, in ms.
pub const FRESH_MS: i64 = 5 * 60_000;
/// Longest id, challenge or header, in bytes.
const MAX_ID: usize = 256;
/// Longest `open_id`, in bytes; they have 35.
const MAX_PERSON: usize = 64;
/// Longest text or data that is looked at, in bytes.
const MAX_TEXT: usize = 16 * 1024;
/// The field of a button's value that carries its data.
pub const FIELD: &str = "clawmend";

/// The headers that count; one that is too long or no text is none.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// `X-Lark-Request-Timestamp`, in seconds.
    pub timestamp: Option<String>,
    /// `X-Lark-Request-Nonce`.
    pub nonce: Option<String>,
    /// `X-Lark-Signature`.
    pub signature: Option<String>,
}

/// What was proven to come from Feishu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callback {
    /// Feishu tries whether this address is ours: the same text goes back.
    Challenge(String),
    /// Something happened.
    Event(Event),
}

/// Why a request does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not even the outer form.
    #[error("it is no callback of Feishu")]
    Garbage,
    /// In plain text.
    #[error("it is not encrypted; an Encrypt Key must be set on the app's page, the same as in notify.toml")]
    Plain,
    /// Headers are missing.
    #[error("it is not signed")]
    Unsigned,
    /// Another key, or it was altered.
    #[error("its signature is wrong: it was altered, or `encrypt_key` is not the one of the app's page")]
    Forged,
    /// Signed by us and unreadable all the same.
    #[error("it cannot be decrypted")]
    Sealed,
    /// Too old or too new by our clock.
    #[error("its time is {} s away from this machine's clock", off_ms / 1000)]
    Stale {
        /// Theirs less ours.
        off_ms: i64,
    },
    /// Of a former form.
    #[error("it is of the old form; subscribe to `card.action.trigger`, not to its old version")]
    Old,
    /// The token or the app is another one.
    #[error("it is of another app, or its Verification Token is wrong")]
    Foreign,
    /// The event itself is old: sent again after we were away.
    #[error("what it tells of happened {} s ago", late_ms / 1000)]
    Late {
        /// Before now.
        late_ms: i64,
    },
}

/// Reads a request that came at `now`.
///
/// # Errors
/// [`Refused`]: nothing of it may be acted upon.
pub fn read(access: &Access, headers: &Headers, body: &[u8], now: Wall) -> Result<Callback, Refused> {
    let outer: Value = serde_json::from_slice(body).map_err(|_| Refused::Garbage)?;
    let Some(encrypted) = outer["encrypt"].as_str() else {
        return Err(if outer.is_object() { Refused::Plain } else { Refused::Garbage });
    };
    let signed = signed(access, headers, body);
    let key = access.encrypt_key.expose();
    let inner = open(encrypted, key).and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    if let Some(challenge) = inner.as_ref().filter(|inner| inner["type"] == "url_verification") {
        return challenged(access, challenge);
    }
    let sent = signed?;
    let off_ms = sent.0.saturating_sub(now.0);
    if off_ms.saturating_abs() > FRESH_MS {
        return Err(Refused::Stale { off_ms });
    }
    event(access, &inner.ok_or(Refused::Sealed)?, now).map(Callback::Event)
}

/// When it was sent, if it was signed with our key.
fn signed(access: &Access, headers: &Headers, body: &[u8]) -> Result<Wall, Refused> {
    let (Some(timestamp), Some(nonce), Some(signature)) = (&headers.timestamp, &headers.nonce, &headers.signature)
    else {
        return Err(Refused::Unsigned);
    };
    if !is_signed(signature, timestamp, nonce, access.encrypt_key.expose(), body) {
        return Err(Refused::Forged);
    }
    let seconds: i64 = timestamp.parse().map_err(|_| Refused::Garbage)?;
    Ok(Wall(seconds.saturating_mul(1000)))
}

fn challenged(access: &Access, inner: &Value) -> Result<Callback, Refused> {
    let token = inner["token"].as_str().unwrap_or_default();
    if !is_same(access.verification_token.expose().as_bytes(), token.as_bytes()) {
        return Err(Refused::Foreign);
    }
    short(&inner["challenge"]).map(Callback::Challenge).ok_or(Refused::Garbage)
}

fn event(access: &Access, inner: &Value, now: Wall) -> Result<Event, Refused> {
    if inner["schema"] != "2.0" {
        return Err(Refused::Old);
    }
    let header = &inner["header"];
    let token = header["token"].as_str().unwrap_or_default();
    let ours = is_same(access.verification_token.expose().as_bytes(), token.as_bytes());
    if !ours || header["app_id"].as_str() != Some(access.app_id.as_str()) {
        return Err(Refused::Foreign);
    }
    let id = short(&header["event_id"]).ok_or(Refused::Garbage)?;
    let made = made(&header["create_time"]).ok_or(Refused::Garbage)?;
    let late_ms = now.0.saturating_sub(made);
    if late_ms.saturating_abs() > FRESH_MS {
        return Err(Refused::Late { late_ms });
    }
    let what = match header["event_type"].as_str() {
        Some("card.action.trigger") => tap(&inner["event"]),
        Some("im.message.receive_v1") => message(&inner["event"]),
        Some(_) | None => None,
    };
    Ok(Event { id, what: what.unwrap_or(What::Other) })
}

fn tap(event: &Value) -> Option<What> {
    let person = open_id(&event["operator"]["open_id"])?;
    let data = event["action"]["value"][FIELD].as_str().filter(|data| data.len() <= MAX_ID)?;
    Some(What::Tap { person, data: data.to_owned() })
}

fn message(event: &Value) -> Option<What> {
    let (sender, message) = (&event["sender"], &event["message"]);
    let person = open_id(&sender["sender_id"]["open_id"])?;
    let private = sender["sender_type"] == "user" && message["chat_type"] == "p2p";
    let content =
        message["content"].as_str().filter(|text| text.len() <= MAX_TEXT && message["message_type"] == "text");
    let content = content.and_then(|content| serde_json::from_str::<Value>(content).ok()).unwrap_or_default();
    Some(What::Message { person, private, text: content["text"].as_str().unwrap_or_default().to_owned() })
}

fn open_id(value: &Value) -> Option<String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    short(value).filter(|id| id.starts_with("ou_") && id.len() <= MAX_PERSON && id.bytes().all(fine))
}

fn short(value: &Value) -> Option<String> {
    let fine = |text: &&str| (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    value.as_str().filter(fine).map(str::to_owned)
}

/// `create_time`, in ms: events have it in milliseconds, taps in microseconds.
fn made(value: &Value) -> Option<i64> {
    /// The year 5138 in milliseconds.
    const MICROS: i64 = 100_000_000_000_000;
    let time: i64 = value.as_str()?.parse().ok()?;
    Some(if time >= MICROS { time / 1000 } else { time })
}

#[cfg(test)]
mod tests;
