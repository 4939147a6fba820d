//! Tells the id of a person from everything else that stands in a list of allowed senders.
//!
//! Invariant: what counts as a person has only letters, digits, `_`, `-`, `.` and `@`, and a bounded length; a group, a
//! channel, a user name or a bot never counts. Prefixes are those that the plugins strip (versions in
//! [`super`]).

use super::found::{IdKind, Kind};
use serde_json::Value;

/// Longest entry that is looked at.
const MAX_ENTRY: usize = 200;
/// What leads to a list of `accessGroups` (OpenClaw 2026.9.6).
const GROUP: &str = "accessGroup:";

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A person.
    Person {
        /// The id alone.
        id: String,
        /// What the provider calls it.
        kind: IdKind,
    },
    /// `*`.
    Everyone,
    /// A list in `accessGroups`, by its name.
    Group(String),
    /// A group chat, a user name, or nothing sensible.
    Other,
}

/// What an entry says, and whether it names its channel (`telegram:1`), without which it may be meant for another.
pub(super) fn read(kind: Kind, entry: &Value) -> (Entry, bool) {
    let text = match entry {
        Value::String(text) if text.len() <= MAX_ENTRY => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return (Entry::Other, false);
        }
    };
    if let Some(name) = text.strip_prefix(GROUP) {
        return (Entry::Group(name.trim().to_owned()), false);
    }
    let (text, named) = without_channel(kind, &text);
    let entry = if text == "*" {
        Entry::Everyone
    } else {
        person(kind, text).map_or(Entry::Other, |(id, kind)| Entry::Person { id, kind })
    };
    (entry, named)
}

/// The form of the id can only be that of this channel.
pub(super) fn is_unmistakable(kind: Kind, id: &str, of: IdKind) -> bool {
    match kind {
        Kind::Feishu => of == IdKind::OpenId,
        Kind::Slack => true,
        // Ids of the other channels that are digits are shorter.
        Kind::Discord => id.len() >= 17,
        Kind::DingTalk | Kind::Telegram => false,
    }
}

fn without_channel(kind: Kind, text: &str) -> (&str, bool) {
    let prefixes: &[&str] = match kind {
        Kind::Feishu => &["feishu:", "lark:"],
        Kind::DingTalk => &["dingtalk:", "dd:", "ding:"],
        Kind::Telegram => &["telegram:", "tg:"],
        Kind::Discord => &["discord:"],
        Kind::Slack => &["slack:"],
    };
    match prefixes.iter().find_map(|prefix| strip(text, prefix)) {
        Some(rest) => (rest.trim(), true),
        None => (text, false),
    }
}

/// `text` behind a prefix in whatever case.
fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn person(kind: Kind, text: &str) -> Option<(String, IdKind)> {
    let user = |text: &str| strip(text, "user:").map_or_else(|| text.to_owned(), |rest| rest.trim().to_owned());
    match kind {
        Kind::Feishu => feishu(text),
        Kind::DingTalk => {
            let id = user(text);
            // `cid…` is a conversation; an id with `$` or `:` is not one that the API takes for a member of staff.
            (is_plain(&id, 64) && !id.starts_with("cid")).then_some((id, IdKind::UserId))
        }
        Kind::Telegram => {
            let id = user(text);
            // A negative id is a group.
            is_digits(&id, 1, 19).then_some((id, IdKind::UserId))
        }
        Kind::Discord => {
            let id = mention(&user(text));
            is_digits(&id, 15, 20).then_some((id, IdKind::UserId))
        }
        Kind::Slack => slack(text).map(|id| (id, IdKind::UserId)),
    }
}

/// `normalizeFeishuAllowEntry`, `resolveReceiveIdType`.
fn feishu(text: &str) -> Option<(String, IdKind)> {
    let typed = ["open_id:", "user:", "dm:"].iter().find_map(|prefix| strip(text, prefix).map(|rest| (*prefix, rest)));
    let (prefix, id) = typed.unwrap_or(("", text));
    let id = id.trim();
    if !is_plain(id, 64) || id.starts_with("oc_") || id.contains(['.', '@']) {
        return None;
    }
    let open = prefix == "open_id:" || id.starts_with("ou_");
    Some((id.to_owned(), if open { IdKind::OpenId } else { IdKind::UserId }))
}

