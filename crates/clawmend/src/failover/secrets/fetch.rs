//! Runs rsync over ssh.
//!
//! Invariant: no setting of the user's or the machine's ssh takes part, nothing is asked, and no host but the pinned one
//! is spoken to. What ssh reads stands in a folder of ours, named without a path, so that no path needs quoting.

use super::{BYTES_MAX, STAY, Secrets, SecretsError, measure};
use crate::host::files::{DirError, Durability, private_dir, write_atomic};
use crate::host::program::{self, Bounds, NotRun, Said};
use crate::openclaw::redact::redact;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const CONFIG: &str = "ssh_config";
const KNOWN: &str = "known_hosts";
/// The name under which the pinned key stands, whatever the host's address.
const ALIAS: &str = "clawmend-secrets";
/// Most of its output that is kept.
const OUTPUT_MAX: u64 = 64 * 1024;
/// How often what has come is measured.
const MEASURE: Duration = Duration::from_millis(200);
/// Variables that are passed on: what finds programs and keys.
const PASSED: [&str; 6] = ["PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "TMPDIR"];

/// How many files would be brought.
pub(super) fn look(secrets: &Secrets) -> Result<usize, SecretsError> {
    prepare(secrets)?;
    let mut command = rsync(secrets);
    command.arg("--list-only").arg("--").arg(secrets.source.content());
    let said = run(secrets, &mut command, || true)?;
    // Plain files begin with a `-`, as in the list of `ls -l`.
    Ok(said.output.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"-")).count())
}

/// Brings everything into `fresh`, a folder that is made for it.
pub(super) fn fetch(secrets: &Secrets, fresh: &Path) -> Result<(), SecretsError> {
    prepare(secrets)?;
    if let Some(parent) = fresh.parent() {
        std::fs::create_dir_all(parent).map_err(|error| SecretsError::files(parent, &error))?;
    }
    private_dir(fresh).map_err(|error| folder(fresh, &error))?;
    let mut measured = Instant::now();
    let goes_on = || {
        if measured.elapsed() < MEASURE {
            return true;
        }
        measured = Instant::now();
        // A file that has just been renamed is no reason to end it.
        !matches!(measure(fresh), Err(SecretsError::TooMuch))
    };
    let mut command = rsync(secrets);
    command.arg("--").arg(secrets.source.content()).arg(fresh);
    run(secrets, &mut command, goes_on).map(drop)
}

/// Our folder, and what ssh reads in it.
fn prepare(secrets: &Secrets) -> Result<(), SecretsError> {
    private_dir(&secrets.work).map_err(|error| folder(&secrets.work, &error))?;
    write(&secrets.work.join(CONFIG), &config(secrets))?;
    write(&secrets.work.join(KNOWN), &format!("{ALIAS} {}\n", secrets.host_key.line()))
}

fn run(secrets: &Secrets, command: &mut Command, goes_on: impl FnMut() -> bool) -> Result<Said, SecretsError> {
    let bounds = Bounds { until: Instant::now() + secrets.limit, output: OUTPUT_MAX, messages: OUTPUT_MAX };
    let said = program::run(command, None, bounds, goes_on).map_err(|why| match why {
        NotRun::Missing => SecretsError::NoProgram { program: "rsync", at: "here" },
        NotRun::TooSlow => SecretsError::TooSlow(secrets.limit),
        NotRun::Stopped => SecretsError::TooMuch,
        NotRun::Start(_) | NotRun::Follow(_) | NotRun::TooMuch | NotRun::Held => {
            SecretsError::Rsync { detail: why.to_string() }
        }
    })?;
    if said.code == 0 { Ok(said) } else { Err(failed(secrets, &said)) }
}

fn write(path: &Path, text: &str) -> Result<(), SecretsError> {
    write_atomic(path, text.as_bytes(), Durability::Fast).map_err(|error| SecretsError::files(path, &error))
}

fn folder(path: &Path, error: &DirError) -> SecretsError {
    SecretsError::Files { path: path.to_owned(), detail: error.to_string() }
}

/// What ssh goes by, ssh_config(5).
fn config(secrets: &Secrets) -> String {
    let port = secrets.source.port();
    let mut text = format!(
        "Host *\n Port {port}\n HostKeyAlias {ALIAS}\n UserKnownHostsFile {KNOWN}\n GlobalKnownHostsFile /dev/null\n \
         StrictHostKeyChecking yes\n UpdateHostKeys no\n BatchMode yes\n ConnectTimeout 5\n ServerAliveInterval 3\n \
         ServerAliveCountMax 2\n ForwardAgent no\n ForwardX11 no\n ClearAllForwardings yes\n PermitLocalCommand no\n \
         ControlPath none\n"
    );
    if let Some(identity) = &secrets.identity {
        text += &format!(" IdentitiesOnly yes\n IdentityFile \"{}\"\n", identity.as_path().display());
    }
    text
}

fn rsync(secrets: &Secrets) -> Command {
    let mut command = Command::new("rsync");
    // Links could point anywhere, and devices are no secrets.
    command.args(["--recursive", "--times", "--no-links", "--no-devices", "--no-specials", "--chmod=D0700,F0600"]);
    command.args(["--secluded-args", "--prune-empty-dirs", "--timeout=10"]);
    // One that is larger comes so far that the whole is seen to be too much.
    command.arg(format!("--max-size={}", BYTES_MAX + 1));
    for name in STAY {
        command.arg(format!("--exclude={name}"));
    }
    command.args(["-e", "ssh -F ssh_config"]);
    command.current_dir(&secrets.work).env_clear();
    for name in PASSED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("LC_ALL", "C").env("LANG", "C");
    command
}

/// What a failure means. Texts of OpenSSH 9 and rsync 3.
fn failed(secrets: &Secrets, said: &Said) -> SecretsError {
    let text = said.messages.as_str();
    let has = |part: &str| text.contains(part);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
    let words = redact(&lines.join(" | "), 300);
    let detail = if words.is_empty() { format!("exit {}", said.code) } else { words };
    if has("Host key verification failed") || has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        SecretsError::OtherKey
    } else if has("Permission denied (") || has("Too many authentication failures") {
        SecretsError::Refused { detail }
    } else if has("ssh: not found") || has("Failed to exec ssh") {
        SecretsError::NoProgram { program: "ssh", at: "here" }
    } else if has("rsync: command not found") || has("rsync: not found") {
        SecretsError::NoProgram { program: "rsync", at: "at the host that keeps the secrets" }
    } else if has("change_dir") || has("link_stat") || has("opendir") {
        SecretsError::NoSuchFolder { folder: secrets.source.folder().to_owned(), detail }
    } else if has("No space left on device") || has("Disk quota exceeded") {
        SecretsError::Files { path: secrets.into.clone(), detail }
    } else if said.code == 255
        || said.code == 30
        || has("Connection")
        || has("Could not resolve")
        || has("timed out")
        || has("No route to host")
        || has("unreachable")
    {
        SecretsError::Unreachable { detail }
    } else {
        SecretsError::Rsync { detail }
    }
}
