//! Which files do not leave this machine.
//!
//! Invariant: a file is read within its bound only, and never followed where it is a link. What cannot be looked at is
//! left out.

use crate::openclaw::files::read_bounded;
use crate::openclaw::redact::{self, plain};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Longest path that is shown, in characters.
const MAX_SHOWN: usize = 200;
/// How an SQLite database begins, and the two kinds of files beside it that hold parts of it (its write-ahead log, in
/// either order of bytes, and its rollback journal).
const DATABASES: [&[u8]; 4] = [
    b"SQLite format 3\0",
    &[0x37, 0x7f, 0x06, 0x82],
    &[0x37, 0x7f, 0x06, 0x83],
    &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7],
];

/// A file that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its path in the workspace, fit to be shown.
    pub path: String,
    /// Why.
    pub why: Why,
}

/// Why a file is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It is larger than allowed.
    #[error("larger than the limit")]
    TooLarge,
    /// Its name is one of `.DS_Store .env *.key *.pem secrets*`, which OpenClaw's guide leaves out.
    #[error("named like a secret")]
    Named,
    /// A credential stands in it.
    #[error("holds a credential")]
    HoldsSecret,
    /// An SQLite database: such as OpenClaw keeps sessions and logins in, and never whole while somebody writes to it.
    #[error("a database")]
    Database,
    /// A filter of the user's makes another file of it before it is committed. Filters do not run here.
    #[error("kept by a git filter, such as git-crypt or LFS")]
    Filtered,
    /// A git repository inside of the workspace.
    #[error("a repository of its own")]
    Repository,
    /// It cannot be read, or its name cannot be written.
    #[error("cannot be read")]
    Unreadable,
    /// A history that is longer than what is looked through.
    #[error("more than can be looked through")]
    TooMuch,
}

/// Names `path`, as git writes it, for a person.
pub(super) fn shown(path: &[u8]) -> String {
    plain(&String::from_utf8_lossy(path)).chars().take(MAX_SHOWN).collect()
}

/// Why this file is left out, if it is. `path` is as git writes it; `filtered`: the user has a filter for it.
pub(super) fn reason(folder: &Path, path: &[u8], filtered: bool, most: u64) -> Option<Why> {
    if path.ends_with(b"/") {
        return Some(Why::Repository);
    }
    if is_secret_name(path) {
        return Some(Why::Named);
    }
    let Some(file) = place(folder, path) else { return Some(Why::Unreadable) };
    let Ok(data) = std::fs::symlink_metadata(&file) else {
        // Gone meanwhile: git sees that as well.
        return None;
    };
    if data.is_symlink() {
        // Its target is a text; what it points to is not read.
        return None;
    }
    if filtered && data.is_file() {
        return Some(Why::Filtered);
    }
    if data.len() > most {
        return Some(Why::TooLarge);
    }
    match read_bounded(&file, most) {
        Ok(bytes) => by_content(&bytes),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Some(Why::TooLarge),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(_) => Some(Why::Unreadable),
    }
}

/// Whether a filter of the user's is for what is there now: git's filters are for files alone, not for links.
pub(super) fn is_file(folder: &Path, path: &[u8]) -> bool {
    place(folder, path).and_then(|file| file.symlink_metadata().ok()).is_some_and(|data| data.is_file())
}

/// Why a file with these bytes is left out, if it is.
pub(super) fn by_content(bytes: &[u8]) -> Option<Why> {
    if DATABASES.iter().any(|begin| bytes.starts_with(begin)) {
        return Some(Why::Database);
    }
    holds_secret(bytes).then_some(Why::HoldsSecret)
}

/// Whether a credential stands in a text: in whatever encoding that keeps ASCII, or in the UTF-16 of Windows. Other bytes
/// are not looked through.
pub(super) fn holds_secret(bytes: &[u8]) -> bool {
    if let Some(text) = utf16(bytes) {
        return redact::holds_secret(&text);
    }
    !bytes.contains(&0) && redact::holds_secret(&String::from_utf8_lossy(bytes))
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let units = bytes.chunks_exact(2).filter_map(|two| <[u8; 2]>::try_from(two).ok()).map(unit);
    Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

/// Why a file of this name and size is left out, if it is.
pub(super) fn fit(path: &[u8], size: u64, most: u64) -> Option<Why> {
    if is_secret_name(path) { Some(Why::Named) } else { (size > most).then_some(Why::TooLarge) }
}

fn is_secret_name(path: &[u8]) -> bool {
    let text = String::from_utf8_lossy(path).to_ascii_lowercase();
    text.split('/').any(|part| part.starts_with("secrets") || part == ".env" || part == ".ds_store")
        || text.rsplit('/').next().is_some_and(|name| {
            let end = Path::new(name).extension();
            name.starts_with(".env.") || end.is_some_and(|end| end == "key" || end == "pem")
        })
}

/// Where a path of git's is on the disk. Git never gives one that leads out of the folder.
pub(super) fn place(folder: &Path, path: &[u8]) -> Option<PathBuf> {
    Some(folder.join(os_path(path)?))
}

#[cfg(unix)]
fn os_path(path: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    Some(OsString::from_vec(path.to_vec()))
}

#[cfg(not(unix))]
fn os_path(path: &[u8]) -> Option<OsString> {
    Some(OsString::from(String::from_utf8(path.to_vec()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_found_in_whatever_encoding_a_text_has() {
        let text = "\u{feff}Schlüssel\napiKey: a1b2c3d4e5f6\n";
        let latin: Vec<u8> = "Schl\u{fc}ssel\napiKey: a1b2c3d4e5f6\n".chars().map(|c| c as u8).collect();
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [text.as_bytes(), &latin, &little, &big] {
            assert!(holds_secret(bytes), "{bytes:?}");
        }
        assert!(!holds_secret(b"\x00\x01apiKey: a1b2c3d4e5f6\n"), "no text");
        assert!(!holds_secret(&[0xff, 0xfe, 0x41]) && !holds_secret(b""));
    }

    #[test]
    fn a_database_is_known_by_its_first_bytes() {
        for bytes in
            [b"SQLite format 3\0\x10\0".as_slice(), b"\x37\x7f\x06\x82\0", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\0"]
        {
            assert_eq!(by_content(bytes), Some(Why::Database), "{bytes:?}");
        }
        for bytes in [b"SQLite format 3 is what it begins with\n".as_slice(), b"7\x7f\x06", b""] {
            assert_eq!(by_content(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn names_of_secrets_are_those_of_openclaws_guide() {
        for name in [
            ".env",
            "a/.env",
            "x/.env.local",
            ".DS_Store",
            "a/b/id.key",
            "cert.PEM",
            "secrets.md",
            "secrets/x",
            "a/Secrets-old/y",
        ] {
            assert!(is_secret_name(name.as_bytes()), "{name}");
        }
        for name in ["MEMORY.md", "keys.md", "monkey", "environment.md", "my-secret.md", "a.env.md", "pem/x"] {
            assert!(!is_secret_name(name.as_bytes()), "{name}");
        }
    }
}
