//! Judges one answer of the gateway's chat endpoint.
//!
//! Invariant: whose word an answer is, the gateway's or its provider's, is told by the kind of error in the documented
//! JSON first, and by the status only where that says nothing. The kinds are those of OpenClaw 2026.9.6: it turns each
//! failure of a provider into one of them (`rate_limit_error`, `insufficient_quota`, `authentication_error`, …), and
//! refuses callers itself with others (`unauthorized`, `rate_limited`, `forbidden`).

use crate::openclaw::redact::redact;
use clawmend_core::observation::SyntheticOutcome;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;

/// Longest text of others that is kept, in characters.
const MAX_TEXT: usize = 160;
/// What the gateway says when a turn ended well and the model said nothing.
const NO_RESPONSE: &str = "No response from OpenClaw.";
/// Words for a bill that was not paid, whatever status they come with.
const OUT_OF_CREDIT: [&str; 4] =
    ["out of credit", "credit balance", "insufficient_quota", "exceeded your current quota"];
/// Words for a disk that takes nothing any more.
const DISK_FULL: [&str; 2] = ["database or disk is full", "enospc"];

#[derive(Deserialize)]
struct Failure<'a> {
    #[serde(borrow)]
    error: Error<'a>,
}

#[derive(Deserialize)]
struct Error<'a> {
    #[serde(borrow, default)]
    message: Cow<'a, str>,
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    #[serde(default)]
    tool_calls: Vec<IgnoredAny>,
}

/// What a whole answer means.
#[must_use]
pub fn judge(status: u16, body: &[u8]) -> SyntheticOutcome {
    if status == 200 {
        return of_completion(body);
    }
    match serde_json::from_slice::<Failure<'_>>(body) {
        Ok(Failure { error }) => of_error(status, &error),
        Err(_) => of_status(status),
    }
}

fn of_completion(body: &[u8]) -> SyntheticOutcome {
    let Ok(completion) = serde_json::from_slice::<Completion>(body) else {
        return cannot_tell("what came with status 200 is no completion");
    };
    let Some(Choice { message }) = completion.choices.first() else {
        return cannot_tell("a completion without a choice");
    };
    let text = message.content.as_deref().unwrap_or_default().trim();
    if message.tool_calls.is_empty() && (text.is_empty() || text == NO_RESPONSE) {
        return SyntheticOutcome::ProviderFailing { detail: "the model gave an empty answer".to_owned() };
    }
    SyntheticOutcome::Answered
}

fn of_error(status: u16, error: &Error<'_>) -> SyntheticOutcome {
    let detail = said(status, &error.message);
    let message = error.message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match (&*error.kind, status) {
        ("unauthorized" | "rate_limited", _) => SyntheticOutcome::Unauthorized,
        ("forbidden", _) => SyntheticOutcome::CannotTell { reason: detail },
        ("rate_limit_error" | "insufficient_quota", _) => SyntheticOutcome::Quota { detail },
        ("authentication_error" | "permission_error", _) => SyntheticOutcome::CredentialsRejected { detail },
        (_, 402 | 429) => SyntheticOutcome::Quota { detail },
        _ if says(&OUT_OF_CREDIT) => SyntheticOutcome::Quota { detail },
        _ if says(&DISK_FULL) => SyntheticOutcome::DiskFull,
        (_, 500) if message == "internal error" => SyntheticOutcome::InternalError { detail },
        // With an error of this form 404 is a model that the provider does not have, 410 and 413 are its sessions and
        // sizes.
        (_, 404 | 408 | 410 | 413 | 500..=599) => SyntheticOutcome::ProviderFailing { detail },
        _ => SyntheticOutcome::CannotTell { reason: detail },
    }
}

/// What is behind an internal error, by what the gateway's log says of it.
#[must_use]
pub fn behind(said: String) -> SyntheticOutcome {
    let lower = said.to_ascii_lowercase();
    if DISK_FULL.iter().any(|word| lower.contains(word)) {
        return SyntheticOutcome::DiskFull;
    }
    SyntheticOutcome::InternalError { detail: said }
}

fn of_status(status: u16) -> SyntheticOutcome {
    let detail = format!("HTTP {status}");
    match status {
        404 => SyntheticOutcome::EndpointOff,
        402 | 429 => SyntheticOutcome::Quota { detail },
        408 | 500..=599 => SyntheticOutcome::ProviderFailing { detail },
        _ => SyntheticOutcome::CannotTell { reason: format!("an answer of another kind: {detail}") },
    }
}

