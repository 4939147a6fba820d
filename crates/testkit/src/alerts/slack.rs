//! Slack: incoming webhooks and two methods of its Web API:
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>,
//! <https://docs.slack.dev/reference/methods/chat.postMessage>,
//! <https://docs.slack.dev/reference/methods/conversations.open>.

use super::{Request, Says, StandIn, Verdict};
use anyhow::Result;
use serde_json::{Value, json};

/// The only bot.
pub const TOKEN: &str = "xoxb-canary-0123456789";
/// Behind the base address: the only webhook.
pub const HOOK: &str = "/services/T000/B000/canary0123456789";
/// The only person, and the conversation with them.
pub const PERSON: (&str, &str) = ("U0PERSON", "D0PERSON");
/// The only channel.
pub const CHANNEL: &str = "C0CHANNEL";

/// Starts it.
///
/// # Errors
/// As [`StandIn::start`].
pub fn start() -> Result<StandIn> {
    let mut last = 0;
    StandIn::start_as("Slack", &[("Slack's bot token", TOKEN), ("Slack's webhook", HOOK)], move |request, says| {
        if request.path.starts_with("/services/") { hook(request, says) } else { method(request, says, &mut last) }
    })
}

fn hook(request: &Request, says: Says<'_>) -> Verdict {
    match says {
        Says::Unauthorized => return Verdict::text(404, "no_service"),
        Says::RateLimited(seconds) => return Verdict::text(429, "rate_limited").with("Retry-After", seconds),
        Says::Error(word) => {
            let status = match word {
                "action_prohibited" | "invalid_token" => 403,
                "channel_not_found" => 404,
                "channel_is_archived" => 410,
                "rollup_error" => 500,
                "invalid_payload" | "user_not_found" => 400,
                // Some come with 200.
                _ => 200,
            };
            return Verdict::text(status, word);
        }
        Says::Contract => {}
    }
    if request.path != HOOK {
        return Verdict::text(404, "no_service");
    }
    match request.json() {
        Some(body) if request.method == "POST" => {
            match checked(&body, &["text", "blocks", "unfurl_links", "unfurl_media"]) {
                Ok(()) => Verdict::text(200, "ok").accepting(body),
                Err(word) => Verdict::text(400, word),
            }
        }
        _ => Verdict::text(400, "invalid_payload"),
    }
}

fn method(request: &Request, says: Says<'_>, last: &mut u32) -> Verdict {
    match says {
        Says::Unauthorized => return error("invalid_auth"),
        Says::RateLimited(seconds) => {
            return Verdict::json(429, &json!({"ok": false, "error": "ratelimited"})).with("Retry-After", seconds);
        }
        Says::Error(word) => return error(word),
        Says::Contract => {}
    }
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return error("invalid_auth");
    }
    if request.header("content-type") != Some("application/json; charset=utf-8") {
        return error("missing_charset");
    }
    let Some(body) = request.json() else { return error("invalid_json") };
    match request.path.as_str() {
        "/chat.postMessage" => post(body, last),
        "/conversations.open" if body == json!({"users": PERSON.0}) => {
            Verdict::json(200, &json!({"ok": true, "channel": {"id": PERSON.1}}))
        }
        "/conversations.open" => error("user_not_found"),
        _ => error("unknown_method"),
    }
}

fn error(word: &str) -> Verdict {
    Verdict::json(200, &json!({"ok": false, "error": word}))
}

fn post(body: Value, last: &mut u32) -> Verdict {
    const MEMBERS: [&str; 7] =
        ["channel", "text", "blocks", "unfurl_links", "unfurl_media", "thread_ts", "reply_broadcast"];
    if body["channel"] != CHANNEL && body["channel"] != PERSON.1 {
        return error("channel_not_found");
    }
    match checked(&body, &MEMBERS) {
        Ok(()) => {
            *last += 1;
            let ts = format!("1503435956.{:06}", *last);
            Verdict::json(200, &json!({"ok": true, "channel": body["channel"], "ts": ts})).accepting(body)
        }
        Err(word) => error(word),
    }
}

fn checked(body: &Value, members: &[&str]) -> Result<(), &'static str> {
    if !Request::unknown_members(body, members).is_empty() {
        return Err("invalid_arguments");
    }
    let text = body["text"].as_str().unwrap_or_default();
    if text.is_empty() {
        return Err("no_text");
    }
    if text.chars().count() > 40_000 {
        return Err("msg_too_long");
    }
    if mentions(text) {
        return Err("a_mention");
    }
    let blocks = body["blocks"].as_array().ok_or("invalid_blocks")?;
    if blocks.len() > 50 {
        return Err("invalid_blocks");
    }
    let mut all = 0;
    for block in blocks {
        let object = &block["text"];
        let text = object["text"].as_str().unwrap_or_default();
        let length = text.chars().count();
        all += length;
        let known = Request::unknown_members(object, &["type", "text", "verbatim"]).is_empty()
            && Request::unknown_members(block, &["type", "text"]).is_empty();
        if !known || block["type"] != "section" || object["type"] != "mrkdwn" || length == 0 || length > 3_000 {
            return Err("invalid_blocks");
        }
        if mentions(text) || text.chars().any(|c| c.is_control() && c != '\n') {
            return Err("a_mention");
        }
    }
    if all > 13_000 { Err("msg_blocks_too_long") } else { Ok(()) }
}

/// A bare `<` begins a mention or a link; a bare `&` is no entity.
fn mentions(text: &str) -> bool {
    let entities = ["amp;", "lt;", "gt;"];
    text.contains(['<', '>'])
        || text.split('&').skip(1).any(|after| !entities.iter().any(|name| after.starts_with(name)))
}
