//! What an engine wraps its answer in.
//!
//! Shapes as of Claude Code 2.1.329 (`--output-format json`), Gemini CLI 0.61.0 (`--output-format json`) and OpenAI's
//! chat completions. Codex CLI 0.169.0 and iFlow CLI print the bare answer.

use serde::Deserialize;

/// Longest text of an engine's own error that is kept.
const MAX_SAID: usize = 300;

/// What an engine printed.
#[derive(Clone, Debug, PartialEq)]
pub enum Opened {
    /// An answer in an envelope.
    Answer(String),
    /// The engine says that it failed.
    Failed(String),
    /// No envelope that we know.
    None,
}

#[derive(Deserialize)]
struct Envelope {
    // Claude Code
    #[serde(default)]
    is_error: Option<bool>,
    #[serde(default)]
    result: Option<String>,
    // Gemini CLI
    #[serde(default)]
    response: Option<String>,
    // OpenAI
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    // Gemini CLI and OpenAI
    #[serde(default)]
    error: Option<Said>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Object {
        #[serde(default)]
        message: Option<String>,
    },
    Text(String),
}

/// Takes an answer out of its envelope.
#[must_use]
pub fn open(text: &str) -> Opened {
    let Ok(envelope) = serde_json::from_str::<Envelope>(text) else { return Opened::None };
    let first = envelope.choices.as_ref().and_then(|choices| choices.first());
    let content = first.and_then(|choice| choice.message.content.clone());
    if let Some(error) = envelope.error {
        let (Said::Object { message: Some(said) } | Said::Text(said)) = error else {
            return Opened::Failed("it does not say why".to_owned());
        };
        return Opened::Failed(shown(&said));
    }
    if envelope.is_error == Some(true) {
        return Opened::Failed(shown(&envelope.result.unwrap_or_default()));
    }
    match envelope.result.or(envelope.response).or(content) {
        Some(answer) => Opened::Answer(answer),
        None if envelope.choices.is_some() => Opened::Failed("it answered without a text".to_owned()),
        None => Opened::None,
    }
}

fn shown(text: &str) -> String {
    crate::openclaw::redact::redact(text, MAX_SAID)
}

/// What the call cost, in millionths of a US dollar, where the engine tells it (Claude Code does).
#[must_use]
pub fn cost_micro_usd(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Cost {
        total_cost_usd: f64,
    }
    let cost: Cost = serde_json::from_slice(bytes).ok()?;
    // A negative or absurd figure would open or block the day's budget.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10⁹, checked here")]
    (0.0..=1000.0).contains(&cost.total_cost_usd).then(|| (cost.total_cost_usd * 1e6).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelopes_of_the_engines() {
        let cases = [
            (r#"{"type":"result","is_error":false,"result":"A","total_cost_usd":0.01}"#, Opened::Answer("A".into())),
            (
                r#"{"type":"result","is_error":true,"result":"Invalid API key"}"#,
                Opened::Failed("Invalid API key".into()),
            ),
            (r#"{"session_id":"x","response":"A","stats":{"models":{}}}"#, Opened::Answer("A".into())),
            (r#"{"session_id":"x","error":{"type":"E","message":"no","code":41}}"#, Opened::Failed("no".into())),
            (r#"{"choices":[{"message":{"role":"assistant","content":"A"}}]}"#, Opened::Answer("A".into())),
            (r#"{"choices":[{"message":{"content":null}}]}"#, Opened::Failed("it answered without a text".into())),
            (r#"{"choices":[]}"#, Opened::Failed("it answered without a text".into())),
            (r#"{"error":"overloaded"}"#, Opened::Failed("overloaded".into())),
            (r#"{"hypotheses":[],"plan":[]}"#, Opened::None),
            ("[]", Opened::None),
            ("half {", Opened::None),
        ];
        for (text, expected) in cases {
            assert_eq!(open(text), expected, "{text}");
        }
    }

    #[test]
    fn only_a_sane_cost_counts() {
        assert_eq!(cost_micro_usd(br#"{"total_cost_usd":0.0123451}"#), Some(12_346));
        for text in [r#"{"total_cost_usd":-5}"#, r#"{"total_cost_usd":1e300}"#, r#"{"total_cost_usd":null}"#, "{}", "x"]
        {
            assert_eq!(cost_micro_usd(text.as_bytes()), None, "{text}");
        }
    }
}
