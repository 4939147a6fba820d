//! The words that answer a question in a chat without buttons: a verb for people, and what the button would have carried.
//!
//! Invariant: the verb decides nothing. One that says something else than the button makes the whole no answer to anything.

use super::button::Button;

/// Longest text that can be an answer, in bytes.
const MAX: usize = 128;

/// The words in place of the button with this data; `None`: it is none.
#[must_use]
pub fn words(data: &str) -> Option<String> {
    let verb = if Button::parse(data)?.approve { "approve" } else { "deny" };
    Some(format!("{verb} {data}"))
}

/// The data of the button that this text stands for; `None`: it is not meant as an answer. What is altered comes out as it is,
/// and is no button.
#[must_use]
pub fn data_in(text: &str) -> Option<&str> {
    let text = text.trim();
    if text.len() > MAX {
        return None;
    }
    let mut words = text.split_whitespace();
    let (verb, data) = (words.next()?.to_ascii_lowercase(), words.next()?);
    let approve = match verb.as_str() {
        "approve" | "批准" => true,
        "deny" | "拒绝" => false,
        _ => return None,
    };
    let fits = words.next().is_none() && Button::parse(data).is_some_and(|button| button.approve == approve);
    Some(if fits { data } else { text })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_verb_changes_nothing() {
        let zeros = "A".repeat(44);
        let (yes, no) = (format!("1y{zeros}1a"), format!("1n{zeros}1a"));
        assert_eq!(words(&yes).unwrap(), format!("approve {yes}"));
        assert_eq!(words(&no).unwrap(), format!("deny {no}"));
        assert_eq!(words("nonsense"), None);
        for text in [words(&yes).unwrap(), format!(" Approve  {yes}\n"), format!("批准 {yes}")] {
            assert_eq!(data_in(&text), Some(yes.as_str()), "{text}");
        }
        assert_eq!(data_in(&format!("拒绝 {no}")), Some(no.as_str()));
        for text in [format!("approve {no}"), format!("deny {yes}"), format!("approve {yes} {yes}"), "approve 3".into()]
        {
            assert_eq!(Button::parse(data_in(&text).unwrap()), None, "{text}");
        }
        for text in ["", "approve", "status", &yes, &format!("approve {}", "A".repeat(200))] {
            assert_eq!(data_in(text), None, "{text}");
        }
    }
}
