//! The gateway's output: a FIFO that never breaks, a log that may.
//!
//! Invariant: the gateway never gets EPIPE or SIGPIPE, because it holds a reading end of its own FIFO itself; and it
//! is never held up by the log: what cannot be written is dropped and counted.

use super::log::LogWriter;
use super::protocol::TAIL_MAX;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Kernel buffer: what the gateway can say while no keeper reads. The limit for users is 1 MiB by default.
const PIPE_BYTES: usize = 1024 * 1024;
/// Read per turn of the loop, so that a chatty gateway does not starve the guard.
const TURN_BYTES: usize = 256 * 1024;

/// Our reading end. Stdout and stderr share one FIFO, so that their order is kept.
#[derive(Debug)]
pub struct Output {
    fifo: File,
    path: PathBuf,
    log: LogWriter,
    tail: VecDeque<u8>,
}

impl Output {
    /// The FIFO in the keeper's folder, made if it is not there.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join("output.fifo");
        let fifo = open_fifo(&path)?;
        Ok(Self { fifo, path, log: LogWriter::default(), tail: VecDeque::new() })
    }

    /// For `poll`.
    pub fn fifo(&self) -> &File {
        &self.fifo
    }

    /// Where the log goes from now on.
    pub fn set_log_dir(&mut self, dir: &Path) {
        self.log.set_dir(dir);
    }

    /// A new life begins: what the one before said is not among its last words.
    pub fn begin(&mut self) {
        self.drain();
        self.tail.clear();
    }

    /// A descriptor for the child: its own open file, for reading too, so that a reader exists as long as it lives.
    /// Replaces a FIFO that someone removed.
    pub fn for_child(&mut self) -> io::Result<File> {
        let (seen, ours) = (std::fs::symlink_metadata(&self.path), self.fifo.metadata()?);
        if !seen.is_ok_and(|seen| seen.dev() == ours.dev() && seen.ino() == ours.ino()) {
            drop(std::fs::remove_file(&self.path));
            self.fifo = open_fifo(&self.path)?;
        }
        OpenOptions::new().read(true).write(true).open(&self.path)
    }

    /// Goes on reading what a gateway of an earlier keeper writes, also when the FIFO's name is gone.
    pub fn take_over(&mut self, pid: u32) {
        let path = PathBuf::from(format!("/proc/{pid}/fd/1"));
        let is_fifo = std::fs::metadata(&path).is_ok_and(|seen| seen.file_type().is_fifo());
        if is_fifo && let Ok(fifo) = open_reader(&path) {
            self.fifo = fifo;
        }
    }

    /// Moves what has been written into log and tail.
    pub fn drain(&mut self) {
        let mut chunk = [0; 16 * 1024];
        let mut moved = 0;
        while moved < TURN_BYTES {
            match self.fifo.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => {
                    moved += length;
                    self.log.write(&chunk[..length]);
                    self.remember(&chunk[..length]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Empty; any other error cannot be cured by reading on.
                Err(_) => break,
            }
        }
    }

    fn remember(&mut self, bytes: &[u8]) {
        let excess = (self.tail.len() + bytes.len()).saturating_sub(TAIL_MAX);
        self.tail.drain(..excess.min(self.tail.len()));
        self.tail.extend(bytes);
    }

    /// The newest bytes, at most `limit`.
    pub fn tail(&self, limit: usize) -> Vec<u8> {
        self.tail.iter().skip(self.tail.len().saturating_sub(limit)).copied().collect()
    }

    /// Waits for the log to have taken all of it, for a while.
    pub fn settle(&self) {
        self.log.settle();
    }

    /// Lines that the log did not take.
    pub fn dropped_lines(&self) -> u64 {
        self.log.dropped_lines()
    }
}

fn open_fifo(path: &Path) -> io::Result<File> {
    match rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    if !std::fs::symlink_metadata(path)?.file_type().is_fifo() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, format!("{} is not a FIFO", path.display())));
    }
    open_reader(path)
}

/// For reading and writing: opening never waits, and there is never an end of file.
fn open_reader(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let fifo = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    // A smaller pipe works too; it only holds less while no keeper reads.
    let _ = rustix::pipe::fcntl_setpipe_size(&fifo, PIPE_BYTES);
    Ok(fifo)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::log::BYTES_MAX as LOG_BYTES_MAX;
    use super::*;
    use std::io::Write as _;

    #[test]
    fn the_log_is_bounded_and_the_tail_is_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = Output::open(dir.path()).unwrap();
        output.set_log_dir(&dir.path().join("logs"));
        let mut writer = output.for_child().unwrap();
        let block = vec![b'x'; 64 * 1024];
        for _ in 0..(5 * LOG_BYTES_MAX / block.len() as u64) {
            writer.write_all(&block).unwrap();
            output.drain();
            output.settle();
        }
        writer.write_all(b"last\n").unwrap();
        output.drain();
        output.settle();
        assert_eq!(output.tail(5), b"last\n");
        assert_eq!(output.tail(usize::MAX).len(), TAIL_MAX);
        let parts: Vec<u64> = std::fs::read_dir(dir.path().join("logs"))
            .unwrap()
            .map(|part| part.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|bytes| *bytes <= LOG_BYTES_MAX), "{parts:?}");
        assert_eq!(output.dropped_lines(), 0);
    }

    #[test]
    fn the_tail_is_that_of_one_life_and_the_log_that_of_all() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = Output::open(dir.path()).unwrap();
        output.set_log_dir(dir.path());
        let mut writer = output.for_child().unwrap();
        writer.write_all(b"one\n").unwrap();
        output.drain();
        writer.write_all(b"two\n").unwrap();
        output.begin();
        writer.write_all(b"three\n").unwrap();
        output.drain();
        output.settle();
        assert_eq!(output.tail(100), b"three\n");
        assert_eq!(std::fs::read(dir.path().join("gateway.log")).unwrap(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_log_that_cannot_be_written_costs_lines_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = Output::open(dir.path()).unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        output.set_log_dir(&dir.path().join("file"));
        let mut writer = output.for_child().unwrap();
        writer.write_all(b"one\ntwo\n").unwrap();
        output.drain();
        output.settle();
        assert_eq!(output.dropped_lines(), 2);
        assert_eq!(output.tail(100), b"one\ntwo\n");
    }
}
