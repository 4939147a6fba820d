//! Turns one line of a gateway's output into a sign, if it is one.
//!
//! The texts were observed on OpenClaw 2026.9.6, on its output and in its JSON log. Invariant: only the beginning of
//! a message of the gateway's own subsystem counts, never a text somewhere inside.

use crate::openclaw::redact::{plain, redact};
use clawmend_core::diagnosis::RefusalReason;
use clawmend_core::observation::LogSign;
use serde::Deserialize;
use std::borrow::Cow;

/// Longest part of a refusal that is kept.
const MAX_TEXT: usize = 300;
/// Longer lines are not looked at; the gateway cuts its messages at 4096 characters.
pub const MAX_LINE: usize = 32 * 1024;

/// Before the reason for which any of its commands failed.
const CLI_REASON: &str = "[openclaw] Reason: ";

/// A line of the daily JSON log; other fields do not matter.
#[derive(Deserialize)]
struct JsonLine<'a> {
    #[serde(rename = "0", borrow)]
    first: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

/// The sign in one line, of the JSON log or of the gateway's standard output or error.
#[must_use]
pub fn of_line(line: &str) -> Option<LogSign> {
    if line.len() > MAX_LINE {
        return None;
    }
    let line = line.trim();
    if line.starts_with('{') { of_json(line) } else { of_message(&without_tags(&plain(line))?) }
}

fn of_json(line: &str) -> Option<LogSign> {
    let line: JsonLine<'_> = serde_json::from_str(line).ok()?;
    let message = line.message.as_deref()?;
    match line.first.as_deref() {
        Some("{\"subsystem\":\"gateway\"}") => of_message(message),
        // What is printed for people is logged with the text itself as first field.
        Some(first) if first == message => of_message(message),
        Some(_) | None => None,
    }
}

/// Takes `2026-11-20T10:24:13.417+00:00 [gateway] ` off. `None`: another subsystem's line.
fn without_tags(line: &str) -> Option<String> {
    let mut rest = line.trim();
    if let Some((first, tail)) = rest.split_once(' ')
        && first.len() >= 19
        && first.as_bytes()[4] == b'-'
        && first.as_bytes()[10] == b'T'
    {
        rest = tail.trim_start();
    }
    if rest.starts_with('[') && !rest.starts_with(CLI_REASON) {
        rest = rest.strip_prefix("[gateway]")?.trim_start();
    }
    Some(rest.to_owned())
}

fn of_message(message: &str) -> Option<LogSign> {
    // The JSON log puts the subsystem's name before some messages.
    let message = message.trim_start();
    let message = message.strip_prefix("gateway ").unwrap_or(message);
    if let Some(rest) = message.strip_prefix("draining active work before ") {
        let timeout_ms = rest.split_once("with timeout ").map_or(0, |(_, tail)| leading_number(tail));
        return Some(LogSign::Draining { timeout_ms });
    }
    if let Some(mode) = message.strip_prefix("restart mode: ") {
        return restart_mode(mode);
    }
    if message.starts_with("startup failed: ") {
        return message.contains("Process will stay alive").then_some(LogSign::StartupFailedAlive);
    }
    if message.starts_with("restart-loop breaker tripped") {
        return Some(LogSign::BreakerTripped);
    }
    if message.starts_with("received SIGTERM; shutting down") || message.starts_with("received SIGINT; shutting down") {
        return Some(LogSign::StopSignal);
    }
    refusal(message).map(|reason| LogSign::Refused { text: redact(message, MAX_TEXT), reason })
}

fn restart_mode(mode: &str) -> Option<LogSign> {
    if mode.starts_with("in-process restart") {
        Some(LogSign::RestartInProcess)
    } else if mode.starts_with("full process restart")
        || mode.starts_with("replaced runtime must exit")
        || mode.starts_with("managed update handoff")
    {
        Some(LogSign::RestartByExit)
    } else {
        None
    }
}

fn leading_number(text: &str) -> u64 {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

/// Why it refuses. The order matters: the text for a full disk or a duplicate also tells people to run a migration.
fn refusal(message: &str) -> Option<RefusalReason> {
    // The last one is all that it says of an unknown channel (OpenClaw 2026.9.6).
    let configs =
        ["Gateway start blocked:", "Missing config.", "Refusing to bind gateway to ", "OpenClaw config is invalid"];
    if configs.iter().any(|text| message.starts_with(text)) {
        return Some(RefusalReason::Config);
    }
    let runtimes = ["openclaw: Node ", "openclaw requires Node", "Error: openclaw: missing dist/"];
    if runtimes.iter().any(|text| message.starts_with(text)) {
        return Some(RefusalReason::Runtime);
    }
    if let Some(why) = message.strip_prefix(CLI_REASON) {
        return lacks_a_part(why).then_some(RefusalReason::Runtime);
    }
    let why =
        message.strip_prefix("Gateway failed to start: ").or_else(|| message.strip_prefix("failed to start: "))?;
    let says = |texts: &[&str]| texts.iter().any(|text| why.contains(text));
    Some(if why.starts_with("Invalid config at ") {
        RefusalReason::Config
    } else if lacks_a_part(why) || says(&["newer than this build", "uses newer schema version"]) {
        RefusalReason::Runtime
    } else if says(&["already listening on", "EADDRINUSE"]) {
        RefusalReason::Port
    } else if says(&[
        "another OpenClaw process owns",
        "StateDatabaseCoordinatorContentionError",
        "gateway already running",
        "owner lease is still active",
        "startup migrations are already running",
        "database is still open in process",
    ]) {
        RefusalReason::Duplicate
    } else if says(&["database or disk is full", "ENOSPC", "EROFS", "EDQUOT", "EACCES", "EPERM", "ENOTDIR"])
        || (says(&["ENOENT"]) && says(&["mkdir"]))
    {
        RefusalReason::Disk
    } else {
        RefusalReason::Unexplained
    })
}

/// One of its own modules is missing: the package is half-installed.
fn lacks_a_part(why: &str) -> bool {
    let missing = why.strip_prefix("Cannot find module '").and_then(|tail| tail.split('\'').next());
    missing.is_some_and(|path| path.contains("/dist/") || path.contains("\\dist\\"))
}
