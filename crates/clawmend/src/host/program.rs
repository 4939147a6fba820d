//! Runs a program of this machine to its end, within bounds.
//!
//! Invariants: its output is bounded while it is read; when its time is over, its whole process group is ended, proven
//! by pid and start time; it reads no terminal. What it is given in its environment is the caller's choice. Blocks: run
//! it beside the loop. Start at [`run`].

use super::group::end_group;
use super::process::incarnation_of;
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How often its end is looked for.
const BEAT: Duration = Duration::from_millis(5);
/// How long a pipe may be held by others after it has ended.
const HELD: Duration = Duration::from_secs(5);

/// Variables of a login that a service has only where somebody saw to it: its ssh agent, and its way out.
const OF_LOGIN: [&str; 7] =
    ["SSH_AUTH_SOCK", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"];

/// Whose variables it is given, of those that the caller passes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Surroundings {
    /// All that this program has.
    #[default]
    Own,
    /// Without those of a login, as a service runs it.
    Service,
}

impl Surroundings {
    /// Those of a service are others than our own.
    #[must_use]
    pub fn differ() -> bool {
        OF_LOGIN.iter().any(|name| std::env::var_os(name).is_some())
    }

    /// Gives the program these of our variables.
    pub fn pass(self, names: &[&str], command: &mut Command) {
        for name in names.iter().filter(|name| self == Self::Own || !OF_LOGIN.contains(name)) {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
    }
}

/// How much it may do.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Until when it may run.
    pub until: Instant,
    /// Most that it may print, in bytes.
    pub output: u64,
    /// Most of its messages that is kept, in bytes; the rest is dropped.
    pub messages: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; -1 where it has none.
    pub code: i32,
    /// What it printed.
    pub output: Vec<u8>,
    /// What it said besides.
    pub messages: String,
}

/// Why it did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum NotRun {
    /// There is no such program.
    #[error("it is not installed")]
    Missing,
    /// It cannot be started.
    #[error("it cannot be started: {0}")]
    Start(io::Error),
    /// It cannot be waited for.
    #[error("it cannot be followed: {0}")]
    Follow(io::Error),
    /// Its time was over.
    #[error("it took too long")]
    TooSlow,
    /// The caller's watch ended it.
    #[error("it was ended")]
    Stopped,
    /// More than [`Bounds::output`].
    #[error("it printed too much")]
    TooMuch,
    /// It has ended, and something that it started holds its output.
    #[error("something that it started does not end")]
    Held,
}

/// Runs it, whatever its exit code. `goes_on` is asked a few hundred times a second, and ends it with `false`.
///
/// # Errors
/// [`NotRun`]; nothing of it lives then.
pub fn run(
    command: &mut Command,
    input: Option<Vec<u8>>,
    bounds: Bounds,
    goes_on: impl FnMut() -> bool,
) -> Result<Said, NotRun> {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = command.spawn().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound { NotRun::Missing } else { NotRun::Start(error) }
    })?;
    let life = incarnation_of(child.id());
    if let Some(pipe) = child.stdin.take() {
        feed(pipe, input);
    }
    let output = child.stdout.take().map(|pipe| read(pipe, bounds.output));
    let messages = child.stderr.take().map(|pipe| read(pipe, bounds.messages));
    let ended = wait(&mut child, bounds.until, goes_on);
    if ended.is_err() {
        if let Some(life) = &life {
            end_group(life);
        }
        // Where no life could be proven: the handle of our own child, which nobody has reaped.
        drop(child.kill());
        // One that waits for a disk in the kernel ends when that lets it.
        std::thread::spawn(move || drop(child.wait()));
    }
    let status = ended?;
    let (output, messages) = (all_of(output)?, all_of(messages)?);
    if output.len() as u64 > bounds.output {
        return Err(NotRun::TooMuch);
    }
    let messages = String::from_utf8_lossy(&messages).into_owned();
    Ok(Said { code: status.code().unwrap_or(-1), output, messages })
}

fn wait(child: &mut Child, until: Instant, mut goes_on: impl FnMut() -> bool) -> Result<ExitStatus, NotRun> {
    loop {
        if let Some(status) = child.try_wait().map_err(NotRun::Follow)? {
            return Ok(status);
        }
        if Instant::now() >= until {
            return Err(NotRun::TooSlow);
        }
        if !goes_on() {
            return Err(NotRun::Stopped);
        }
        std::thread::sleep(BEAT);
    }
}

/// A program that does not read its input says why in its exit code.
fn feed(mut pipe: impl Write + Send + 'static, input: Option<Vec<u8>>) {
    std::thread::spawn(move || {
        if let Some(input) = input {
            drop(pipe.write_all(&input));
        }
    });
}

/// At most one byte more than `most` is kept, so that too much is seen; the rest is read and dropped.
fn read(mut pipe: impl Read + Send + 'static, most: u64) -> Receiver<Vec<u8>> {
    let (done, receiver) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        drop(pipe.by_ref().take(most + 1).read_to_end(&mut kept));
        drop(io::copy(&mut pipe, &mut io::sink()));
        drop(done.send(kept));
    });
    receiver
}

/// What was read, now that it has ended. Whatever it started may hold the pipe for ever.
fn all_of(reader: Option<Receiver<Vec<u8>>>) -> Result<Vec<u8>, NotRun> {
    reader.map_or_else(|| Ok(Vec::new()), |reader| reader.recv_timeout(HELD).map_err(|_| NotRun::Held))
}

/// Programs of tests, which run what they have written.
#[cfg(all(test, unix))]
pub mod stand_in {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    /// A script. Another process writes it: what this one has open for writing is inherited by whatever another thread
    /// starts just then, and a file that anybody has open for writing cannot be run (`ETXTBSY`).
    pub fn write(path: &Path, text: &str) {
        let mut writer = Command::new("/bin/sh")
            .args(["-c", r#"cat > "$1" && chmod 700 "$1""#, "sh"])
            .arg(path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
    }
}
