//! The Bot API, as far as a bot that only writes needs it: <https://core.telegram.org/bots/api#sendmessage>.
//!
//! Every other method is refused, so that a test sees when one is called.

use super::{Request, Says, StandIn, Verdict};
use anyhow::Result;
use serde_json::{Value, json};

/// The only token that it knows.
pub const TOKEN: &str = "4242:canary-telegram-Token_0123456789";
/// For messages; whatever stands for Telegram may get its token.
pub const SERVICE: &str = "Telegram";
/// The only chat that it knows.
pub const CHAT: i64 = -100_777;

const MEMBERS: [&str; 17] = [
    "business_connection_id",
    "chat_id",
    "message_thread_id",
    "direct_messages_topic_id",
    "text",
    "parse_mode",
    "entities",
    "link_preview_options",
    "disable_notification",
    "protect_content",
    "allow_paid_broadcast",
    "message_effect_id",
    "suggested_post_parameters",
    "reply_parameters",
    "reply_markup",
    "reply_to_message_id",
    "disable_web_page_preview",
];

/// Starts it.
///
/// # Errors
/// As [`StandIn::start`].
pub fn start() -> Result<StandIn> {
    let mut last = 0;
    StandIn::start_as(SERVICE, &[("Telegram's bot token", TOKEN)], move |request, says| match says {
        Says::Unauthorized => refused(401, "Unauthorized"),
        Says::RateLimited(seconds) => Verdict::json(
            429,
            &json!({"ok": false, "error_code": 429, "description": format!("Too Many Requests: retry after {seconds}"),
                "parameters": {"retry_after": seconds}}),
        ),
        Says::Error(words) => {
            let status = if words.starts_with("Forbidden") { 403 } else { 400 };
            // As the real one does, the code is in the body, too; some proxies make it a 200.
            refused(status, words)
        }
        Says::Contract => send(request, &mut last),
    })
}

fn refused(code: u16, description: &str) -> Verdict {
    Verdict::json(code, &json!({"ok": false, "error_code": code, "description": description}))
}

fn send(request: &Request, last: &mut i64) -> Verdict {
    let Some((bot, method)) = request.path.strip_prefix("/bot").and_then(|path| path.split_once('/')) else {
        return refused(404, "Not Found");
    };
    if bot != TOKEN {
        return refused(401, "Unauthorized");
    }
    if request.method != "POST" || method != "sendMessage" {
        return refused(404, "Not Found: method not found");
    }
    let Some(body) = request.json() else { return refused(400, "Bad Request: message text is empty") };
    match checked(&body) {
        Err(why) => refused(400, &format!("Bad Request: {why}")),
        Ok(()) => {
            *last += 1;
            let result =
                json!({"message_id": *last, "date": 1, "chat": {"id": CHAT, "type": "group"}, "text": body["text"]});
            Verdict::json(200, &json!({"ok": true, "result": result})).accepting(body)
        }
    }
}

fn checked(body: &Value) -> Result<(), String> {
    let unknown = Request::unknown_members(body, &MEMBERS);
    if !unknown.is_empty() {
        return Err(format!("unknown parameters {unknown:?}"));
    }
    if body["chat_id"] != json!(CHAT) {
        return Err("chat not found".to_owned());
    }
    let text = body["text"].as_str().unwrap_or_default();
    if body["parse_mode"] != "HTML" {
        return Err("the stand-in only reads HTML".to_owned());
    }
    let shown = without_entities(text)?;
    match shown.encode_utf16().count() {
        0 => Err("message text is empty".to_owned()),
        1..=4096 => Ok(()),
        _ => Err("message is too long".to_owned()),
    }
}

/// The text after entities are parsed. Only documented tags, properly nested; only the four named entities.
pub(super) fn without_entities(text: &str) -> Result<String, String> {
    const TAGS: [&str; 9] = ["b", "strong", "i", "em", "u", "s", "code", "pre", "blockquote"];
    let mut shown = String::new();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '<' => {
                let end = rest.find('>').ok_or("can't parse entities: unclosed start tag")?;
                let tag = rest.get(1..end).unwrap_or_default();
                if let Some(tag) = tag.strip_prefix('/') {
                    if open.pop() != Some(tag) {
                        return Err(format!("can't parse entities: unexpected end tag {tag}"));
                    }
                } else if TAGS.contains(&tag) {
                    open.push(tag);
                } else {
                    return Err(format!("can't parse entities: unsupported start tag \"{tag}\""));
                }
                rest = rest.get(end + 1..).unwrap_or_default();
            }
            '&' => {
                let known = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')];
                let found =
                    known.iter().find(|(name, _)| rest.starts_with(name)).ok_or("can't parse entities: bare &")?;
                shown.push(found.1);
                rest = rest.get(found.0.len()..).unwrap_or_default();
            }
            _ => {
                if c.is_control() && c != '\n' {
                    return Err("a control character".to_owned());
                }
                shown.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    if open.is_empty() {
        Ok(shown.trim().to_owned())
    } else {
        Err("can't parse entities: can't find end tag".to_owned())
    }
}
