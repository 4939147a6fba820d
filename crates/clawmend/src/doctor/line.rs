//! One line of a log: what it says, and when it was written.
//!
//! Knows the JSON log of the day, the gateway's own output, and the prefixes that journals and containers put before
//! it. Text that is none of these is taken as it is.

use crate::openclaw::redact::plain;
use serde::Deserialize;
use std::borrow::Cow;

/// A line of the JSON log.
#[derive(Deserialize)]
struct JsonLine<'a> {
    #[serde(rename = "0", borrow)]
    first: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Subsystem<'a> {
    #[serde(borrow)]
    subsystem: Cow<'a, str>,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `[telegram] channel exited …`: the subsystem where it is known, then the text; without control characters.
    pub text: String,
    /// When, in milliseconds since 1970.
    pub at_ms: Option<i64>,
}

/// Parses a line.
#[must_use]
pub fn parse(line: &str) -> Message {
    let line = line.trim();
    if line.starts_with('{')
        && let Some(message) = of_json(line)
    {
        return message;
    }
    let text = plain(line);
    let text = text.trim();
    let (stamp, rest) = split_stamp(text);
    Message { text: rest.to_owned(), at_ms: stamp.and_then(milliseconds) }
}

fn of_json(line: &str) -> Option<Message> {
    let line: JsonLine<'_> = serde_json::from_str(line).ok()?;
    let message = line.message?;
    let tag = line.first.as_deref().and_then(|first| serde_json::from_str::<Subsystem<'_>>(first).ok());
    let text = match tag {
        // `gateway/health-monitor` is `[health-monitor]` on the gateway's output.
        Some(tag) => format!("[{}] {}", tag.subsystem.rsplit('/').next().unwrap_or_default(), plain(&message)),
        None => plain(&message),
    };
    Some(Message { text, at_ms: line.time.as_deref().and_then(milliseconds) })
}

/// When a line was written, without looking at the rest of it.
#[must_use]
pub fn time_of(line: &[u8]) -> Option<i64> {
    // The cut may fall into a character.
    let line = String::from_utf8_lossy(line.get(..line.len().min(4096))?);
    if line.starts_with('{') {
        let at = line.find("\"time\":\"")? + 8;
        return milliseconds(line.get(at..)?.split('"').next()?);
    }
    if line.starts_with('\u{1b}') {
        // A gateway that was told to write in colours.
        return split_stamp(plain(&line).trim_start()).0.and_then(milliseconds);
    }
    split_stamp(&line).0.and_then(milliseconds)
}

/// An ISO time at the beginning, or behind a container's name and `|`.
fn split_stamp(text: &str) -> (Option<&str>, &str) {
    let rest = match text.split_once(" | ") {
        Some((name, rest)) if name.len() < 64 && !name.contains(' ') || name_is_padded(text) => rest.trim_start(),
        _ => text,
    };
    match rest.split_once(' ') {
        Some((first, tail)) if is_stamp(first) => (Some(first), tail.trim_start()),
        _ => (None, rest),
    }
}

fn name_is_padded(text: &str) -> bool {
    text.split_once('|').is_some_and(|(name, _)| name.len() < 64 && !name.trim_end().contains(' '))
}

fn is_stamp(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() >= 19 && bytes.get(4) == Some(&b'-') && bytes.get(10) == Some(&b'T')
}

fn milliseconds(stamp: &str) -> Option<i64> {
    stamp.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// The message without its `[subsystem]` and `[account]`.
#[must_use]
pub fn body(message: &str) -> &str {
    let mut rest = message.trim_start();
    for _ in 0..2 {
        match rest.strip_prefix('[').and_then(|inner| inner.split_once("] ")) {
            Some((tag, tail)) if tag.len() < 64 => rest = tail.trim_start(),
            _ => break,
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_keeps_its_time_wherever_it_is_cut() {
        for pad in 0..3 {
            let line = format!("2026-11-20T10:30:37.976Z {}{}", "x".repeat(pad), "\u{7f51}".repeat(2_000));
            assert_eq!(time_of(line.as_bytes()), milliseconds("2026-11-20T10:30:37.976Z"), "pad {pad}");
        }
        assert!(milliseconds("2026-11-20T10:30:37.976Z").is_some());
    }

    #[test]
    fn all_forms_say_the_same() {
        let text = "[telegram] [default] channel exited: Unauthorized";
        for line in [
            "2026-11-20T10:30:37.976+00:00 [telegram] [default] channel exited: Unauthorized",
            "\u{1b}[31m2026-11-20T10:30:37.976Z\u{1b}[0m [telegram] [default] channel exited: Unauthorized",
            "openclaw-gateway  | 2026-11-20T10:30:37.976Z [telegram] [default] channel exited: Unauthorized",
            r#"{"0":"{\"subsystem\":\"gateway/channels/telegram\"}","message":"[default] channel exited: Unauthorized","time":"2026-11-20T10:30:37.976+00:00"}"#,
        ] {
            let message = parse(line);
            assert_eq!(message.text, text, "{line}");
            assert_eq!(message.at_ms, Some(1_795_170_637_976), "{line}");
            assert!(line.starts_with(['\u{1b}', 'o']) || time_of(line.as_bytes()) == message.at_ms, "{line}");
        }
        assert_eq!(body(text), "channel exited: Unauthorized");
        assert_eq!(parse("listen on ws://x | listen EADDRINUSE").text, "listen on ws://x | listen EADDRINUSE");
        assert_eq!(parse("{half").text, "{half");
    }
}