fn said(status: u16, message: &str) -> String {
    match redact(message, MAX_TEXT) {
        text if text.is_empty() => format!("HTTP {status}"),
        text => format!("{text} (HTTP {status})"),
    }
}

fn cannot_tell(reason: &str) -> SyntheticOutcome {
    SyntheticOutcome::CannotTell { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SyntheticOutcome::{
        Answered, CannotTell, CredentialsRejected, DiskFull, EndpointOff, InternalError, ProviderFailing, Quota,
        Unauthorized,
    };

    fn error(status: u16, kind: &str, message: &str) -> SyntheticOutcome {
        judge(status, serde_json::json!({"error": {"message": message, "type": kind}}).to_string().as_bytes())
    }

    fn completion(message: &serde_json::Value) -> SyntheticOutcome {
        let choices = serde_json::json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
        judge(200, serde_json::json!({"object": "chat.completion", "choices": choices}).to_string().as_bytes())
    }

    #[test]
    fn only_a_completion_with_words_is_an_answer() {
        assert_eq!(completion(&serde_json::json!({"role": "assistant", "content": "PONG"})), Answered);
        assert_eq!(completion(&serde_json::json!({"content": "", "tool_calls": [{"id": "x"}]})), Answered);
        for empty in [serde_json::json!({"content": NO_RESPONSE}), serde_json::json!({"content": null})] {
            assert!(matches!(completion(&empty), ProviderFailing { .. }), "{empty}");
        }
        for other in ["<!doctype html><title>OpenClaw</title>", "{}", r#"{"choices":[]}"#, "", r#"{"choices":"#] {
            assert!(matches!(judge(200, other.as_bytes()), CannotTell { .. }), "{other}");
        }
    }

    #[test]
    fn the_gateways_own_no_is_told_from_its_providers() {
        assert_eq!(error(401, "unauthorized", "Unauthorized"), Unauthorized);
        assert_eq!(error(429, "rate_limited", "Too many failed authentication attempts."), Unauthorized);
        assert!(matches!(error(403, "forbidden", "missing scope"), CannotTell { .. }));
        assert!(matches!(error(401, "authentication_error", "401 Incorrect API key"), CredentialsRejected { .. }));
        assert!(matches!(error(403, "permission_error", "no access"), CredentialsRejected { .. }));
        // Who says no is not known: the provider is not accused.
        assert!(matches!(error(401, "x", ""), CannotTell { .. }));
        assert!(matches!(judge(401, b"no"), CannotTell { .. }));
    }

    #[test]
    fn each_failure_has_its_kind() {
        let quota = [
            error(429, "rate_limit_error", "429 slow down"),
            error(402, "insufficient_quota", "pay"),
            error(400, "invalid_request_error", "Your credit balance is too low"),
            error(429, "", "x"),
            judge(402, b""),
        ];
        assert!(quota.iter().all(|outcome| matches!(outcome, Quota { .. })), "{quota:?}");
        let failing = [
            error(408, "api_error", "upstream provider timeout"),
            error(502, "api_error", "upstream provider error"),
            error(503, "api_error", "upstream provider overloaded"),
            error(404, "invalid_request_error", "no such model"),
            judge(503, b"busy"),
        ];
        assert!(failing.iter().all(|outcome| matches!(outcome, ProviderFailing { .. })), "{failing:?}");
        assert_eq!(failing[0], ProviderFailing { detail: "upstream provider timeout (HTTP 408)".into() });
        assert!(matches!(error(500, "api_error", "internal error"), InternalError { .. }));
        assert_eq!(behind("database or disk is full".into()), DiskFull);
        assert_eq!(behind("a key is off".into()), InternalError { detail: "a key is off".into() });
        assert_eq!(error(500, "api_error", "Error: database or disk is full"), DiskFull);
        assert_eq!(judge(404, b"Not Found"), EndpointOff);
        assert!(matches!(error(400, "invalid_request_error", "Invalid `model`."), CannotTell { .. }));
        assert!(matches!(judge(302, b""), CannotTell { .. }));
    }

    #[test]
    fn what_others_say_is_short_and_without_secrets() {
        let hostile =
            format!("401 Incorrect API key provided: sk-{}\u{1b}[2J\n{}", "a1".repeat(30), "x ".repeat(9_000));
        let CredentialsRejected { detail } = error(401, "authentication_error", &hostile) else {
            unreachable!("told apart above");
        };
        assert!(detail.chars().count() <= MAX_TEXT + 20 && !detail.contains("a1a1"), "{detail}");
        assert!(!detail.chars().any(char::is_control), "{detail}");
    }
}
