//! One error for people: what is wrong, and what to do next.

use super::exit;
use crate::api::client::AskError;
use crate::daemon::DaemonError;
use crate::host::dirs::DirsError;
use crate::settings::SettingsError;
use crate::store::ReadError;

/// What an error means for whoever called us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// See [`exit::USAGE`].
    Usage,
    /// See [`exit::NOT_FOUND`].
    NotFound,
    /// See [`exit::NO_GUARD`].
    NoGuard,
    /// See [`exit::RETRY`].
    Retry,
    /// See [`exit::REFUSED`].
    Refused,
    /// See [`exit::NEEDS_PERSON`].
    NeedsPerson,
    /// See [`exit::INTERNAL`].
    Internal,
}

impl Kind {
    /// The exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usage => exit::USAGE,
            Self::NotFound => exit::NOT_FOUND,
            Self::NoGuard => exit::NO_GUARD,
            Self::Retry => exit::RETRY,
            Self::Refused => exit::REFUSED,
            Self::NeedsPerson => exit::NEEDS_PERSON,
            Self::Internal => exit::INTERNAL,
        }
    }
}

/// A command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliError {
    /// What it means.
    pub kind: Kind,
    /// One sentence, without an end stop.
    pub message: String,
    /// What to do next, one sentence each.
    pub hints: Vec<String>,
}

impl CliError {
    /// Without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// With one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::new(Kind::Retry, format!("reading or writing failed: {error}"))
    }
}

impl From<AskError> for CliError {
    fn from(error: AskError) -> Self {
        let message = error.to_string();
        match error {
            AskError::NoGuard => Self::new(Kind::NoGuard, message).hint("start one with `clawmend up`"),
            AskError::Forbidden { .. } => {
                Self::new(Kind::Refused, message).hint("run this command as the user that runs the guard")
            }
            AskError::NotUnderstood(_) => Self::new(Kind::Retry, message)
                .hint("guard and command may have different versions: restart the guard, the gateway keeps running"),
            AskError::Broken(_) => Self::new(Kind::Retry, message).hint("try again, or look into the guard's log"),
            AskError::Unsupported(_) => Self::new(Kind::NeedsPerson, message),
        }
    }
}

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> Self {
        let message = error.to_string();
        match error {
            ReadError::Nothing { .. } => Self::new(Kind::NotFound, message)
                .hint("records begin with the first guard: start one with `clawmend up`"),
            ReadError::OtherSchema { found, .. } if found > crate::store::SCHEMA => {
                Self::new(Kind::NeedsPerson, message).hint("use the newer clawmend that wrote them")
            }
            ReadError::OtherSchema { .. } => {
                Self::new(Kind::NeedsPerson, message).hint("the next guard brings them up to date: `clawmend up`")
            }
            ReadError::Damaged { .. } => Self::new(Kind::NeedsPerson, message)
                .hint("the next guard sets the file aside and starts afresh: `clawmend up`"),
            ReadError::Failed(_) => Self::new(Kind::Retry, message).hint("try again"),
        }
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        let message = error.to_string();
        match error {
            SettingsError::Missing { .. } => {
                Self::new(Kind::NotFound, message).hint("no setting is needed: leave --config out to use the defaults")
            }
            SettingsError::Unreadable { .. } | SettingsError::TooLarge { .. } => Self::new(Kind::NeedsPerson, message),
            SettingsError::Invalid { line, excerpt, .. } => Self::new(Kind::NeedsPerson, message)
                .hint(format!("line {line} is: {excerpt}"))
                .hint("a guard that is running keeps its last good settings"),
        }
    }
}

impl From<DaemonError> for CliError {
    fn from(error: DaemonError) -> Self {
        match error {
            DaemonError::NeedsPerson { message, hints } => Self { kind: Kind::NeedsPerson, message, hints },
            DaemonError::NotFound { message, hints } => Self { kind: Kind::NotFound, message, hints },
            DaemonError::Forbidden { message, hints } => Self { kind: Kind::Refused, message, hints },
            DaemonError::Retry { message } => Self::new(Kind::Retry, message).hint("try again"),
            DaemonError::Bug { message } => Self::new(Kind::Internal, message),
        }
    }
}

impl From<DirsError> for CliError {
    fn from(error: DirsError) -> Self {
        Self::new(Kind::NeedsPerson, error.to_string())
    }
}
