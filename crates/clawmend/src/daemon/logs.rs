//! The gateway's own output: of a child the last lines, and the new ones, as the keeper wrote them; of a unit the last
//! lines, as its service manager has them.
//!
//! Invariant: at most [`TAIL_MAX`] bytes are read at once; a reader that goes away ends the stream; no line has a secret
//! that is known on this host, or looks like one.

use crate::api::request::Answer;
use crate::api::server::STREAM_QUEUE;
use crate::doctor::ai::hidden::Mask;
use crate::host::clock;
use crate::openclaw::redact::redact;
use crate::service::UnitWords;
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

/// Of a unit, where nobody said from when on: the last day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Longest reason why a unit's words could not be read, in characters.
const MAX_WHY: usize = 300;

/// Where a gateway's output is.
#[derive(Debug)]
pub struct Source {
    /// What its keeper has kept of it.
    pub folder: PathBuf,
    /// What its unit has printed, which counts where no keeper kept anything.
    pub unit: Option<UnitWords>,
    /// Whose unit it is.
    pub uid: u32,
}

/// Streams what is there. `mask` reads files to know what must be hidden, so it is asked beside the loop.
pub fn stream(
    sources: Vec<Source>,
    mask: impl FnOnce() -> Mask + Send + 'static,
    lines: u32,
    follow: bool,
) -> mpsc::Receiver<Answer> {
    let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
    tokio::task::spawn_local(async move {
        let (folders, units): (Vec<PathBuf>, Vec<_>) =
            sources.into_iter().map(|source| (source.folder, source.unit.map(|unit| (unit, source.uid)))).unzip();
        let mut files: Vec<Tail> = folders.into_iter().map(|folder| Tail::new(folder.join("gateway.log"))).collect();
        let units = units.into_iter().zip(&files).filter(|(_, file)| !file.path.is_file()).filter_map(|(unit, _)| unit);
        let units: Vec<_> = units.collect();
        let read = move || {
            let mask = mask();
            (units.iter().flat_map(|(unit, uid)| printed(unit, *uid, lines, &mask)).collect::<Vec<_>>(), mask)
        };
        let Ok((mut printed, mask)) = tokio::task::spawn_blocking(read).await else { return };
        files.iter_mut().for_each(|file| file.mask = Some(mask.clone()));
        let mut told_none = true;
        if follow && !printed.is_empty() && files.iter().all(|file| !file.path.is_file()) {
            printed.push("new lines of a unit are with its manager: `journalctl --user -f -u UNIT`".to_owned());
        }
        for line in printed {
            told_none = false;
            if sender.send(Answer::Log { line }).await.is_err() {
                return;
            }
        }
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

/// The last lines of a unit, and what of them could not be read.
fn printed(unit: &UnitWords, uid: u32, lines: u32, mask: &Mask) -> Vec<String> {
    let heard = unit.since(uid, clock::now().wall.0.saturating_sub(DAY_MS));
    let text = String::from_utf8_lossy(&heard.text).into_owned();
    let all: Vec<&str> = text.lines().collect();
    let skipped = all.len().saturating_sub(usize::try_from(lines).unwrap_or(usize::MAX));
    let told =
        heard.left_out.map(|why| format!("the journal of {} was left out: {}", unit.unit(), redact(&why, MAX_WHY)));
    all.into_iter().skip(skipped).map(|line| redact(&mask.hide(line), LINE_MAX)).chain(told).collect()
}

struct Tail {
    path: PathBuf,
    offset: u64,
    /// Nothing is read before it is known what must be hidden.
    mask: Option<Mask>,
}

impl Tail {
    const fn new(path: PathBuf) -> Self {
        Self { path, offset: 0, mask: None }
    }

    fn last(&mut self, lines: u32) -> Vec<String> {
        let Ok(length) = std::fs::metadata(&self.path).map(|seen| seen.len()) else { return Vec::new() };
        self.offset = length.saturating_sub(TAIL_MAX);
        let mut all = self.fresh();
        let keep = usize::try_from(lines).unwrap_or(usize::MAX);
        all.split_off(all.len().saturating_sub(keep))
    }

    fn fresh(&mut self) -> Vec<String> {
        let Some(mask) = &self.mask else { return Vec::new() };
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
        String::from_utf8_lossy(&bytes[..end]).lines().map(|line| redact(&mask.hide(line), LINE_MAX)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::doctor::ai::hidden::Hidden;

    #[test]
    fn the_last_lines_then_the_new_ones_then_those_after_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.log");
        std::fs::write(&path, "a\nb\nc\nhal").unwrap();
        let mut hidden = Hidden::default();
        hidden.add("correct horse battery");
        let mut tail = Tail::new(path.clone());
        assert!(tail.fresh().is_empty(), "nothing is shown while nobody knows what to hide");
        tail.mask = Some(hidden.mask());
        assert_eq!(tail.last(2), ["b", "c"]);
        assert!(tail.fresh().is_empty());
        std::fs::write(&path, "a\nb\nc\nhalf\n").unwrap();
        assert_eq!(tail.fresh(), ["half"]);
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(tail.fresh(), ["new"]);
        std::fs::write(&path, "new\nthe pass is correct horse battery\n").unwrap();
        assert_eq!(tail.fresh(), ["the pass is ***"]);
    }
}
