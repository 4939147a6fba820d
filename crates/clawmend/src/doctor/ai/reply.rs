//! Reads an engine's answer.
//!
//! Invariant: whatever the bytes, the outcome is advice from the closed list or a reason; it takes no more memory than a
//! few times [`MAX_REPLY`], and runs nothing. The answer is one JSON object: bare, in the engine's own envelope, or in
//! the only fenced block of a text. An object in the middle of a text is not looked for: an engine that prints the
//! question again would answer itself. Start at [`parse`].

use super::envelope::{self, Opened};
use crate::openclaw::redact::plain;
use clawmend_core::diagnosis::advice::{Advice, AdviceError, Reply};

/// Longest answer, with its envelope.
pub const MAX_REPLY: usize = 256 * 1024;
/// Some versions of iFlow CLI print figures of the call after the answer. No line of a JSON text can begin so.
const EPILOGUE: &str = "\n<Execution Info>";
/// Envelopes and fences around one answer.
const MAX_LAYERS: usize = 3;

/// Why an answer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Nothing came.
    #[error("the answer is empty")]
    Empty,
    /// Far more than any advice.
    #[error("the answer is longer than {MAX_REPLY} bytes")]
    TooLong,
    /// Not a text.
    #[error("the answer is not UTF-8 text")]
    NotText,
    /// Prose, half a JSON, or something else.
    #[error("the answer is not one JSON object: {0}")]
    NotJson(String),
    /// More than one could be meant.
    #[error("the answer has {0} fenced blocks, expected one")]
    SeveralBlocks(usize),
    /// JSON of another shape.
    #[error("the answer does not fit the schema: {0}")]
    Schema(String),
    /// It fits the schema and says something that is not allowed.
    #[error("the answer is refused: {0}")]
    Refused(#[from] AdviceError),
    /// The engine says itself that it failed.
    #[error("the engine failed: {0}")]
    Engine(String),
}

/// Reads an answer. Whether the lines exist to which it refers is asked later: [`Advice::grounded_in`].
///
/// # Errors
/// Why it is not taken.
pub fn parse(bytes: &[u8]) -> Result<Advice, ReplyError> {
    if bytes.len() > MAX_REPLY {
        return Err(ReplyError::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ReplyError::NotText)?;
    let mut text = text.split_once(EPILOGUE).map_or(text, |(answer, _)| answer).trim().to_owned();
    for _ in 0..MAX_LAYERS {
        if text.is_empty() {
            return Err(ReplyError::Empty);
        }
        if text.starts_with('{') {
            match envelope::open(&text) {
                Opened::Answer(inner) => inner.trim().clone_into(&mut text),
                Opened::Failed(why) => return Err(ReplyError::Engine(why)),
                Opened::None => break,
            }
        } else {
            text = fenced(&text)?.trim().to_owned();
        }
    }
    advice(&text)
}

/// Serde takes a list for a struct, too; the schema does not.
fn only_objects(text: &str) -> bool {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return false };
    let objects = |list: &str| value[list].as_array().is_some_and(|list| list.iter().all(|item| item.is_object()));
    value.is_object() && objects("hypotheses") && objects("plan")
}

fn advice(text: &str) -> Result<Advice, ReplyError> {
    let mut reply: Reply = serde_json::from_str(text).map_err(|error| {
        let why = plain(&error.to_string()).chars().take(200).collect();
        if error.is_data() { ReplyError::Schema(why) } else { ReplyError::NotJson(why) }
    })?;
    if !only_objects(text) {
        return Err(ReplyError::Schema("a list in the place of an object".to_owned()));
    }
    for hypothesis in &mut reply.hypotheses {
        hypothesis.title = plain(&hypothesis.title);
        hypothesis.why = plain(&hypothesis.why);
    }
    for step in &mut reply.plan {
        step.why = plain(&step.why);
    }
    Ok(Advice::of(reply, None)?)
}

