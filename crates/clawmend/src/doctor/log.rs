//! Reads a log line by line within bounds, whatever is in it.
//!
//! Invariants: memory does not grow with the file or with a line; what was written after the reading began is not
//! read, so it ends; a file that is unreadable, binary or compressed is named as such and never guessed at. Start at
//! [`Log::open`].

use super::line::time_of;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// What is kept of a longer line: the gateway cuts its messages at 4096 characters.
pub const MAX_LINE: usize = 32 * 1024;
const CHUNK: usize = 64 * 1024;
/// Steps of the search for a time; 2^40 bytes need 40.
const MAX_STEPS: u32 = 48;

/// Why a log could not be read, for people.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It is not there.
    #[error("there is no file {0}")]
    Missing(String),
    /// It may not be read.
    #[error("{0} may not be read: permission denied")]
    Denied(String),
    /// It is a folder, a device or a pipe.
    #[error("{path} is {what}, not an ordinary file")]
    NotAFile {
        /// Which.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// It is compressed.
    #[error("{0} is compressed: unpack it first")]
    Compressed(String),
    /// It is not text.
    #[error("{0} is not text")]
    Binary(String),
    /// The system says something else.
    #[error("{path}: {error}")]
    Failed {
        /// Which.
        path: String,
        /// What.
        error: io::Error,
    },
}

/// What was unusual, and how much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Lines.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// Lines of which only the beginning was looked at.
    pub cut: u64,
    /// It ended before the end that it had when it was opened: it was truncated, or vanished.
    pub ended_early: bool,
}

/// A log that is open.
pub struct Log {
    name: String,
    input: Box<dyn BufRead>,
    left: u64,
}

impl Log {
    /// Opens a file. `since_ms`: lines written before that time are passed over, where lines say when they were
    /// written (the file is searched, not read through).
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn open(path: &Path, since_ms: Option<i64>) -> Result<Self, LogError> {
        Self::open_at(path, |file, length| since_ms.map_or(Ok(0), |since| find_time(file, length, since)))
    }

    /// Opens a file at an offset: what stands before it is passed over.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn open_from(path: &Path, offset: u64) -> Result<Self, LogError> {
        Self::open_at(path, |_, length| Ok(offset.min(length)))
    }

    fn open_at(path: &Path, begin: impl FnOnce(&mut File, u64) -> io::Result<u64>) -> Result<Self, LogError> {
        let name = path.display().to_string();
        let failed = |error: io::Error| of_io(&name, error);
        // Looked at before it is opened: opening a pipe would wait for its writer.
        let kind = std::fs::metadata(path).map_err(failed)?.file_type();
        if !kind.is_file() {
            let what = if kind.is_dir() { "a folder" } else { "a device or pipe" };
            return Err(LogError::NotAFile { path: name, what });
        }
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut head = [0_u8; 8192];
        let count = read_full(&mut file, &mut head).map_err(failed)?;
        look_at_head(&name, head.get(..count).unwrap_or_default())?;
        let start = begin(&mut file, length).map_err(failed)?;
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let left = length.saturating_sub(start);
        Ok(Self { name, input: Box::new(BufReader::with_capacity(CHUNK, file)), left })
    }

    /// Standard input, at most `max` bytes of it.
    #[must_use]
    pub fn standard_input(max: u64) -> Self {
        let input = BufReader::with_capacity(CHUNK, io::stdin().take(max));
        Self { name: "standard input".to_owned(), input: Box::new(input), left: u64::MAX }
    }

    /// A text at hand.
    #[must_use]
    pub fn of_text(name: &str, text: &str) -> Self {
        Self::of_bytes(name, text.as_bytes().to_vec())
    }

    /// Bytes at hand.
    #[must_use]
    pub fn of_bytes(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), left: bytes.len() as u64, input: Box::new(io::Cursor::new(bytes)) }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives every line to `each`, with its number from 1, without its end. Bytes that are no UTF-8 stay as they are.
    /// A file that vanishes or shrinks meanwhile ends early, which is no error.
    pub fn read(mut self, mut each: impl FnMut(u64, &[u8])) -> Account {
        let mut account = Account::default();
        let mut line = Vec::with_capacity(1024);
        let mut too_long = false;
        let endless = self.left == u64::MAX;
        while self.left > 0 {
            let Ok(chunk) = self.input.fill_buf() else {
                account.ended_early = true;
                break;
            };
            if chunk.is_empty() {
                account.ended_early = !endless;
                break;
            }
            let usable = usize::try_from(self.left).map_or(chunk.len(), |left| left.min(chunk.len()));
            let chunk = chunk.get(..usable).unwrap_or(chunk);
            let end = memchr::memchr(b'\n', chunk);
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or(chunk);
            let room = MAX_LINE.saturating_sub(line.len());
            too_long |= part.len() > room;
            line.extend_from_slice(part.get(..part.len().min(room)).unwrap_or(part));
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.input.consume(used);
            account.bytes += used as u64;
            if !endless {
                self.left -= used as u64;
            }
            if end.is_some() {
                account.take(&line, std::mem::take(&mut too_long), &mut each);
                line.clear();
            }
        }
        if !line.is_empty() {
            account.take(&line, too_long, &mut each);
        }
        account
    }
}

