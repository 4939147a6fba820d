//! The file itself: is it there, is it ours, does it stand still?
//!
//! Invariant: at most [`MAX_CONFIG_BYTES`] are read, no pipe or device is opened, and what is returned was the whole
//! file at one instant.

use super::finding::{Finding, Severity};
use crate::openclaw::config::MAX_CONFIG_BYTES;
use crate::openclaw::files;
use std::io;
use std::path::Path;

/// Reads of a file that keeps changing.
const TRIES: u32 = 3;

/// A file as it was read.
#[derive(Debug)]
pub struct Source {
    /// Its content, without a byte order mark.
    pub text: String,
    /// What is odd about the file.
    pub findings: Vec<Finding>,
}

/// Reads it.
///
/// # Errors
/// The finding that says why there is no text.
pub fn read(path: &Path) -> Result<Source, Box<Finding>> {
    let mut findings = Vec::new();
    let bytes = steady(path)?;
    look_at(path, &mut findings);
    decode(bytes, findings)
}

/// What the bytes of a file say. `findings`: what was found about the file so far.
///
/// # Errors
/// The finding that says why there is no text.
pub fn decode(bytes: Vec<u8>, mut findings: Vec<Finding>) -> Result<Source, Box<Finding>> {
    let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => {
            findings.push(note("bom", "the file begins with a byte order mark, which OpenClaw skips"));
            rest.to_vec()
        }
        None => bytes,
    };
    if matches!(bytes.get(..2), Some(b"\xff\xfe" | b"\xfe\xff")) {
        return Err(Box::new(
            error("not_utf8", "the file is UTF-16; OpenClaw reads UTF-8 only").hint("save it as UTF-8"),
        ));
    }
    let text = String::from_utf8(bytes).map_err(|bad| {
        let place = bad.utf8_error().valid_up_to();
        Box::new(error("not_utf8", format!("the file is not UTF-8 (first bad byte at offset {place})")))
    })?;
    if text.trim().is_empty() {
        return Err(Box::new(error("empty", "the file is empty")));
    }
    Ok(Source { text, findings })
}

/// The same length, time and identity before and after the read.
fn steady(path: &Path) -> Result<Vec<u8>, Box<Finding>> {
    for _ in 0..TRIES {
        let before = stamp(path);
        let bytes = files::read_bounded(path, MAX_CONFIG_BYTES).map_err(|error| Box::new(unreadable(path, &error)))?;
        if before.is_some() && before == stamp(path) && before.is_some_and(|(len, ..)| len == bytes.len() as u64) {
            return Ok(bytes);
        }
    }
    let finding = error("changing", "the file changed each time it was read");
    Err(Box::new(finding.hint("check again when whoever writes it is done")))
}

fn stamp(path: &Path) -> Option<(u64, Option<std::time::SystemTime>, (u64, u64))> {
    let seen = std::fs::metadata(path).ok()?;
    Some((seen.len(), seen.modified().ok(), files::identity(&seen)))
}

fn unreadable(path: &Path, failed: &io::Error) -> Finding {
    let link = std::fs::symlink_metadata(path).is_ok_and(|seen| seen.is_symlink());
    let kind = failed.kind();
    if link && kind == io::ErrorKind::NotFound {
        return error("missing", "the file is a link to something that is not there");
    }
    if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        return error("missing", "there is no config file")
            .hint("`clawmend config restore` brings back the last proven one");
    }
    if kind == io::ErrorKind::PermissionDenied {
        return error("unreadable", "the file cannot be read: permission denied")
            .hint("it must belong to the gateway's user");
    }
    if kind == io::ErrorKind::FileTooLarge {
        return error("too_large", format!("the file is larger than {} MiB", MAX_CONFIG_BYTES / (1024 * 1024)));
    }
    if matches!(kind, io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory) {
        return error("not_a_file", "it is a folder or a device, not a file");
    }
    error("unreadable", format!("the file cannot be read: {kind}"))
}

/// Owner and rights.
#[cfg(unix)]
fn look_at(path: &Path, findings: &mut Vec<Finding>) {
    use std::os::unix::fs::MetadataExt;
    let (Ok(seen), Some(folder)) = (std::fs::metadata(path), path.parent()) else { return };
    if seen.mode() & 0o022 != 0 {
        let message = format!("others may change the file (mode {:o})", seen.mode() & 0o777);
        findings.push(Finding::new(Severity::Warning, "writable_by_others", message).hint("chmod 600"));
    } else if seen.mode() & 0o044 != 0 {
        let message = format!("others may read the file and its secrets (mode {:o})", seen.mode() & 0o777);
        findings.push(Finding::new(Severity::Warning, "readable_by_others", message).hint("chmod 600"));
    }
    if let Ok(around) = std::fs::metadata(folder)
        && around.uid() != seen.uid()
    {
        let message = format!("the file belongs to user {}, its folder to user {}", seen.uid(), around.uid());
        findings.push(Finding::new(Severity::Warning, "other_owner", message));
    }
}

#[cfg(not(unix))]
fn look_at(_: &Path, _: &mut Vec<Finding>) {}

fn error(code: &'static str, message: impl Into<String>) -> Finding {
    Finding::new(Severity::Error, code, message)
}

fn note(code: &'static str, message: &str) -> Finding {
    Finding::new(Severity::Note, code, message)
}
