//! One lab: a process with a time limit, whose output is shown when it failed.

use super::binaries::TestBinary;
use super::canaries::Canaries;
use super::{Tally, summaries};
use crate::run::root;
use anyhow::{Context, Result};
use std::fs::File;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Longer than any lab takes on a loaded machine.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// When the first lab began: the time that a run takes is told lab by lab.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Of a failed lab's output so many lines are shown.
const LINES_SHOWN: usize = 120;

/// Of what it said at its end so many lines, and of each so many characters, are repeated when all is over.
const LINES_REPEATED: usize = 24;
const COLUMNS_REPEATED: usize = 400;

/// The labs of a binary.
///
/// # Errors
/// When the binary cannot be run.
pub fn names(binary: &TestBinary) -> Result<Vec<String>> {
    let output = binary.command().args(["--list", "--format", "terse"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// Where a lab's output is kept.
pub fn log(binary: &str, name: &str) -> PathBuf {
    root().join("target/labs").join(format!("{}-{}.log", binary.replace('/', "-"), name.replace("::", "-")))
}

/// Runs one lab with more variables in its environment.
///
/// # Errors
/// When it cannot be started.
pub fn run(binary: &TestBinary, name: &str, variables: &[(&str, String)], canaries: &Canaries) -> Result<Tally> {
    let begin = Instant::now();
    let at = BEGIN.elapsed().as_secs();
    let path = log(&binary.name, name);
    std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
    let file = File::create(&path)?;
    let mark = format!("xtask-{}-{}", std::process::id(), begin.elapsed().as_nanos());
    let mut command = binary.command();
    canaries.tell(&mut command);
    let mut child = command
        .args(["--exact", name, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env("CLAWMEND_LABS", "1")
        .env("CLAWMEND_LAB_RUN", &mark)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("starting {}", binary.name))?;
    let ended = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begin.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    sweep(&mark);
    let printed = std::fs::read(&path)?;
    if let Some(tally) = canaries.leaked(&format!("{} {name}", binary.name), &[&printed])? {
        return Ok(tally);
    }
    let text = String::from_utf8_lossy(&printed).into_owned();
    let mut tally = summaries(&text);
    let good = ended.is_some_and(|status| status.success());
    if !good {
        let lines: Vec<&str> = text.lines().collect();
        println!("{}", lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n"));
        let how = ended.map_or_else(|| format!("passed its limit of {LIMIT:?}"), |status| status.to_string());
        let failure = format!("{} {name}: {how}\n{}", binary.name, why(&text));
        tally = Tally { failed: 1, failures: vec![failure], ..Tally::default() };
    }
    let word = if !good {
        "FAILED"
    } else if tally.passed == 0 {
        "skipped"
    } else {
        "ok"
    };
    println!("{word:7} {} {name} ({} s, from {at} s on)", binary.name, begin.elapsed().as_secs());
    for figure in text.lines().filter_map(|line| Some(line.split_once("measured: ")?.1)) {
        println!("        {figure}");
    }
    Ok(tally)
}

/// What a failed test said at its end, for the last lines of the whole run.
fn why(text: &str) -> String {
    let begins = |line: &str| line.starts_with("Error: ") || line.contains(" panicked at ");
    let said = text.lines().skip_while(|line| !begins(line)).take(LINES_REPEATED);
    said.map(|line| format!("    {}\n", line.chars().take(COLUMNS_REPEATED).collect::<String>())).collect()
}

#[cfg(target_os = "linux")]
fn sweep(mark: &str) {
    clawmend_testkit::lab::sweep_run(mark);
}

#[cfg(not(target_os = "linux"))]
fn sweep(_mark: &str) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_repeated_and_nothing_before_it() {
        let text = "running 1 test\nmeasured: 3 s\nError: waited in vain for: a\n\nCaused by:\n    b\n";
        assert_eq!(why(text), "    Error: waited in vain for: a\n    \n    Caused by:\n        b\n");
        assert_eq!(why("thread 'a' (7) panicked at b.rs:1:2:\nc"), "    thread 'a' (7) panicked at b.rs:1:2:\n    c\n");
        assert_eq!(why("nothing"), "");
        assert_eq!(
            why(&format!("Error: {}\n{}", "x".repeat(5_000), "y\n".repeat(500))).lines().count(),
            LINES_REPEATED
        );
    }
}
