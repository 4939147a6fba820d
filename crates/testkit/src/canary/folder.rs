//! Looks through what a guard left behind: its database with its log, records, letters, reports, runtime folder.
//!
//! Two places may have secrets, and are looked at for their mode instead: kept generations of OpenClaw's config, which
//! are copies of it, and what the gateway itself printed, as its keeper wrote it down byte by byte.

use super::Scanner;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A file is read up to here; no file of a guard is as large.
const MAX_BYTES: u64 = 64 << 20;
/// Files looked at; a guard has some dozens.
const MAX_FILES: usize = 20_000;

/// Every leak below this folder, a sentence each: the file, the place, which canary.
#[must_use]
pub fn leaks(folder: &Path, scanner: &Scanner) -> Vec<String> {
    let mut leaks = Vec::new();
    let mut left = MAX_FILES;
    walk(folder, false, &mut left, &mut |path, spared| {
        if spared {
            leaks.extend(open_to_others(path));
        } else {
            leaks.extend(in_file(path, scanner));
        }
    });
    if left == 0 {
        leaks.push(format!("{} has more than {MAX_FILES} files", folder.display()));
    }
    leaks
}

/// The leaks in one file, and in what it has packed.
#[must_use]
pub fn in_file(path: &Path, scanner: &Scanner) -> Vec<String> {
    let mut bytes = Vec::new();
    // A socket or FIFO is no file, and one that has gone meanwhile tells nothing.
    let Ok(file) = std::fs::File::open(path) else { return Vec::new() };
    if file.take(MAX_BYTES).read_to_end(&mut bytes).is_err() {
        return Vec::new();
    }
    let mut hits: Vec<String> =
        scanner.hits(&bytes).iter().map(|hit| format!("{} has {hit}", path.display())).collect();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        let _ = flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(MAX_BYTES).read_to_end(&mut unpacked);
        hits.extend(scanner.hits(&unpacked).iter().map(|hit| format!("{}, unpacked, has {hit}", path.display())));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    hits.extend(scanner.hits(name.as_bytes()).iter().map(|hit| format!("a file's name has {}", hit.what)));
    hits
}

fn walk(folder: &Path, spared: bool, left: &mut usize, look: &mut dyn FnMut(&Path, bool)) {
    let entries: Vec<PathBuf> =
        std::fs::read_dir(folder).map(|list| list.flatten().map(|entry| entry.path()).collect()).unwrap_or_default();
    for path in entries {
        let Ok(seen) = std::fs::symlink_metadata(&path) else { continue };
        if seen.is_dir() {
            walk(&path, spared || path.ends_with("generations"), left, look);
        } else if seen.is_file() {
            if *left == 0 {
                return;
            }
            *left -= 1;
            look(&path, spared || is_printed(&path));
        }
    }
}

/// `logs/ID/gateway.log`, `gateway.log.1`, …
fn is_printed(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let above = path.parent().and_then(Path::parent).and_then(Path::file_name);
    name.starts_with("gateway.log") && above.is_some_and(|above| above == "logs")
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| format!("{} may have secrets, and its mode is {mode:o}", path.display()))
}

#[cfg(not(unix))]
fn open_to_others(_path: &Path) -> Option<String> {
    None
}
