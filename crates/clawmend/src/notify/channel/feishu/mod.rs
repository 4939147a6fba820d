//! Feishu, and Lark, its name outside China: one API at two addresses.
//!
//! [`FeishuBot`] writes into a group through the group's own custom bot; [`FeishuApp`] writes to people and chats as an
//! app. Both send the [`card`] of a letter.

mod app;
mod bot;
pub mod card;
mod recipient;

pub use app::FeishuApp;
pub use bot::FeishuBot;
pub use recipient::{Domain, Recipient};

use crate::notify::NotDelivered;
use crate::notify::http::{Answer, bounded_seconds, by_status, said};
use serde_json::Value;
use std::time::Duration;

/// The API is asked too often, whichever part of it: `frequency-control` of the documentation; 11232 and 11233 come
/// from custom bots, 230020 from messages.
const RATE: [i64; 5] = [99_991_400, 11_232, 11_233, 11_247, 230_020];

/// What an answer says: `code` and `msg`, whatever its HTTP status, for an error comes with 200 too.
struct Said {
    code: i64,
    msg: String,
    body: Value,
}

/// Reads an answer.
///
/// # Errors
/// One without a code: by its status, and unsure when it looks well but cannot be read.
fn read(answer: &Answer, host: &str) -> Result<Said, NotDelivered> {
    let body = answer.json().unwrap_or(Value::Null);
    let code = body["code"].as_i64().or_else(|| body["StatusCode"].as_i64());
    match code {
        _ if answer.status.is_server_error() => Err(unread(answer, host)),
        Some(0) | None if !answer.status.is_success() => Err(unread(answer, host)),
        Some(code) => {
            let msg = said(body["msg"].as_str().or_else(|| body["StatusMessage"].as_str()).unwrap_or_default());
            Ok(Said { code, msg, body })
        }
        None if answer.whole => Err(NotDelivered::unsure(format!("{host} gives an answer that is not of its API"))),
        None => Err(NotDelivered::unsure(format!("the answer of {host} was cut off"))),
    }
}

fn unread(answer: &Answer, host: &str) -> NotDelivered {
    by_status(answer, host).unwrap_or_else(|| NotDelivered::later(format!("{host} answers without a code")))
}

/// Too often: later. The gateway says when in `x-ogw-ratelimit-reset`, in seconds.
fn too_often(answer: &Answer, host: &str, otherwise: Duration) -> NotDelivered {
    let reset = answer.headers.get("x-ogw-ratelimit-reset").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let after = reset.and_then(bounded_seconds).or_else(|| answer.retry_after()).unwrap_or(otherwise);
    NotDelivered::Retry { why: format!("{host} is asked too often"), after: Some(after) }
}
