//! `gateway.log`: written beside the keeper's loop, whatever its disk does.
//!
//! Invariant: whoever gives it lines never waits. A disk that hangs (a network's that is gone, one that is frozen for a
//! backup) holds up a thread of its own; what that cannot take is dropped and counted.

use crate::host::files::{private_dir, private_options};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Largest part of the log, in bytes.
pub(super) const BYTES_MAX: u64 = 10 * 1024 * 1024;
/// `gateway.log`, `gateway.log.1`, `gateway.log.2`.
const FILES: u32 = 3;
const RETRY: Duration = Duration::from_secs(1);
/// Orders that wait for the disk. The largest has 16 KiB.
const WAITING: usize = 128;
/// A disk that works takes what waits within this.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);

/// What is to be done, in order.
#[derive(Debug)]
enum Order {
    To(PathBuf),
    Write(Vec<u8>),
    Settled(SyncSender<()>),
}

/// Gives the log its lines.
#[derive(Debug, Default)]
pub(super) struct LogWriter {
    dir: Option<PathBuf>,
    orders: Option<SyncSender<Order>>,
    dropped_lines: Arc<AtomicU64>,
}

impl LogWriter {
    /// Where the log goes from now on.
    pub(super) fn set_dir(&mut self, dir: &Path) {
        // One that could not be told is told again with the next start.
        if self.dir.as_deref() != Some(dir) && self.order(Order::To(dir.to_owned())) {
            self.dir = Some(dir.to_owned());
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        if !self.order(Order::Write(bytes.to_vec())) {
            self.dropped_lines.fetch_add(lines(bytes), Ordering::Relaxed);
        }
    }

    /// Lines that were not taken.
    pub(super) fn dropped_lines(&self) -> u64 {
        self.dropped_lines.load(Ordering::Relaxed)
    }

    /// Waits until all of it was taken, within a bound.
    pub(super) fn settle(&mut self) {
        let (settled, done) = sync_channel(1);
        if self.order(Order::Settled(settled)) {
            let _ = done.recv_timeout(SETTLES_WITHIN);
        }
    }

    /// Whether it will be done.
    fn order(&mut self, order: Order) -> bool {
        if self.orders.is_none() {
            self.orders = self.begin();
        }
        self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok())
    }

    fn begin(&self) -> Option<SyncSender<Order>> {
        let (orders, inbox) = sync_channel(WAITING);
        let log = Log { dropped_lines: Arc::clone(&self.dropped_lines), ..Log::default() };
        std::thread::Builder::new().name("gateway.log".to_owned()).spawn(move || log.run(&inbox)).ok()?;
        Some(orders)
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
    fn run(mut self, inbox: &Receiver<Order>) {
        while let Ok(order) = inbox.recv() {
            match order {
                Order::To(dir) => self.set_dir(&dir),
                Order::Write(bytes) => self.write(&bytes),
                Order::Settled(done) => drop(done.try_send(())),
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
