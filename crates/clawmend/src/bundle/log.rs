//! The newest lines of a gateway's logs, for a bundle.
//!
//! Invariant: at most [`MAX_BYTES`] of lines are held at any time, whatever the size of a log; the newest ones stay.

use crate::doctor::line;
use crate::doctor::log::Log;
use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

/// Most bytes of lines, before they are scrubbed.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;

/// Which lines count.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Written at or after this, in milliseconds since 1970.
    pub since_ms: i64,
    /// Written at or before this.
    pub until_ms: i64,
    /// Lines that come up for reading after this are passed over.
    pub deadline: Instant,
}

/// Lines of one or several logs, one after the other.
#[derive(Debug, Default)]
pub struct Lines {
    held: VecDeque<String>,
    bytes: usize,
    left_out: u64,
    late: bool,
    node: Option<String>,
}

impl Lines {
    /// Reads a log; only lines for which `ours` holds count.
    ///
    /// # Errors
    /// It cannot be read, for people.
    pub fn read(&mut self, path: &Path, span: Span, ours: impl Fn(&[u8]) -> bool) -> Result<(), String> {
        let log = Log::open(path, Some(span.since_ms)).map_err(|error| error.to_string())?;
        self.take(&path.display().to_string(), log, span, ours);
        Ok(())
    }

    /// The same of one that is open; `name` stands above its lines.
    pub fn take(&mut self, name: &str, log: Log, span: Span, ours: impl Fn(&[u8]) -> bool) {
        self.push(format!("== {name}"));
        log.read(|number, bytes| {
            // Asked now and then: the clock costs more than a line.
            if number % 256 == 0 && Instant::now() > span.deadline {
                self.late = true;
            }
            let within = || line::time_of(bytes).is_none_or(|at| (span.since_ms..=span.until_ms).contains(&at));
            if !self.late && ours(bytes) && within() {
                self.node = node_of(bytes).or(self.node.take());
                self.push(readable(bytes));
            }
        });
    }

    fn push(&mut self, line: String) {
        self.bytes += line.len() + 1;
        self.held.push_back(line);
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.held.pop_front()
        {
            self.bytes -= oldest.len() + 1;
            self.left_out += 1;
        }
    }

    /// The version of Node that wrote the last of them, where one says it.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// Nothing but names of files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.iter().all(|line| line.starts_with("== "))
    }

    /// All of them, with a word on what is missing.
    pub fn into_lines(self) -> impl Iterator<Item = String> {
        let cut = (self.left_out > 0).then(|| format!("… {} older lines were left out", self.left_out));
        let late = self.late.then(|| "… reading took too long; what came after this was left out".to_owned());
        cut.into_iter().chain(self.held).chain(late)
    }
}

/// Time, level and message; what else the JSON log says of each line (host, stack of loggers) tells nothing.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let message = line::parse(&text);
    let at = message.at_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let at = at.map(|at| format!("{at:.3} ")).unwrap_or_default();
    let level = level(bytes).map(|level| format!("{level} ")).unwrap_or_default();
    format!("{at}{level}{}", message.text)
}

fn level(bytes: &[u8]) -> Option<&str> {
    const NAME: &[u8] = b"\"logLevelName\":\"";
    let at = memchr::memmem::find(bytes, NAME)? + NAME.len();
    let rest = bytes.get(at..at + 10.min(bytes.len().saturating_sub(at)))?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(rest.get(..end)?).ok().filter(|level| level.bytes().all(|b| b.is_ascii_uppercase()))
}

/// The version of Node that wrote a line of the JSON log.
fn node_of(bytes: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\"runtimeVersion\":\"";
    let at = memchr::memmem::find(bytes, NAME)? + NAME.len();
    let version = bytes.get(at..)?.iter().take(16).take_while(|byte| **byte != b'"').map(|byte| char::from(*byte));
    Some(version.filter(|c| c.is_ascii_digit() || *c == '.').collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fmt::Write as _;
    use std::time::Duration;

    #[test]
    fn the_newest_lines_of_the_span_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.log");
        let mut text = String::new();
        for second in 0..60 {
            let pad = "word ".repeat(200);
            for _ in 0..60 {
                let _ = writeln!(text, "2026-11-20T10:00:{second:02}.000Z [gateway] {pad}{second} ours");
            }
            let _ = writeln!(text, "2026-11-20T10:00:{second:02}.000Z theirs");
        }
        std::fs::write(&path, text).unwrap();
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let span = Span {
            since_ms: at("2026-11-20T10:00:10Z"),
            until_ms: at("2026-11-20T10:00:50Z"),
            deadline: Instant::now() + Duration::from_secs(600),
        };
        let mut lines = Lines::default();
        lines.read(&path, span, |bytes| bytes.ends_with(b"ours")).unwrap();
        assert!(lines.bytes <= MAX_BYTES);
        let told: Vec<String> = lines.into_lines().collect();
        assert!(told[0].starts_with("… ") && told[0].ends_with(" older lines were left out"), "{}", told[0]);
        assert!(told.last().unwrap().ends_with("50 ours"));
        let late = Span { deadline: Instant::now() - Duration::from_secs(1), ..span };
        let mut lines = Lines::default();
        lines.read(&path, late, |_| true).unwrap();
        assert!(lines.into_lines().last().unwrap().contains("took too long"));
    }

    #[test]
    fn the_json_log_becomes_readable() {
        let sample = include_str!("../../../testkit/fault-logs/openclaw-file-log-sample.jsonl");
        let first = readable(sample.lines().next().unwrap().as_bytes());
        assert_eq!(first, "2026-11-20T10:15:32.710Z INFO [gateway] loading configuration…");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("day.log");
        std::fs::write(&path, sample).unwrap();
        let span = Span { since_ms: 0, until_ms: i64::MAX, deadline: Instant::now() + Duration::from_secs(600) };
        let mut lines = Lines::default();
        lines.read(&path, span, |_| true).unwrap();
        assert_eq!(lines.node(), Some("24.21.0"));
        assert_eq!(readable(b"\xff plain"), "\u{fffd} plain");
    }
}
