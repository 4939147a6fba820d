//! Calls npm, watches how far it is, and tells its failures apart.
//!
//! Invariant: what npm prints is read as it comes and only its last [`TAIL`] bytes are kept; npm runs no install
//! scripts of packages.

use super::InstallError;
use crate::openclaw::redact::redact;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TAIL: usize = 8 * 1024;
/// How often `progress` hears.
const BEAT: Duration = Duration::from_millis(250);
/// How often the written bytes are counted, which walks the folder.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// Folder entries that one count looks at.
const MAX_ENTRIES: usize = 200_000;

/// The npm on `path`.
pub(super) fn find(path: Option<&OsStr>) -> Option<PathBuf> {
    program(path, if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// A program on `path`.
pub(in crate::openclaw) fn program(path: Option<&OsStr>, name: &str) -> Option<PathBuf> {
    let names: &[&str] = if cfg!(windows) { &[".exe", ".cmd", ""] } else { &[""] };
    std::env::split_paths(path?)
        .filter(|folder| folder.is_absolute())
        .flat_map(|folder| names.iter().map(move |end| folder.join(format!("{name}{end}"))))
        .find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

/// `path` with `first` put before everything else.
pub(super) fn path_with(first: &Path, path: Option<&OsStr>) -> Option<OsString> {
    let rest = path.into_iter().flat_map(std::env::split_paths);
    std::env::join_paths(std::iter::once(first.to_owned()).chain(rest)).ok()
}

/// `npm install PACKAGE` into `prefix`.
pub(super) fn install(
    npm: &Path,
    prefix: &Path,
    package: &str,
    path: Option<&OsStr>,
    progress: &mut dyn FnMut(Duration, u64),
) -> Result<(), InstallError> {
    let failed = |detail: String| InstallError::Npm { package: package.to_owned(), detail };
    let mut command = Command::new(npm);
    command
        .args(["install", "--no-audit", "--no-fund", "--no-progress", "--no-update-notifier", "--ignore-scripts"])
        .args(["--loglevel=error", "--global=false", "--prefix"])
        .arg(prefix)
        .arg(package)
        .current_dir(prefix)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let errors = child.stderr.take();
    let reader = std::thread::spawn(move || errors.map_or_else(String::new, tail));
    let (begun, mut counted, mut bytes) = (Instant::now(), Instant::now(), 0);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(error) => return Err(failed(error.to_string())),
        }
        if counted.elapsed() >= COUNT_EVERY {
            bytes = size_of(prefix);
            counted = Instant::now();
        }
        progress(begun.elapsed(), bytes);
        std::thread::sleep(BEAT);
    };
    let said = reader.join().unwrap_or_default();
    if status.success() {
        progress(begun.elapsed(), size_of(prefix));
        return Ok(());
    }
    Err(classify(&said, package, prefix))
}

/// npm prints `npm error code ENOTFOUND` (npm 10 and later) or `npm ERR! code ENOTFOUND`.
pub(super) fn classify(said: &str, package: &str, prefix: &Path) -> InstallError {
    let code = said
        .lines()
        .find_map(|line| line.strip_prefix("npm error code ").or_else(|| line.strip_prefix("npm ERR! code ")))
        .unwrap_or_default()
        .trim();
    let network = [
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "ENETUNREACH",
        "EHOSTUNREACH",
        "ERR_SOCKET_TIMEOUT",
    ];
    if network.contains(&code) {
        return InstallError::NoNetwork { code: code.to_owned() };
    }
    if code == "ENOSPC" || said.contains("ENOSPC") {
        return InstallError::NoSpace { needed: super::NEEDED_BYTES, free: super::free_bytes(prefix).unwrap_or(0) };
    }
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(6).collect();
    InstallError::Npm { package: package.to_owned(), detail: redact(&lines.join(" | "), 400) }
}

fn tail(mut from: impl Read) -> String {
    let mut kept: Vec<u8> = Vec::new();
    let mut chunk = [0_u8; 1024];
    while let Ok(count) = from.read(&mut chunk) {
        if count == 0 {
            break;
        }
        kept.extend_from_slice(&chunk[..count]);
        if kept.len() > 2 * TAIL {
            kept.drain(..kept.len() - TAIL);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn size_of(folder: &Path) -> u64 {
    let (mut bytes, mut seen, mut folders) = (0_u64, 0_usize, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MAX_ENTRIES {
                return bytes;
            }
            match entry.metadata() {
                Ok(data) if data.is_dir() => folders.push(entry.path()),
                Ok(data) => bytes = bytes.saturating_add(data.len()),
                Err(_) => {}
            }
        }
    }
    bytes
}
