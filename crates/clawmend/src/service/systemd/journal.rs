//! The last words of a unit's processes, as systemd's journal has them.
//!
//! What a unit prints goes to the journal, and the format of its files is systemd's own business, so `journalctl` is
//! asked: once per question, without a shell, for the newest [`LINES`] lines. Invariants: it takes at most [`LIMIT`]
//! and [`MAX_BYTES`], then its program is ended by the handle of our own child; whatever goes wrong is told and leaves
//! fewer words, never an error. Waits: never call it from a loop. Start at [`last_words`].
//!
//! Asked by unit and time, not by `_SYSTEMD_INVOCATION_ID`: all lives since the trouble began count, as they do for a
//! child, and journald writes that id for units of a user's systemd only in later versions. `_SYSTEMD_UNIT` and
//! `_SYSTEMD_USER_UNIT` are journald's own word (systemd.journal-fields(7)): no program can claim them for another one.

mod entry;

use super::super::unit_words::Heard;
use super::super::{Manager, UnitName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Found on `PATH`.
const PROGRAM: &str = "journalctl";
/// Lines at most. The end of Node with its stack trace takes about forty.
const LINES: u32 = 500;
/// Read of its answer at most. Of one that is longer the newest part counts.
const MAX_BYTES: usize = 1 << 20;
/// Kept of its messages.
const MAX_MESSAGES: usize = 4 * 1024;
/// Far more than it needs (0.1 s): a large journal on a slow disk.
const LIMIT: Duration = Duration::from_secs(5);
/// What `PATH` is where there is none.
const PATH: &str = "/usr/bin:/bin";

/// What the unit has printed since, in milliseconds since 1970, and until then, if it is not until now. `uid`: whose
/// unit it is, of a user's systemd.
pub fn last_words(manager: &Manager, unit: &UnitName, uid: u32, since_ms: i64, until_ms: Option<i64>) -> Heard {
    heard(command(PROGRAM, manager, unit, uid, (since_ms, until_ms)), LIMIT)
}

fn command(
    program: &str,
    manager: &Manager,
    unit: &UnitName,
    uid: u32,
    (since_ms, until_ms): (i64, Option<i64>),
) -> Command {
    let mut command = Command::new(program);
    command.args(["--output=json", "--output-fields=MESSAGE", "--all", "--no-pager"]);
    // The newest first: what a limit cuts off is the oldest.
    command.arg("--reverse").arg(format!("--lines={LINES}"));
    command.arg(format!("--since=@{}", since_ms.div_euclid(1000).max(0)));
    if let Some(until) = until_ms {
        command.arg(format!("--until=@{}", until.div_euclid(1000).saturating_add(1).max(0)));
    }
    if *manager == Manager::SystemdSystem {
        command.arg(format!("_SYSTEMD_UNIT={}", unit.as_str()));
    } else {
        // Without `--user`: that leaves out the system's files, and in them are the units of accounts below 1000.
        command.arg(format!("_SYSTEMD_USER_UNIT={}", unit.as_str())).arg(format!("_UID={uid}"));
    }
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into())).env("LANG", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn heard(mut command: Command, limit: Duration) -> Heard {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Heard::nothing(format!("{PROGRAM} cannot be run: {error}")),
    };
    let answer = Answer::of(&mut child, limit);
    let ended = end(child, answer.whole());
    let lines = entry::oldest_first(&answer.output, answer.whole());
    let left_out = match (&answer.failure, ended) {
        (Some(failure), _) => Some(failure.clone()),
        (None, Some(false)) => Some(format!("{PROGRAM} failed: {}", answer.said())),
        // What it may not read it leaves out, says so, and succeeds.
        (None, Some(true) | None) if lines.is_empty() && !answer.messages.is_empty() => {
            Some(format!("{PROGRAM} found nothing: {}", answer.said()))
        }
        (None, Some(true) | None) => None,
    };
    Heard { text: lines, left_out }
}

/// Whether it succeeded. One that was not heard to its end is ended; one that hangs in the kernel is awaited apart.
fn end(mut child: Child, whole: bool) -> Option<bool> {
    if whole {
        // It has closed its output, so it is at its end; whoever goes on all the same is ended, too.
        for _ in 0..20 {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status.success()),
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(_) => break,
            }
        }
    }
    let _ = child.kill();
    if !matches!(child.try_wait(), Ok(Some(_))) {
        std::thread::spawn(move || child.wait());
    }
    None
}

/// What came out of it.
#[derive(Default)]
struct Answer {
    output: Vec<u8>,
    messages: Vec<u8>,
    /// Why it was not heard to its end.
    failure: Option<String>,
}

impl Answer {
    fn of(child: &mut Child, limit: Duration) -> Self {
        let mut answer = Self::default();
        let (output, messages) = (child.stdout.take(), child.stderr.take());
        if let (Some(output), Some(messages)) = (output, messages)
            && let Err(error) = answer.listen(output, messages, Instant::now() + limit)
        {
            answer.failure = Some(format!("{PROGRAM} was not heard to its end: {error}"));
        }
        answer
    }

    const fn whole(&self) -> bool {
        self.failure.is_none()
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.messages).into_owned()
    }

    /// Until both pipes are closed.
    fn listen(
        &mut self,
        mut output: impl Read + AsFd,
        mut messages: impl Read + AsFd,
        until: Instant,
    ) -> io::Result<()> {
        let (mut speaking, mut telling) = (true, true);
        while speaking || telling {
            let (can_output, can_messages) = readable(&output, speaking, &messages, telling, until)?;
            if can_output {
                speaking = take(&mut output, &mut self.output)?;
            }
            if can_messages {
                telling = take(&mut messages, &mut self.messages)?;
                self.messages.truncate(MAX_MESSAGES);
            }
            if self.output.len() > MAX_BYTES {
                self.output.truncate(MAX_BYTES);
                return Err(io::Error::other(format!("more than {MAX_BYTES} bytes")));
            }
        }
        Ok(())
    }
}

/// Which of the two that are still open has something to read, or its end.
fn readable(
    output: &impl AsFd,
    speaking: bool,
    messages: &impl AsFd,
    telling: bool,
    until: Instant,
) -> io::Result<(bool, bool)> {
    let wanted = |open: bool| if open { PollFlags::IN } else { PollFlags::empty() };
    let mut fds = [PollFd::new(output, wanted(speaking)), PollFd::new(messages, wanted(telling))];
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long"));
    }
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    match poll(&mut fds, Some(&left)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok((speaking && !fds[0].revents().is_empty(), telling && !fds[1].revents().is_empty()))
}

/// Whether it goes on.
fn take(from: &mut impl Read, into: &mut Vec<u8>) -> io::Result<bool> {
    let mut part = [0_u8; 16 * 1024];
    match from.read(&mut part) {
        Ok(0) => Ok(false),
        Ok(length) => {
            into.extend_from_slice(part.get(..length).unwrap_or_default());
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