/// `U…` and `W…` are people, `B…` is a bot; `team:T…:user:U…` names the workspace too.
fn slack(text: &str) -> Option<String> {
    let text = match strip(text, "team:").and_then(|rest| rest.split_once(':')) {
        Some((_, rest)) => rest,
        None => text,
    };
    let id = mention(strip(text, "user:").unwrap_or(text).trim()).to_ascii_uppercase();
    let fits = (6..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    // A word that begins so has no digit.
    (fits && id.starts_with(['U', 'W']) && id.bytes().any(|b| b.is_ascii_digit())).then_some(id)
}

/// The id in `<@ID>`.
fn mention(text: &str) -> String {
    let inner = text.strip_prefix("<@").and_then(|rest| rest.strip_suffix('>'));
    inner.map_or(text, |id| id.trim_start_matches('!')).to_owned()
}

fn is_digits(id: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit())
}

fn is_plain(id: &str, most: usize) -> bool {
    !id.is_empty()
        && id.len() <= most
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@'))
        && id.bytes().any(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id(kind: Kind, entry: Value) -> Option<String> {
        match read(kind, &entry).0 {
            Entry::Person { id, .. } => Some(id),
            Entry::Everyone | Entry::Group(_) | Entry::Other => None,
        }
    }

    #[test]
    fn the_forms_that_openclaw_takes_are_read() {
        for (kind, entry, wanted) in [
            (Kind::Telegram, json!("telegram:4242424242"), "4242424242"),
            (Kind::Telegram, json!(" TG:42 "), "42"),
            (Kind::Telegram, json!(4_242_424_242_u64), "4242424242"),
            (Kind::Telegram, json!("telegram:user:42"), "42"),
            (Kind::Discord, json!("<@!123456789012345678>"), "123456789012345678"),
            (Kind::Discord, json!("user:123456789012345678"), "123456789012345678"),
            (Kind::Slack, json!("slack:u01abcdef"), "U01ABCDEF"),
            (Kind::Slack, json!("<@U01ABCDEF>"), "U01ABCDEF"),
            (Kind::Slack, json!("team:T1:user:U01ABCDEF"), "U01ABCDEF"),
            (Kind::Feishu, json!("feishu:open_id:ou_7d8a"), "ou_7d8a"),
            (Kind::Feishu, json!("dm:4f2c"), "4f2c"),
            (Kind::DingTalk, json!("dd:manager1234"), "manager1234"),
            (Kind::DingTalk, json!("user:0123456789"), "0123456789"),
        ] {
            assert_eq!(id(kind, entry.clone()).as_deref(), Some(wanted), "{kind:?} {entry}");
        }
        assert_eq!(
            read(Kind::Feishu, &json!("ou_7d8a")).0,
            Entry::Person { id: "ou_7d8a".into(), kind: IdKind::OpenId }
        );
        assert_eq!(read(Kind::Telegram, &json!("*")).0, Entry::Everyone);
        assert_eq!(read(Kind::Telegram, &json!("telegram:*")), (Entry::Everyone, true));
        assert_eq!(read(Kind::Telegram, &json!("accessGroup: ops")).0, Entry::Group("ops".into()));
    }

    #[test]
    fn groups_names_bots_and_markup_are_no_people() {
        for (kind, entry) in [
            (Kind::Telegram, json!("-1001234567890")),
            (Kind::Telegram, json!("@name")),
            (Kind::Telegram, json!(1.5)),
            (Kind::Telegram, json!("discord:123456789012345678")),
            (Kind::Discord, json!("channel:123456789012345678")),
            (Kind::Discord, json!("42")),
            (Kind::Slack, json!("B01ABCDEF")),
            (Kind::Slack, json!("william")),
            (Kind::Slack, json!("C01ABCDEF")),
            (Kind::Feishu, json!("oc_12ab")),
            (Kind::Feishu, json!("chat:oc_12ab")),
            (Kind::Feishu, json!("user:oc_12ab")),
            (Kind::Feishu, json!("telegram:42")),
            (Kind::DingTalk, json!("cidABC==")),
            (Kind::DingTalk, json!("cid123")),
            (Kind::DingTalk, json!("group:123")),
            (Kind::DingTalk, json!("$:LWCP_v1:$abc")),
            (Kind::DingTalk, json!("a\nb")),
            (Kind::DingTalk, json!("<at id=all>")),
            (Kind::DingTalk, json!("x".repeat(1_000_000))),
            (Kind::DingTalk, json!({"id": "a"})),
        ] {
            assert_eq!(id(kind, entry.clone()), None, "{kind:?} {entry:.60}");
        }
    }
}