impl Account {
    fn take(&mut self, line: &[u8], too_long: bool, each: &mut impl FnMut(u64, &[u8])) {
        self.lines += 1;
        self.cut += u64::from(too_long);
        each(self.lines, line.strip_suffix(b"\r").unwrap_or(line));
    }
}

fn of_io(name: &str, error: io::Error) -> LogError {
    let path = name.to_owned();
    #[allow(clippy::wildcard_enum_match_arm)]
    match error.kind() {
        io::ErrorKind::NotFound => LogError::Missing(path),
        io::ErrorKind::PermissionDenied => LogError::Denied(path),
        _ => LogError::Failed { path, error },
    }
}

fn look_at_head(name: &str, head: &[u8]) -> Result<(), LogError> {
    const PACKED: [&[u8]; 4] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\xfd7zXZ"];
    if PACKED.iter().any(|magic| head.starts_with(magic)) {
        return Err(LogError::Compressed(name.to_owned()));
    }
    // Half-written pages of zeros follow a power cut, so some are fine; a tenth is not.
    let strange = head.iter().filter(|byte| **byte < 9 || (14..27).contains(*byte)).count();
    if strange * 10 > head.len() && !head.iter().all(|byte| *byte == 0) {
        return Err(LogError::Binary(name.to_owned()));
    }
    Ok(())
}

fn read_full(file: &mut File, into: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = into.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            read => count += read,
        }
    }
    Ok(count)
}

/// The first offset of a line at or after `since`, by halving. 0 when lines do not say when they were written.
fn find_time(file: &mut File, length: u64, since: i64) -> io::Result<u64> {
    let (mut low, mut high) = (0, length);
    for _ in 0..MAX_STEPS {
        if high.saturating_sub(low) <= CHUNK as u64 {
            break;
        }
        let middle = low + (high - low) / 2;
        match first_time(file, middle)? {
            Some((at, _)) if at < since => low = middle,
            Some(_) => high = middle,
            None => return Ok(0),
        }
    }
    if low == 0 {
        return Ok(0);
    }
    Ok(first_time(file, low)?.map_or(0, |(_, offset)| offset))
}

/// The time and offset of the first line behind `offset` that has one.
fn first_time(file: &mut File, offset: u64) -> io::Result<Option<(i64, u64)>> {
    let mut chunk = vec![0_u8; CHUNK];
    file.seek(SeekFrom::Start(offset))?;
    let count = read_full(file, &mut chunk)?;
    let chunk = chunk.get(..count).unwrap_or_default();
    let mut start = memchr::memchr(b'\n', chunk).map(|end| end + 1);
    while let Some(at) = start {
        let rest = chunk.get(at..).unwrap_or_default();
        if let Some(time) = time_of(rest.split(|byte| *byte == b'\n').next().unwrap_or_default()) {
            return Ok(Some((time, offset + at as u64)));
        }
        start = memchr::memchr(b'\n', rest).map(|end| at + end + 1);
    }
    Ok(None)
}
