//! What both ways to Discord have in common: the message, and the meaning of its errors.
//!
//! From Discord's documentation: [messages](https://docs.discord.com/developers/resources/message#embed-object-embed-limits)
//! (content 2000 characters; an embed's description 4096, its footer 2048, together 6000),
//! [rate limits](https://docs.discord.com/developers/topics/rate-limits) (429 with `retry_after` in seconds, also the
//! global limit and the ban by address), [error codes](https://docs.discord.com/developers/topics/opcodes-and-status-codes#json),
//! and the [user agent](https://docs.discord.com/developers/reference#user-agent) that it asks for.
//!
//! Invariant: no message can mention anybody: `allowed_mentions` allows none.

use crate::notify::http::{Answer, bounded_seconds, by_status, said};
use crate::notify::render::{self, Markup, Unit};
use crate::notify::{Letter, NotDelivered};
use clawmend_core::alert::Level;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

/// Longest title, as content.
const MAX_TITLE: usize = 500;
/// Longest description of an embed.
const MAX_DESCRIPTION: usize = 4_096;
const MAX_FOOTER: usize = 200;
/// In the form that Discord asks for.
const USER_AGENT: &str = concat!("DiscordBot (clawmend, ", env!("CARGO_PKG_VERSION"), ")");

const MARKUP: Markup = Markup {
    escape: markdown,
    escape_code: code,
    heading: ("**", "**"),
    text: ("", ""),
    label: ("**", "**"),
    item: ("- ", ""),
    code: ("```\n", "\n```"),
};

/// A backslash makes every mark of its Markdown an ordinary character.
fn markdown(c: char, out: &mut String) {
    if matches!(c, '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '#' | '[' | ']' | '@') {
        out.push('\\');
    }
    out.push(c);
}

/// A backquote would end the code; its look-alike does not.
fn code(c: char, out: &mut String) {
    out.push(if c == '`' { 'ˋ' } else { c });
}

/// The title is content, so that a phone shows it; the rest is an embed.
pub fn message(letter: &Letter) -> Value {
    let title = render::marked_title(letter, markdown, Unit::Utf16, MAX_TITLE);
    let mut embed = json!({
        "color": colour(letter.level),
        "footer": {"text": render::line(&letter.host, render::as_it_is, Unit::Utf16, MAX_FOOTER)},
    });
    if let Ok(at) = jiff::Timestamp::from_millisecond(letter.at.0) {
        embed["timestamp"] = json!(at.to_string());
    }
    let body = render::page(&letter.parts, &MARKUP, Unit::Utf16, MAX_DESCRIPTION);
    if !body.is_empty() {
        embed["description"] = json!(body);
    }
    json!({"content": format!("**{title}**"), "embeds": [embed], "allowed_mentions": {"parse": []}})
}

const fn colour(level: Level) -> u32 {
    match level {
        Level::Info => 0x0034_98db,
        Level::Warning => 0x00f1_c40f,
        Level::Error => 0x00e6_7e22,
        Level::Critical => 0x00e7_4c3c,
    }
}

/// As Discord asks for it.
pub fn named(request: RequestBuilder) -> RequestBuilder {
    request.header(reqwest::header::USER_AGENT, USER_AGENT)
}

/// By its error code, where there is one, and its status. `credential` says what to do about one that is refused.
pub fn failed(answer: &Answer, host: &str, credential: &str) -> NotDelivered {
    let body = answer.json().unwrap_or_default();
    let why = match body["message"].as_str() {
        Some(message) => format!("Discord says {}", said(message)),
        None => format!("{host} answers {}", answer.status.as_u16()),
    };
    match (answer.status.as_u16(), body["code"].as_u64().unwrap_or(0)) {
        (429, _) | (_, 20016 | 20028 | 40003) => NotDelivered::Retry {
            why: if body["global"] == json!(true) {
                "Discord is asked too often, on all routes".to_owned()
            } else {
                "Discord is asked too often".to_owned()
            },
            after: body["retry_after"].as_f64().and_then(bounded_seconds).or_else(|| answer.retry_after()),
        },
        (_, 10015 | 50027) | (401, _) => NotDelivered::person(why, credential),
        (_, 50007 | 50278) => NotDelivered::person(
            why,
            "this person must share a server with the bot and allow direct messages from its members",
        ),
        (_, 10003 | 10013 | 50001 | 50013 | 50033) => {
            NotDelivered::person(why, "check `to`, and that the bot may see this channel and send messages there")
        }
        (_, 220_001..=220_004) => NotDelivered::person(
            why,
            "the webhook's channel is a forum: add ?thread_id=… to its address, or make a webhook of a text channel",
        ),
        (403, _) => NotDelivered::person(why, "check the bot's rights in this channel"),
        (404, _) => NotDelivered::person(why, credential),
        (400, _) => NotDelivered::refused(why),
        _ => by_status(answer, host).unwrap_or_else(|| NotDelivered::refused(why)),
    }
}
