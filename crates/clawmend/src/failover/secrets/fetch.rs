//! Runs rsync over ssh.
//!
//! Invariant: no setting of the user's or the machine's ssh takes part, nothing is asked, and no host but the pinned one
//! is spoken to. What ssh reads stands in a folder of ours, named without a path, so that no path needs quoting.

use super::{Brought, DEPTH_MAX, STAY, Secrets, SecretsError, measure};
use crate::host::files::{DirError, Durability, private_dir, write_atomic};
use crate::host::program::{self, Bounds, NotRun, Said, Surroundings};
use crate::openclaw::redact::redact;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const CONFIG: &str = "ssh_config";
const KNOWN: &str = "known_hosts";
/// The name under which the pinned key stands, whatever the host's address.
const ALIAS: &str = "clawmend-secrets";
/// Most of its messages that is kept.
const MESSAGES_MAX: u64 = 64 * 1024;
/// A list of more files than are brought.
const OUTPUT_MAX: u64 = 1024 * 1024;
/// How often what has come is measured.
const MEASURE: Duration = Duration::from_millis(200);
/// Variables that are passed on: what finds programs and keys.
const PASSED: [&str; 6] = ["PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "TMPDIR"];

/// What would be brought.
pub(super) fn look(secrets: &Secrets, surroundings: Surroundings) -> Result<Brought, SecretsError> {
    prepare(secrets)?;
    let mut command = rsync(secrets, surroundings);
    command.arg("--list-only").arg("--").arg(secrets.source.content());
    listed(&run(secrets, &mut command, || true)?.output)
}

/// Adds up the list of rsync: plain files begin with a `-`, as in the list of `ls -l`; then come the size, with commas
/// since rsync 3.1, a date, a time and the path.
fn listed(list: &[u8]) -> Result<Brought, SecretsError> {
    let mut found = Brought::NOTHING;
    for line in list.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"-")) {
        let line = String::from_utf8_lossy(line);
        let (_, rest) = line.split_once(' ').unwrap_or_default();
        let (size, rest) = rest.trim_start().split_once(' ').unwrap_or_default();
        let digits: String = size.chars().filter(char::is_ascii_digit).collect();
        found = found.and(digits.parse().unwrap_or(u64::MAX));
        // The date has slashes of its own.
        let path = rest.trim_start().splitn(3, ' ').nth(2).unwrap_or_default();
        if path.matches('/').count() > DEPTH_MAX || found.is_too_much() {
            return Err(SecretsError::TooMuch);
        }
    }
    Ok(found)
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
    let mut command = rsync(secrets, Surroundings::Own);
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
    let bounds = Bounds { until: Instant::now() + secrets.limit, output: OUTPUT_MAX, messages: MESSAGES_MAX };
    let said = program::run(command, None, bounds, goes_on).map_err(|why| match why {
        NotRun::Missing => SecretsError::NoProgram { program: "rsync", at: "here" },
        NotRun::TooSlow => SecretsError::TooSlow(secrets.limit),
        NotRun::Stopped | NotRun::TooMuch => SecretsError::TooMuch,
        NotRun::Start(_) | NotRun::Follow(_) | NotRun::Held => SecretsError::Rsync { detail: why.to_string() },
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

fn rsync(secrets: &Secrets, surroundings: Surroundings) -> Command {
    let mut command = Command::new("rsync");
    // Links could point anywhere, and devices are no secrets.
    command.args(["--recursive", "--times", "--no-links", "--no-devices", "--no-specials", "--chmod=D0700,F0600"]);
    command.args(["--secluded-args", "--prune-empty-dirs", "--timeout=10"]);
    for name in STAY {
        command.arg(format!("--exclude={name}"));
    }
    command.args(["-e", "ssh -F ssh_config"]);
    command.current_dir(&secrets.work).env_clear();
    surroundings.pass(&PASSED, &mut command);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// As rsync 3.2 and OpenBSD's write it.
    #[test]
    fn a_list_is_added_up() {
        let list = b"drwx------          4,096 2026/11/27 14:00:00 .\n-rw-------          1,234 2026/11/27 14:00:00 a b\n\
                     -rw-------              66 2026/11/27 14:00:00 deep/er/file\nlrwxrwxrwx 7 2026/11/27 14:00:00 link\n";
        assert_eq!(listed(list).unwrap(), Brought { files: 2, bytes: 1_300 });
        let large = b"-rw-------     20,000,000 2026/11/27 14:00:00 big.bin\n";
        assert_eq!(listed(large), Err(SecretsError::TooMuch));
        let deep = format!("-rw------- 1 2026/11/27 14:00:00 {}file\n", "x/".repeat(DEPTH_MAX));
        assert!(listed(deep.as_bytes()).is_ok());
        assert_eq!(listed(deep.replace("file", "y/file").as_bytes()), Err(SecretsError::TooMuch));
        assert_eq!(listed(b"").unwrap(), Brought::NOTHING);
    }
}
