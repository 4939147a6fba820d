//! What can be wrong with the settings file, and where.

use std::path::{Path, PathBuf};

/// The settings cannot be used. Nothing here is retried: a person edits the file.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// There is no such file.
    #[error("there is no settings file at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It is there and cannot be read.
    #[error("the settings file {} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Far larger than any settings file.
    #[error("the settings file {} is larger than {limit} bytes; this cannot be it", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// What is read at most.
        limit: u64,
    },
    /// Something in it is wrong.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// 1-based.
        line: usize,
        /// 1-based, in characters.
        column: usize,
        /// What is wrong and what was expected.
        message: String,
        /// The line itself, for people; at most 160 characters.
        excerpt: String,
    },
}

impl SettingsError {
    pub(super) fn invalid(path: &Path, text: &[u8], at: usize, message: &str) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |i| i + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        let whole = text[start..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        // Somebody may have written a credential where only its place is named.
        let excerpt = crate::openclaw::redact::redact(&String::from_utf8_lossy(whole), 160);
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        Self::Invalid { path: path.to_owned(), line, column, message, excerpt }
    }
}
