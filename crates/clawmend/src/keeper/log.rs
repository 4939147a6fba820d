//! `gateway.log`: written beside the keeper's loop, whatever its disk does.
//!
//! Invariant: whoever gives it lines never waits. A disk that hangs (a network's that is gone, one that is frozen for a
//! backup) holds up a thread of its own; what that cannot take is dropped and counted.

use crate::host::files::{private_dir, private_options};
use rustix::fs::OFlags;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Largest part of the log, in bytes.
pub(super) const BYTES_MAX: u64 = 10 * 1024 * 1024;
/// `gateway.log`, `gateway.log.1`, `gateway.log.2`.
const FILES: u32 = 3;
const RETRY: Duration = Duration::from_secs(1);
/// Most that is written in one piece, and lost where that fails, in bytes.
const CHUNK: usize = 16 * 1024;
/// Most that waits for the disk, in bytes; what is being written comes on top of that once. A burst of some megabytes fits,
/// as a crash may print it.
const WAITING_MAX: usize = 16 * 1024 * 1024;
/// A disk that works takes what waits within this.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);

/// What is to be done, in order.
#[derive(Debug)]
enum Order {
    To(PathBuf),
    Write(Vec<u8>),
}

#[derive(Debug, Default)]
struct Queue {
    orders: VecDeque<Order>,
    bytes: usize,
    /// All that was taken is done.
    idle: bool,
    /// Nobody gives anything any more.
    closed: bool,
}

impl Queue {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        match self.orders.back_mut() {
            Some(Order::Write(last)) => last.extend_from_slice(bytes),
            Some(Order::To(_)) | None => self.orders.push_back(Order::Write(bytes.to_vec())),
        }
    }
}

#[derive(Debug, Default)]
struct Between {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Between {
    /// Nothing that holds it can panic half-way.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the log its lines.
#[derive(Debug, Default)]
pub(super) struct LogWriter {
    dir: Option<PathBuf>,
    between: Arc<Between>,
    runs: bool,
    dropped_lines: Arc<AtomicU64>,
}

impl LogWriter {
    /// Where the log goes from now on.
    pub(super) fn set_dir(&mut self, dir: &Path) {
        if self.dir.as_deref() != Some(dir) {
            self.dir = Some(dir.to_owned());
            self.between.lock().orders.push_back(Order::To(dir.to_owned()));
            self.go_on();
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        let mut queue = self.between.lock();
        if queue.bytes.saturating_add(bytes.len()) > WAITING_MAX {
            self.dropped_lines.fetch_add(lines(bytes), Ordering::Relaxed);
            return;
        }
        queue.push(bytes);
        drop(queue);
        self.go_on();
    }

    /// Lines that were not taken.
    pub(super) fn dropped_lines(&self) -> u64 {
        self.dropped_lines.load(Ordering::Relaxed)
    }

    /// Waits until all of it was taken, within a bound.
    pub(super) fn settle(&self) {
        let waits = |queue: &mut Queue| !(queue.idle && queue.orders.is_empty());
        if self.runs {
            drop(self.between.changed.wait_timeout_while(self.between.lock(), SETTLES_WITHIN, waits));
        }
    }

    fn go_on(&mut self) {
        if !self.runs {
            let log = Log { dropped_lines: Arc::clone(&self.dropped_lines), ..Log::default() };
            let between = Arc::clone(&self.between);
            let begun = std::thread::Builder::new().name("gateway.log".to_owned()).spawn(move || log.run(&between));
            self.runs = begun.is_ok();
        }
        self.between.changed.notify_all();
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.between.lock().closed = true;
        self.between.changed.notify_all();
    }
}

fn lines(bytes: &[u8]) -> u64 {
    (bytes.iter().filter(|byte| **byte == b'\n').count() as u64).max(1)
}

/// `gateway.log` and its older parts.
#[derive(Debug, Default)]
struct Log {
    dir: Option<PathBuf>,
    file: Option<File>,
    bytes: u64,
    checked: Option<Instant>,
    dropped_lines: Arc<AtomicU64>,
}

impl Log {
    fn run(mut self, between: &Between) {
        loop {
            let mut queue = between.lock();
            while queue.orders.is_empty() {
                if queue.closed {
                    return;
                }
                queue.idle = true;
                between.changed.notify_all();
                queue = between.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            (queue.idle, queue.bytes) = (false, 0);
            let orders = std::mem::take(&mut queue.orders);
            drop(queue);
            for order in orders {
                match order {
                    Order::To(dir) => self.set_dir(&dir),
                    Order::Write(bytes) => bytes.chunks(CHUNK).for_each(|chunk| self.write(chunk)),
                }
            }
        }
    }

    fn set_dir(&mut self, dir: &Path) {
        if self.dir.as_deref() != Some(dir) {
            let dropped_lines = Arc::clone(&self.dropped_lines);
            *self = Self { dir: Some(dir.to_owned()), dropped_lines, ..Self::default() };
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.try_write(bytes).is_err() {
            self.dropped_lines.fetch_add(lines(bytes), Ordering::Relaxed);
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.checked.is_none_or(|at| at.elapsed() >= RETRY) {
            self.checked = Some(Instant::now());
            self.mend();
        }
        if self.bytes.saturating_add(bytes.len() as u64) > BYTES_MAX {
            self.rotate();
        }
        let file = self.file.as_mut().ok_or(ErrorKind::NotFound)?;
        file.write_all(bytes)?;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Opens the log if it is not open, or was removed or moved away under our feet.
    fn mend(&mut self) {
        let Some(path) = self.path(0) else { return };
        let here = std::fs::symlink_metadata(&path).ok().map(|seen| (seen.dev(), seen.ino()));
        let ours = self.file.as_ref().and_then(|file| file.metadata().ok()).map(|seen| (seen.dev(), seen.ino()));
        if ours.is_none() || here != ours {
            self.open(&path);
        }
    }

    fn open(&mut self, path: &Path) {
        if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
            // What cannot be made shows when the file is opened.
            drop(private_dir(dir));
        }
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
        let file = private_options().append(true).create(true).custom_flags(flags).open(path).ok();
        let seen = file.as_ref().and_then(|file| file.metadata().ok()).filter(std::fs::Metadata::is_file);
        self.bytes = seen.as_ref().map_or(0, std::fs::Metadata::len);
        self.file = seen.and(file);
    }

    fn rotate(&mut self) {
        for number in (1..FILES).rev() {
            if let (Some(from), Some(to)) = (self.path(number - 1), self.path(number)) {
                // A part that is missing or cannot be moved costs old lines only.
                drop(std::fs::rename(from, to));
            }
        }
        self.file = None;
        self.bytes = 0;
        if let Some(path) = self.path(0) {
            self.open(&path);
            if self.bytes.saturating_mul(2) > BYTES_MAX
                && let Some(file) = &self.file
            {
                // It could not be moved aside: better an empty log than one without bound.
                self.bytes = if file.set_len(0).is_ok() { 0 } else { self.bytes };
            }
        }
    }

    fn path(&self, number: u32) -> Option<PathBuf> {
        let name = if number == 0 { "gateway.log".to_owned() } else { format!("gateway.log.{number}") };
        Some(self.dir.as_ref()?.join(name))
    }
}
