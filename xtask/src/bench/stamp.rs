//! The outside clock: a command that notes when it was executed and becomes another one.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in nanoseconds since the epoch: the one clock that two processes share without a word.
pub fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// Appends the time to a file and becomes the command.
///
/// # Errors
/// When the file cannot be written or the command cannot be executed.
pub fn stamp(file: &Path, command: &[String]) -> Result<()> {
    let now = now_ns();
    let mut file = File::options().append(true).create(true).open(file)?;
    writeln!(file, "{} {now}", std::process::id())?;
    let (program, arguments) = command.split_first().context("no command to become")?;
    Err(Command::new(program).args(arguments).exec()).with_context(|| program.clone())
}

/// All stamps in a file: pid and time.
pub fn stamps(file: &Path) -> Vec<(u32, u128)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(pid, time)| Some((pid.parse().ok()?, time.parse().ok()?)))
        .collect()
}
