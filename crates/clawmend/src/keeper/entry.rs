//! How a keeper process begins.

use super::init::{Init, InitOptions};
use super::server::Server;
use crate::host::files::{FileLock, LockError, private_dir};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What `ps` calls it, so that a person who ends guards by name does not mean the keeper.
const NAME: &std::ffi::CStr = c"clawmend-keeper";
/// `EX_USAGE`.
const USAGE: u8 = 64;
/// `EX_TEMPFAIL`: another keeper has this folder.
const HELD: u8 = 75;

struct Arguments {
    dir: PathBuf,
    launch: bool,
}

/// `clawmend keeper --dir DIR [--launch]`, with the arguments after `keeper`. Writes one line to stdout: `ready`, or
/// why not. With `--launch`, starts the keeper proper and ends at once.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Some(arguments) = parse(arguments) else {
        say("usage: clawmend keeper --dir DIR");
        return ExitCode::from(USAGE);
    };
    if arguments.launch {
        return launch(&arguments.dir);
    }
    crate::host::process::name_self(NAME);
    // Refused only to a group leader, which `--launch` never makes us: then a person started us, in their own session.
    let _ = rustix::process::setsid();
    match keep(&arguments.dir, None) {
        Ok(_) => ExitCode::SUCCESS,
        Err(code) => ExitCode::from(code),
    }
}

/// The keeper as PID 1, or as the reaper of everything below it: starts the guard, restarts it for ever, and ends with
/// the gateway's own status. Signals: SIGTERM and SIGINT end the gateway in order, a second one by force.
#[must_use]
pub fn run_as_init(dir: &Path, options: InitOptions) -> ExitCode {
    crate::host::process::name_self(NAME);
    if std::process::id() != 1 {
        // Kernels since 3.4 know it; without it orphans go to the real PID 1, which reaps them.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    }
    match keep(dir, Some(Init::new(options))) {
        Ok(code) | Err(code) => ExitCode::from(code),
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Option<Arguments> {
    let (mut dir, mut launch) = (None, false);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--dir") => dir = Some(PathBuf::from(arguments.next()?)),
            Some("--launch") => launch = true,
            Some(_) | None => return None,
        }
    }
    dir.filter(|dir| dir.is_absolute()).map(|dir| Arguments { dir, launch })
}

fn launch(dir: &Path) -> ExitCode {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("clawmend").arg("keeper").arg("--dir").arg(dir).stdin(Stdio::null());
    match command.spawn() {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn keep(dir: &Path, init: Option<Init>) -> Result<u8, u8> {
    let is_init = init.is_some();
    let server = open(dir, init).map_err(|(code, reason)| {
        say(&reason);
        code
    })?;
    if !is_init {
        say("ready");
        let_go_of_stdio();
    }
    server.run().map_err(|_| 1)
}

fn open(dir: &Path, init: Option<Init>) -> Result<Server, (u8, String)> {
    private_dir(dir).map_err(|error| (1, error.to_string()))?;
    let note = format!("keeper, pid {}", std::process::id());
    let lock = FileLock::try_lock(&dir.join("keeper.lock"), &note).map_err(|error| match error {
        LockError::Busy { .. } => (HELD, error.to_string()),
        LockError::Io { .. } => (1, error.to_string()),
    })?;
    Server::open(dir, lock, init).map_err(|error| (1, format!("{}: {error}", dir.display())))
}

/// Whoever started us may have ended; then nobody needs the answer.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// So that no terminal, pipe or file of the guard is held open.
fn let_go_of_stdio() {
    if let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}
