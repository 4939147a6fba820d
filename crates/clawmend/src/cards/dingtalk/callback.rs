//! What a callback of DingTalk tells.
//!
//! From the documentation, as of 2026-11:
//! - a message to the robot: <https://open.dingtalk.com/document/development/receive-message> (`conversationType` is `1` for a
//!   person alone with the robot; `senderStaffId` is their userId, and there only after the robot was published);
//! - a tap on a card: <https://open.dingtalk.com/document/development/event-callback-card> (`userId` is of the kind that the card
//!   was made with, `content` is JSON in a string, with the parameters that the template gives the button).
//!
//! Invariant: everything in here is hostile until it is looked at. An event comes out only when DingTalk sent it less than
//! [`FRESH_MS`] ago, and when what it tells of is no older either: what waited while we were away does not count. Start at
//! [`read`].

use super::Access;
use super::frame::{Callback, Topic, millis, short};
use crate::cards::callback::{FIELD, FRESH_MS};
use crate::cards::event::{Event, What};
use clawmend_core::time::Wall;
use serde_json::Value;

/// Longest userId, in bytes.
const MAX_PERSON: usize = 64;
/// Longest text or data that is looked at, in bytes.
const MAX_TEXT: usize = 16 * 1024;
/// Longest data of a button, in bytes.
const MAX_DATA: usize = 256;

/// Why a callback does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not of the documented form.
    #[error("it is no callback of DingTalk")]
    Garbage,
    /// Too old or too new by our clock.
    #[error("its time is {} s away from this machine's clock", off_ms / 1000)]
    Stale {
        /// Theirs less ours.
        off_ms: i64,
    },
    /// What it tells of is old: sent again after we were away.
    #[error("what it tells of happened {} s ago", late_ms / 1000)]
    Late {
        /// Before now.
        late_ms: i64,
    },
    /// To another robot.
    #[error("it is for another robot than `robot_code`")]
    Foreign,
    /// Nobody is named.
    #[error(
        "DingTalk does not name who did it: somebody beyond the organisation, or a robot that is not published yet"
    )]
    Nobody,
    /// Another template.
    #[error("the button that was tapped carries no `{FIELD}`; the card's template is not as docs/cards.md shows it")]
    Template,
}

/// Reads a callback that came at `now`.
///
/// # Errors
/// [`Refused`]: nothing of it may be acted upon.
pub fn read(access: &Access, callback: &Callback, now: Wall) -> Result<Event, Refused> {
    let off_ms = callback.at.0.saturating_sub(now.0);
    if off_ms.saturating_abs() > FRESH_MS {
        return Err(Refused::Stale { off_ms });
    }
    match callback.topic {
        Topic::Message => message(access, &callback.data, now),
        Topic::Card => tap(&callback.data).map(|what| Event { id: callback.id.clone(), what }),
    }
}

/// It is known by its own id: a frame with it may come under another one.
fn message(access: &Access, data: &Value, now: Wall) -> Result<Event, Refused> {
    if data["robotCode"].as_str().is_some_and(|code| code != access.robot_code) {
        return Err(Refused::Foreign);
    }
    let id = short(&data["msgId"]).ok_or(Refused::Garbage)?;
    let late_ms = now.0.saturating_sub(millis(&data["createAt"]).ok_or(Refused::Garbage)?);
    if late_ms.saturating_abs() > FRESH_MS {
        return Err(Refused::Late { late_ms });
    }
    let person = person(&data["senderStaffId"])?;
    let text = data["text"]["content"].as_str().filter(|text| text.len() <= MAX_TEXT && data["msgtype"] == "text");
    let text = text.unwrap_or_default().trim().to_owned();
    Ok(Event { id, what: What::Message { person, private: data["conversationType"] == "1", text } })
}

fn tap(data: &Value) -> Result<What, Refused> {
    if data["type"].as_str().is_some_and(|kind| kind != "actionCallback") {
        return Ok(What::Other);
    }
    let person = person(&data["userId"])?;
    let content = data["content"].as_str().filter(|content| content.len() <= MAX_TEXT).ok_or(Refused::Garbage)?;
    let content: Value = serde_json::from_str(content).map_err(|_| Refused::Garbage)?;
    let carried = content["cardPrivateData"]["params"][FIELD].as_str().filter(|data| data.len() <= MAX_DATA);
    Ok(What::Tap { person, data: carried.ok_or(Refused::Template)?.to_owned() })
}

fn person(value: &Value) -> Result<String, Refused> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@');
    let id = short(value).filter(|id| id.len() <= MAX_PERSON && id.bytes().all(fine));
    id.ok_or(Refused::Nobody)
}

#[cfg(test)]
mod tests;
