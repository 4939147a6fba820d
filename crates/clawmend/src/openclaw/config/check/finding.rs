//! What a check finds.

use clawmend_core::generation::KeyPath;
use std::path::PathBuf;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// The gateway starts, but something will not work as meant.
    Warning,
    /// The gateway would not start with it.
    Error,
}

impl Severity {
    /// Stable name for JSON and scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A line of the config with its place marked and its values hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, at most 120 characters of it.
    pub text: String,
    /// Characters before the mark.
    pub mark: usize,
}

/// One finding. Holds no value of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable name.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The key it is about.
    pub path: Option<KeyPath>,
    /// The file it is in.
    pub file: Option<PathBuf>,
    /// 1-based; zero where no place applies.
    pub line: u32,
    /// 1-based; zero where no place applies.
    pub column: u32,
    /// The line.
    pub excerpt: Option<Excerpt>,
    /// One sentence.
    pub message: String,
    /// What to do, one sentence.
    pub hint: Option<String>,
}

impl Finding {
    pub(super) fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            path: None,
            file: None,
            line: 0,
            column: 0,
            excerpt: None,
            message: message.into(),
            hint: None,
        }
    }

    /// About something outside of the file.
    #[must_use]
    pub fn outside(severity: Severity, code: &'static str, message: String) -> Self {
        Self::new(severity, code, message)
    }

    pub(super) fn at(mut self, path: KeyPath) -> Self {
        self.path = Some(path);
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A restore does not cure it: only a person may change it, or it lies outside of the file.
    #[must_use]
    pub fn needs_person(&self) -> bool {
        matches!(
            self.code,
            "bind_without_auth" | "password_missing" | "unresolved_variable" | "secret_unresolved" | "mode_remote"
        )
    }
}