/// The content of the only fenced block. Without one, the text as it is.
fn fenced(text: &str) -> Result<&str, ReplyError> {
    let mut blocks = 0;
    let mut opened: Option<usize> = None;
    let mut found = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        if line.trim_start().starts_with("```") {
            match opened.take() {
                Some(start) => {
                    blocks += 1;
                    found = text.get(start..at);
                }
                None => opened = Some(end),
            }
        }
        at = end;
    }
    match (blocks, opened, found) {
        (1, None, Some(block)) => Ok(block),
        (0, None, _) => Ok(text),
        (0 | 1, _, _) => Err(ReplyError::NotJson("a fenced block is not closed".to_owned())),
        (several, _, _) => Err(ReplyError::SeveralBlocks(several)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use clawmend_core::diagnosis::advice::{Place, Proposal};
    use proptest::prelude::*;

    const GOOD: &str = r#"{"hypotheses":[{"title":"Disk full","why":"ENOSPC","cause":"disk_full","class":null,
        "confidence":0.9,"evidence":[1]}],"plan":[{"action":"free_own_logs","why":"room","evidence":[1]}]}"#;

    #[test]
    fn an_answer_is_found_in_its_wrapping() {
        let claude =
            serde_json::json!({"type": "result", "is_error": false, "result": format!("```json\n{GOOD}\n```")});
        let gemini = serde_json::json!({"response": GOOD, "stats": {}});
        let openai =
            serde_json::json!({"choices": [{"message": {"content": format!("Here:\n```\n{GOOD}\n```\nDone.")}}]});
        for text in [
            GOOD.to_owned(),
            format!("\n\n  {GOOD}\n"),
            format!("```json\n{GOOD}\n```"),
            format!("{GOOD}\n\n<Execution Info>\n{{\"session-id\": \"x\"}}\n</Execution Info>\n"),
            format!("Sure.\n```json\n{GOOD}\n```\nGood luck!"),
            claude.to_string(),
            gemini.to_string(),
            openai.to_string(),
        ] {
            let advice = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(advice.plan()[0].proposal, Proposal::FreeOwnLogs);
        }
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        let step = |step: &str| GOOD.replace(r#"{"action":"free_own_logs","why":"room","evidence":[1]}"#, step);
        let nested = "[".repeat(100_000);
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (b"".to_vec(), "Empty"),
            (b" \n ".to_vec(), "Empty"),
            (vec![b' '; MAX_REPLY + 1], "TooLong"),
            (b"\xff\xfe{}".to_vec(), "NotText"),
            (b"I would restart it.".to_vec(), "NotJson"),
            (b"rm -rf / # {\"hypotheses\":[],\"plan\":[]}".to_vec(), "NotJson"),
            (GOOD[..GOOD.len() / 2].into(), "NotJson"),
            (format!("{GOOD}{GOOD}").into(), "NotJson"),
            (format!("```json\n{GOOD}").into(), "NotJson"),
            (format!("```\n{GOOD}\n```\n```\n{GOOD}\n```").into(), "SeveralBlocks"),
            (nested.into(), "Schema"),
            (format!("{{\"hypotheses\":{}", "[".repeat(50_000)).into(), "Schema"),
            (b"[]".to_vec(), "Schema"),
            (b"[[],[]]".to_vec(), "Schema"),
            (step(r#"["start",null,null,null,"x",[1]]"#).into(), "Schema"),
            (b"{}".to_vec(), "Schema"),
            (b"{\"hypotheses\":[],\"plan\":[],\"command\":\"rm\"}".to_vec(), "Schema"),
            (b"{\"hypotheses\":[],\"hypotheses\":[],\"plan\":[]}".to_vec(), "Schema"),
            (GOOD.replace("0.9", "\"high\"").into(), "Schema"),
            (GOOD.replace("[1]", "[-1]").into(), "Schema"),
            (step(r#"{"action":"exec","command":"rm -rf /","why":"x"}"#).into(), "Schema"),
            (step(r#"{"action":"exec","why":"x"}"#).into(), "Refused"),
            (step(r#"{"action":"tell","why":""}"#).into(), "Refused"),
            (br#"{"is_error":true,"result":"Credit balance is too low"}"#.to_vec(), "Engine"),
            (br#"{"result":"{\"result\":\"{\\\"result\\\":\\\"x\\\"}\"}"}"#.to_vec(), "NotJson"),
        ];
        for (bytes, expected) in cases {
            let error = parse(&bytes).unwrap_err();
            let told = format!("{error:?}");
            assert!(told.starts_with(expected), "{told} instead of {expected}");
            assert!(error.to_string().len() < 400, "{error}");
        }
    }

    #[test]
    fn ten_thousand_steps_are_refused_at_once() {
        let steps = vec![r#"{"action":"start","why":"x"}"#; 8_000].join(",");
        let text = format!(r#"{{"hypotheses":[],"plan":[{steps}]}}"#);
        assert_eq!(parse(text.as_bytes()), Err(AdviceError::TooManySteps(8_000).into()));
        let long = format!(r#"{{"hypotheses":[],"plan":[{steps},{steps}]}}"#);
        assert_eq!(parse(long.as_bytes()), Err(ReplyError::TooLong));
    }

    #[test]
    fn texts_cannot_steer_a_terminal() {
        let text = GOOD.replace("Disk full", "\\u001b[2J\\u202eevil\\n\\rsecond");
        let advice = parse(text.as_bytes()).unwrap();
        assert_eq!(advice.hypotheses()[0].title, " evil  second");
        let error = parse(GOOD.replace("free_own_logs", "\\u001b]0;x\\u0007").as_bytes()).unwrap_err();
        assert!(matches!(error, ReplyError::Refused(AdviceError::UnknownAction { place: Place::Step(1), .. })));
    }

    #[test]
    fn the_schema_and_the_parser_know_the_same_words() {
        let schema: serde_json::Value = serde_json::from_str(crate::doctor::ai::prompt::SCHEMA).unwrap();
        let one = |list: &str, field: &str| {
            let names = &schema["properties"][list]["items"]["properties"][field]["enum"];
            let names = names.as_array().unwrap().iter().filter_map(|name| name.as_str()).map(str::to_owned);
            names.collect::<Vec<_>>()
        };
        // Serde names all words of a closed list when it is given another one.
        fn words<T: serde::de::DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
            let told = serde_json::from_str::<T>("\"no such word\"").unwrap_err().to_string();
            told.split('`').skip(3).step_by(2).map(str::to_owned).collect()
        }
        assert_eq!(one("hypotheses", "cause"), words::<clawmend_core::diagnosis::class::CauseCode>());
        assert_eq!(one("hypotheses", "class"), words::<clawmend_core::diagnosis::class::Class>());
        assert_eq!(one("plan", "about"), words::<clawmend_core::diagnosis::advice::Topic>());
        assert_eq!(one("plan", "action"), words::<clawmend_core::diagnosis::case::RemedyAction>());
        for (place, limit) in [
            ("/properties/hypotheses/maxItems", clawmend_core::diagnosis::advice::MAX_HYPOTHESES),
            ("/properties/plan/maxItems", clawmend_core::diagnosis::advice::MAX_STEPS),
            ("/properties/hypotheses/items/properties/title/maxLength", clawmend_core::diagnosis::advice::MAX_TITLE),
            ("/properties/hypotheses/items/properties/why/maxLength", clawmend_core::diagnosis::advice::MAX_WHY),
            ("/properties/plan/items/properties/why/maxLength", clawmend_core::diagnosis::advice::MAX_WHY),
            ("/properties/plan/items/properties/evidence/maxItems", clawmend_core::diagnosis::advice::MAX_REFERENCES),
        ] {
            assert_eq!(schema.pointer(place).and_then(serde_json::Value::as_u64), Some(limit as u64), "{place}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_damage_to_a_good_answer_is_survived(at in 0usize..200, byte in any::<u8>(), cut in 0usize..300) {
            let mut bytes = format!("```\n{GOOD}\n```").into_bytes();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            bytes.truncate(cut);
            if let Ok(advice) = parse(&bytes) {
                prop_assert!(advice.plan().len() <= 8);
            }
        }
    }
}
