//! Signals as something to poll.
//!
//! Also makes the child start with default dispositions: a signal that we inherited as ignored (`nohup`, shells) gets
//! a handler that does nothing, and `exec` turns handlers into defaults. The mask is reset by the standard library.

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Two self-pipes.
#[derive(Debug)]
pub struct Signals {
    /// SIGCHLD: something happened to a child.
    pub child: UnixStream,
    /// SIGTERM, SIGINT: we are asked to end.
    pub end: UnixStream,
}

impl Signals {
    /// Installs the handlers, for the life of the process.
    pub fn install() -> io::Result<Self> {
        let (child, child_tx) = pair()?;
        let (end, end_tx) = pair()?;
        signal_hook::low_level::pipe::register(SIGCHLD, child_tx)?;
        signal_hook::low_level::pipe::register(SIGTERM, end_tx.try_clone()?)?;
        signal_hook::low_level::pipe::register(SIGINT, end_tx)?;
        let nothing = Arc::new(AtomicBool::new(false));
        let swallowed = [SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2].into_iter().chain(ignored());
        for signal in swallowed.filter(|signal| *signal != SIGPIPE) {
            // Those that allow no handler cannot be ignored either.
            drop(signal_hook::flag::register(signal, Arc::clone(&nothing)));
        }
        Ok(Self { child, end })
    }

    /// Empties a self-pipe; how many signals came is not told, only that some did.
    pub fn clear(pipe: &UnixStream) {
        let mut pipe = pipe;
        let mut buffer = [0; 64];
        while matches!(pipe.read(&mut buffer), Ok(length) if length > 0) {}
    }
}

fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    write.set_nonblocking(true)?;
    Ok((read, write))
}

/// Signals that we ignore by inheritance (`SigIgn` in `/proc/self/status`).
fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (1..=64).filter(|signal| mask & (1 << (signal - 1)) != 0).collect()
}
