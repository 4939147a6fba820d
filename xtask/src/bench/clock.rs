//! The outside clock: microseconds that two processes share without a word, and a command that notes them.

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Microseconds on `CLOCK_MONOTONIC`: the clock of systemd's own figures, and no one can set it.
pub fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(now.tv_sec) * 1_000_000 + part(now.tv_nsec) / 1_000
}

/// Appends the time to a file and becomes the command.
///
/// # Errors
/// When the file cannot be written or the command cannot be executed.
pub fn stamp(file: &Path, command: &[String]) -> Result<()> {
    let now = now_us();
    let mut file = File::options().append(true).create(true).open(file)?;
    writeln!(file, "{} {now}", std::process::id())?;
    let (program, arguments) = command.split_first().context("no command to become")?;
    Err(Command::new(program).args(arguments).exec()).with_context(|| program.clone())
}

/// All whole lines of a file of stamps: pid and time.
pub fn stamps(file: &Path) -> Vec<(u32, u64)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n')?.split_once(' '))
        .filter_map(|(pid, time)| Some((pid.parse().ok()?, time.parse().ok()?)))
        .collect()
}

/// From one time to a later one, in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "differences of minutes fit well into 52 bits")]
pub fn milliseconds(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1e3
}
