//! Why a turn over the chat endpoint failed, by the gateway's own log: its answer hides that ("internal error", seen
//! on OpenClaw 2026.9.6 for a full disk, and for a key that it has switched off after its provider refused it).
//!
//! Invariant: only the end of a log of our user is read, and only a line from the time of the turn counts. Other
//! gateways may write into the same file, so what is found explains a failure that was seen, and never proves one.

use crate::openclaw::files;
use crate::openclaw::redact::redact;
use jiff::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// What is read of a log, in bytes: a failing turn writes about 10 KiB.
const TAIL: u64 = 256 * 1024;
/// Longest text that is kept, in characters.
const MAX_TEXT: usize = 160;
const SUBSYSTEM: &str = "{\"subsystem\":\"openai-compat\"}";
const BEGINNING: &str = "chat completion failed: ";

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "0", borrow)]
    subsystem: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// What the log says last of a turn that failed within this time, both ends included. Redacted.
#[must_use]
pub fn why_failed(log: &Path, uid: u32, from: Timestamp, until: Timestamp) -> Option<String> {
    let (mut file, metadata) = files::open_owned(log, uid).ok()?;
    file.seek(SeekFrom::Start(metadata.len().saturating_sub(TAIL))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    let said = |line: &[u8]| {
        let line: Line<'_> = serde_json::from_slice(line).ok()?;
        let at: Timestamp = line.time.parse().ok()?;
        let why = line.message.strip_prefix(BEGINNING).filter(|_| line.subsystem == SUBSYSTEM)?;
        (from..=until).contains(&at).then(|| redact(why.trim_start_matches("Error: "), MAX_TEXT))
    };
    tail.split(|byte| *byte == b'\n').rev().find_map(said)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    fn line(subsystem: &str, time: &str, message: &str) -> String {
        serde_json::json!({"0": format!("{{\"subsystem\":\"{subsystem}\"}}"), "message": message, "time": time})
            .to_string()
    }

    #[test]
    fn only_a_turn_of_that_time_explains() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("openclaw.log");
        let uid = std::fs::metadata(folder.path()).unwrap().uid();
        let lines = [
            line("openai-compat", "2026-11-20T10:32:40.000+00:00", "chat completion failed: Error: too early"),
            line(
                "openai-compat",
                "2026-11-20T10:32:52.020+00:00",
                "chat completion failed: Error: database or disk is full",
            ),
            line("gateway", "2026-11-20T10:32:52.100+00:00", "chat completion failed: Error: another's words"),
            line("openai-compat", "2026-11-20T10:33:10.000+00:00", "chat completion failed: Error: too late"),
            "half a line {".to_owned(),
        ];
        std::fs::write(&log, format!("{}{}", "x".repeat(300_000), "\n") + &lines.join("\n")).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (from, until) = (at("2026-11-20T10:32:51Z"), at("2026-11-20T10:32:53Z"));
        assert_eq!(why_failed(&log, uid, from, until).as_deref(), Some("database or disk is full"));
        assert_eq!(why_failed(&log, uid, at("2026-11-20T10:35:00Z"), at("2026-11-20T10:36:00Z")), None);
        assert_eq!(why_failed(&log, uid + 1, from, until), None, "a log of somebody else");
        assert_eq!(why_failed(&folder.path().join("none"), uid, from, until), None);
    }
}
