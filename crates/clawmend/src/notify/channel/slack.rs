//! What both ways to Slack have in common: the blocks of a message, and the meaning of error words.
//!
//! From Slack's documentation: [formatting text](https://docs.slack.dev/messaging/formatting-message-text) (`&`, `<` and
//! `>` are escaped; there is no escape for `*`, `_` and `~`), [text object](https://docs.slack.dev/reference/block-kit/composition-objects/text-object)
//! (`verbatim` stops names and links from being recognised), [section](https://docs.slack.dev/reference/block-kit/blocks/section-block)
//! (3000 characters), [blocks](https://docs.slack.dev/reference/block-kit/blocks) (50 in a message), and the errors of
//! [chat.postMessage](https://docs.slack.dev/reference/methods/chat.postMessage). All blocks together are refused as
//! `msg_blocks_too_long` [from about 13 200 characters on](https://github.com/slackapi/bolt-js/issues/2509).
//!
//! Invariant: no text of a letter can mention anybody: a mention needs a bare `<`.

use crate::notify::http::{Answer, by_status, said};
use crate::notify::render::{self, Markup, Unit};
use crate::notify::{Letter, NotDelivered};
use serde_json::{Value, json};

/// Longest section.
const MAX_SECTION: usize = 3_000;
/// Sections of a message: together below what Slack takes.
const MAX_SECTIONS: usize = 4;
const MAX_TITLE: usize = 300;

const MARKUP: Markup = Markup {
    escape: render::html,
    escape_code: code,
    heading: ("*", "*"),
    text: ("", ""),
    label: ("*", "*"),
    item: ("• ", ""),
    code: ("```\n", "\n```"),
};

/// A backquote would end the code; its look-alike does not.
fn code(c: char, out: &mut String) {
    if c == '`' { out.push('ˋ') } else { render::html(c, out) }
}

/// `text` (what a notification shows) and `blocks` (what the message shows).
pub fn message(letter: &Letter) -> Value {
    let title = render::marked_title(letter, render::html, Unit::Utf16, MAX_TITLE);
    let pages = render::pages(&letter.parts, &MARKUP, Unit::Utf16, MAX_SECTION, MAX_SECTIONS);
    let bold = format!("*{title}*");
    let blocks: Vec<Value> = std::iter::once(&bold).chain(&pages).map(|text| section(text)).collect();
    json!({"text": title, "blocks": blocks, "unfurl_links": false, "unfurl_media": false})
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
}

/// By the word that Slack gives as its error.
pub fn failed(word: &str, answer: &Answer) -> NotDelivered {
    let why = format!("Slack says {}", said(word));
    match word {
        "invalid_auth"
        | "not_authed"
        | "token_revoked"
        | "token_expired"
        | "account_inactive"
        | "access_denied"
        | "not_allowed_token_type"
        | "org_login_required"
        | "team_access_not_granted"
        | "ekm_access_denied"
        | "accesslimited"
        | "invalid_token"
        | "no_service"
        | "no_service_id"
        | "no_active_hooks"
        | "no_team"
        | "team_disabled" => NotDelivered::person(
            why,
            "Slack does not take the credential any more: install the app again and copy its bot token or webhook address",
        ),
        "missing_scope" | "no_permission" => NotDelivered::person(
            why,
            "give the app the bot scopes chat:write and im:write under OAuth & Permissions, and install it again",
        ),
        "not_in_channel" => NotDelivered::person(why, "invite the app into the channel: /invite @its-name"),
        "channel_not_found"
        | "is_archived"
        | "channel_is_archived"
        | "user_not_found"
        | "user_not_visible"
        | "user_disabled"
        | "cannot_dm_bot"
        | "messages_tab_disabled"
        | "method_not_supported_for_channel_type" => {
            NotDelivered::person(why, "choose another channel or person, by its id (C…, G…, D… or U…)")
        }
        "action_prohibited"
        | "restricted_action"
        | "restricted_action_read_only_channel"
        | "posting_to_general_channel_denied"
        | "restricted_action_thread_only_channel"
        | "restricted_action_non_threadable_channel" => NotDelivered::person(
            why,
            "ask who runs the workspace to let the app write there, or choose another channel",
        ),
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => {
            NotDelivered::Retry { why: "Slack is asked too often".to_owned(), after: answer.retry_after() }
        }
        "service_unavailable" | "rollup_error" | "team_added_to_org" => NotDelivered::later(why),
        // "It's possible some aspect of the operation succeeded before the error was raised."
        "internal_error" | "fatal_error" | "request_timeout" => NotDelivered::unsure(why),
        _ => NotDelivered::refused(why),
    }
}

/// Statuses that say it all, before any body is looked at.
pub fn by_status_alone(answer: &Answer, host: &str) -> Option<NotDelivered> {
    match answer.status.as_u16() {
        429 => by_status(answer, host),
        // A proxy's page, or Slack in trouble.
        500..=599 => by_status(answer, host),
        300..=399 => by_status(answer, host),
        _ => None,
    }
}
