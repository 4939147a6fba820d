//! Runs an engine's program: once, apart from everything, within bounds.
//!
//! Invariants: its environment is what is listed here and nothing that we inherited; it stands in an empty folder; the
//! credential is in its environment only; of its output a bounded part is kept, while it is read; when the call is over,
//! in whatever way, its whole process group is ended, each process proven by pid and start time. What a guard that was
//! killed left running is ended at the next call: [`end_left_over`].

use super::credential::Surroundings;
use super::engine::Call;
use super::room::{Room, is_room};
use crate::host::files::{Durability, write_atomic};
use crate::host::group::{end_group, end_members};
use crate::host::pidfd::{ExitWatch, WatchError};
use crate::host::process::{environ_value, incarnation_of, is_alive};
use clawmend_core::gateway::Incarnation;
use secrecy::ExposeSecret as _;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// Most of what it prints that is read. More ends it.
const MAX_OUTPUT: usize = super::reply::MAX_REPLY;
/// What is kept of its messages.
const MAX_MESSAGES: usize = 8 * 1024;
/// Largest note on a running program.
const MAX_RUNNING: u64 = 4096;

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// It ended with 0.
    pub success: bool,
    /// `exit 1`, `signal 9`.
    pub how: String,
    /// What it printed.
    pub output: Vec<u8>,
    /// The end of its messages.
    pub messages: String,
}

/// Why there is no end to tell of.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error("it cannot be started: {0}")]
    NotStarted(io::Error),
    /// It printed without an end.
    #[error("it printed more than {MAX_OUTPUT} bytes and was ended")]
    Flooded,
    /// A pipe or the end could not be followed.
    #[error("it could not be followed: {0}")]
    Lost(io::Error),
}

/// A program under way. Dropping it ends the whole group.
struct Running {
    child: Child,
    life: Option<Incarnation>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(life) = &self.life {
            end_group(life);
        }
        // Where no life could be proven: the handle of our own child, which nobody has reaped.
        let _ = self.child.start_kill();
    }
}

/// Where it is written down which process runs now.
fn running_now(folder: &Path) -> PathBuf {
    folder.join("running.json")
}

/// Ends what an earlier call left running because its guard was killed. Whoever calls holds the lock of calls.
pub fn end_left_over(folder: &Path) {
    let path = running_now(folder);
    let Ok(bytes) = crate::openclaw::files::read_bounded(&path, MAX_RUNNING) else { return };
    // The note alone proves nothing: anybody with this account can write one. The home that we gave it does.
    let ours = |life: &Incarnation| environ_value(life, "HOME").is_some_and(|home| is_room(folder, Path::new(&home)));
    if let Ok(life) = serde_json::from_slice::<Incarnation>(&bytes)
        && is_alive(&life)
        && ours(&life)
    {
        tracing::warn!(pid = life.pid, "ended the AI engine that an earlier guard left running");
        end_group(&life);
    }
    drop(std::fs::remove_file(&path));
}

/// The note on a process that runs; it goes with it.
struct Note(PathBuf);

