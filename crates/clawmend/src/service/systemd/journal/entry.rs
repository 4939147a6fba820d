//! One line of `journalctl --output=json`: what was said.
//!
//! The form is described in systemd's "Journal JSON Format": a field is a text; an array of byte numbers where it is no
//! UTF-8 or has control characters; null where it is too large; an array of these where it was given several times.
//! Invariant: a line of any other form is passed over.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Kept of one message: longer lines of a log are not looked at to their end either.
const MAX_MESSAGE: usize = crate::doctor::log::MAX_LINE;

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "MESSAGE")]
    message: Option<Message>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    Several(Vec<Message>),
    Other(IgnoredAny),
}

impl Message {
    fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.into_bytes()),
            Self::Bytes(bytes) => Some(bytes),
            // The last one is the one that counts for `journalctl` itself.
            Self::Several(all) => all.into_iter().next_back()?.into_bytes(),
            Self::Other(IgnoredAny) => None,
        }
    }
}

/// The messages, one a line, the oldest first, of an answer that has the newest first. Of one that is not `whole` the
/// last line is a part of a line.
pub fn oldest_first(answer: &[u8], whole: bool) -> Vec<u8> {
    let end = if whole { answer.len() } else { memchr::memrchr(b'\n', answer).unwrap_or(0) };
    let mut text = Vec::new();
    for line in answer.get(..end).unwrap_or_default().rsplit(|byte| *byte == b'\n') {
        if let Some(mut message) = message_of(line) {
            message.truncate(MAX_MESSAGE);
            text.append(&mut message);
            text.push(b'\n');
        }
    }
    text
}

fn message_of(line: &[u8]) -> Option<Vec<u8>> {
    // An array would be read as an entry, too: its first value as the first field.
    let object = line.first() == Some(&b'{');
    serde_json::from_slice::<Entry>(line).ok().filter(|_| object)?.message?.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(answer: &str) -> Vec<String> {
        let text = oldest_first(answer.as_bytes(), true);
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_form_of_a_message_is_read_and_the_oldest_comes_first() {
        let answer = r#"{"__CURSOR":"s=1;i=5","MESSAGE":"newest"}
{"MESSAGE":[27,91,51,49,109,255,114,101,100],"__REALTIME_TIMESTAMP":"1795644201940784"}
{"MESSAGE":null}
{"MESSAGE":["first","second"]}
{"MESSAGE":[[97,98],[99,100]]}
{"__CURSOR":"s=1;i=1"}
{"MESSAGE":"oldest"}
"#;
        assert_eq!(texts(answer), ["oldest", "cd", "second", "\u{1b}[31m\u{fffd}red", "newest"]);
    }

    #[test]
    fn what_has_another_form_is_passed_over() {
        let deep = format!("{{\"MESSAGE\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
        let hostile = [
            "-- No entries --",
            "",
            "{\"MESSAGE\":\"half",
            "{\"MESSAGE\":\"twice\",\"MESSAGE\":\"twice\"}",
            "{\"MESSAGE\":7}",
            "{\"MESSAGE\":[300]}",
            "{\"MESSAGE\":[-1,1.5]}",
            "{\"MESSAGE\":[]}",
            "{\"MESSAGE\":{\"MESSAGE\":\"inner\"}}",
            "[\"MESSAGE\"]",
            "\"MESSAGE\"",
            "null",
            "{\"MESSAGE\":\"lone \\ud800 surrogate\"}",
            &deep,
            "{\"MESSAGE\":\"fine\"} trailing",
        ];
        let answer = format!("{}\n{{\"MESSAGE\":\"the only one\"}}\n", hostile.join("\n"));
        let found: Vec<String> = texts(&answer).into_iter().filter(|text| !text.is_empty()).collect();
        assert_eq!(found, ["the only one"]);
        assert!(oldest_first(b"\xff\xfe\x00{\"MESSAGE\":\"x\"}\n", true).is_empty());
    }

    #[test]
    fn a_message_is_bounded_and_half_a_line_is_not_read() {
        let long = format!("{{\"MESSAGE\":\"{}\"}}\n", "x".repeat(10 * MAX_MESSAGE));
        assert_eq!(oldest_first(long.as_bytes(), true).len(), MAX_MESSAGE + 1);
        let cut = b"{\"MESSAGE\":\"new\"}\n{\"MESSAGE\":\"old\"}";
        assert_eq!(oldest_first(cut, false), b"new\n");
        assert_eq!(oldest_first(cut, true), b"old\nnew\n");
        assert!(oldest_first(b"{\"MESSAGE\":\"no end", false).is_empty());
    }
}
