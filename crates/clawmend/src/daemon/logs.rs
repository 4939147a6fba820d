//! The gateway's own output, as the keeper wrote it: the last lines, and the new ones.
//!
//! Invariant: at most [`TAIL_MAX`] bytes are read at once; a reader that goes away ends the stream.

use crate::api::request::Answer;
use crate::api::server::STREAM_QUEUE;
use crate::openclaw::redact::redact;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// Read from the end at most.
const TAIL_MAX: u64 = 4 << 20;
/// Longest line that is shown.
const LINE_MAX: usize = 4_000;
/// Between two looks for new lines, while somebody follows.
const FOLLOW_EVERY: Duration = Duration::from_millis(300);

/// Streams the logs in these folders.
pub fn stream(folders: Vec<PathBuf>, lines: u32, follow: bool) -> mpsc::Receiver<Answer> {
    let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
    tokio::task::spawn_local(async move {
        let mut files: Vec<Tail> = folders.into_iter().map(|folder| Tail::new(folder.join("gateway.log"))).collect();
        let mut told_none = true;
        for file in &mut files {
            for line in file.last(lines) {
                told_none = false;
                if sender.send(Answer::Log { line }).await.is_err() {
                    return;
                }
            }
        }
        if told_none && !follow {
            let line = "no output of the gateway was kept here; a service's own log is with its manager".to_owned();
            let _ = sender.send(Answer::Log { line }).await;
        }
        while follow && !sender.is_closed() {
            tokio::time::sleep(FOLLOW_EVERY).await;
            for file in &mut files {
                for line in file.fresh() {
                    if sender.send(Answer::Log { line }).await.is_err() {
                        return;
                    }
                }
            }
        }
        let _ = sender.send(Answer::End).await;
    });
    receiver
}

struct Tail {
    path: PathBuf,
    offset: u64,
}

impl Tail {
    const fn new(path: PathBuf) -> Self {
        Self { path, offset: 0 }
    }

    fn last(&mut self, lines: u32) -> Vec<String> {
        let Ok(length) = std::fs::metadata(&self.path).map(|seen| seen.len()) else { return Vec::new() };
        self.offset = length.saturating_sub(TAIL_MAX);
        let mut all = self.fresh();
        let keep = usize::try_from(lines).unwrap_or(usize::MAX);
        all.split_off(all.len().saturating_sub(keep))
    }

    fn fresh(&mut self) -> Vec<String> {
        let Ok(mut file) = std::fs::File::open(&self.path) else { return Vec::new() };
        let length = file.metadata().map(|seen| seen.len()).unwrap_or(0);
        if length < self.offset {
            // It was rotated.
            self.offset = 0;
        }
        if length == self.offset || file.seek(SeekFrom::Start(self.offset)).is_err() {
            return Vec::new();
        }
        let mut bytes = Vec::new();
        if file.take(TAIL_MAX).read_to_end(&mut bytes).is_err() {
            return Vec::new();
        }
        // A line that is not finished is shown when it is.
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.offset += u64::try_from(end).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..end]).lines().map(|line| redact(line, LINE_MAX)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_last_lines_then_the_new_ones_then_those_after_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.log");
        std::fs::write(&path, "a\nb\nc\nhal").unwrap();
        let mut tail = Tail::new(path.clone());
        assert_eq!(tail.last(2), ["b", "c"]);
        assert!(tail.fresh().is_empty());
        std::fs::write(&path, "a\nb\nc\nhalf\n").unwrap();
        assert_eq!(tail.fresh(), ["half"]);
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(tail.fresh(), ["new"]);
    }
}