impl Note {
    fn leave(folder: &Path, life: Option<&Incarnation>) -> Self {
        let path = running_now(folder);
        if let Some(bytes) = life.and_then(|life| serde_json::to_vec(life).ok()) {
            // Without it only a guard that is killed in this very call leaves something behind.
            drop(write_atomic(&path, &bytes, Durability::Fast));
        }
        Self(path)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// Runs `program` and notes in `folder` that it runs. The caller bounds the time; dropping the future ends the program.
///
/// # Errors
/// It cannot be started, followed, or prints too much.
pub async fn run(
    program: &Path,
    call: Call,
    room: &Room,
    around: &Surroundings,
    folder: &Path,
) -> Result<Ended, RunError> {
    let mut command = command(program, &call, room, around);
    let mut child = command.spawn().map_err(RunError::NotStarted)?;
    let life = child.id().and_then(incarnation_of);
    let (input, output, messages) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let _note = Note::leave(folder, life.as_ref());
    let mut running = Running { child, life };
    let (Some(mut input), Some(output), Some(messages)) = (input, output, messages) else {
        return Err(RunError::Lost(io::Error::other("no pipes")));
    };
    let question = async {
        // A program that does not read its question has its reasons; its answer tells.
        let _ = input.write_all(call.input.as_bytes()).await;
        drop(input);
    };
    // The first failure ends all of it, and with `running` the program.
    let (output, messages, (), ()) = tokio::try_join!(
        bounded(output),
        async { Ok(last_of(messages).await) },
        async {
            question.await;
            Ok(())
        },
        async {
            leader_ends(running.life.as_ref()).await;
            Ok(())
        },
    )?;
    if let Some(life) = &running.life {
        // The leader has ended and nobody has reaped it yet, so its group cannot be another's.
        end_group(life);
    }
    let status = running.child.wait().await.map_err(RunError::Lost)?;
    running.life = None;
    Ok(Ended { success: status.success(), how: how(status), output, messages })
}

fn command(program: &Path, call: &Call, room: &Room, around: &Surroundings) -> Command {
    let mut command = Command::new(program);
    command.args(&call.arguments).env_clear().current_dir(room.work());
    command.envs(around.system.iter().map(|(name, value)| (name, value)));
    if let Some(path) = path(program, around) {
        command.env("PATH", path);
    }
    for name in ["HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
        command.env(name, room.home());
    }
    for name in ["TMPDIR", "TEMP", "TMP"] {
        command.env(name, room.temporary());
    }
    command.env("LANG", "C.UTF-8").env("NO_COLOR", "1").env("TERM", "dumb");
    command.envs(call.variables.iter().map(|(name, value)| (name, value)));
    if let Some((name, secret)) = &call.secret {
        command.env(name, secret.expose_secret());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    command
}

/// The program's own folder first: what npm installs is a script for the `node` beside it.
fn path(program: &Path, around: &Surroundings) -> Option<OsString> {
    let own = program.parent().into_iter().map(Path::to_owned);
    let others = around.path.as_deref().map(std::env::split_paths).into_iter().flatten();
    std::env::join_paths(own.chain(others)).ok().or_else(|| around.path.clone())
}

/// Until the leader has ended, without reaping it. What it left behind is ended then: it could hold the pipes open for
/// ever.
async fn leader_ends(life: Option<&Incarnation>) {
    let Some(life) = life else { return };
    match ExitWatch::new(life) {
        Ok(watch) => watch.ended().await,
        Err(WatchError::Gone { .. }) => {}
        // The end of its output tells as well, and the caller bounds the time.
        Err(WatchError::CannotWatch { .. }) => return,
    }
    end_members(life);
}

/// Everything, as long as it stays within bounds.
async fn bounded(mut from: impl AsyncRead + Unpin) -> Result<Vec<u8>, RunError> {
    let mut kept = Vec::new();
    let mut part = [0u8; 8192];
    loop {
        let length = from.read(&mut part).await.map_err(RunError::Lost)?;
        if length == 0 {
            return Ok(kept);
        }
        if kept.len() + length > MAX_OUTPUT {
            return Err(RunError::Flooded);
        }
        kept.extend_from_slice(part.get(..length).unwrap_or_default());
    }
}

/// The last part, whatever the amount.
async fn last_of(mut from: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut part = [0u8; 8192];
    while let Ok(length) = from.read(&mut part).await {
        if length == 0 {
            break;
        }
        kept.extend_from_slice(part.get(..length).unwrap_or_default());
        if kept.len() > 2 * MAX_MESSAGES {
            kept.drain(..kept.len() - MAX_MESSAGES);
        }
    }
    let from = kept.len().saturating_sub(MAX_MESSAGES);
    String::from_utf8_lossy(kept.get(from..).unwrap_or_default()).into_owned()
}

#[cfg(unix)]
fn how(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}

#[cfg(not(unix))]
fn how(status: std::process::ExitStatus) -> String {
    status.code().map_or_else(|| "an unknown end".to_owned(), |code| format!("exit {code}"))
}
