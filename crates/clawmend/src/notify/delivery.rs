//! What became of a letter, by what is to be done next.

use std::time::Duration;

/// What the service calls the message, for a later reply or edit; empty where it says nothing. Its form is the channel's
/// own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt(pub String);

impl Receipt {
    /// Longest that is kept, in bytes.
    pub const MAX: usize = 256;

    /// From a service's answer; one that is too long or has control characters is as good as none.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let fine = text.len() <= Self::MAX && !text.chars().any(char::is_control);
        Self(if fine { text.to_owned() } else { String::new() })
    }
}

/// Why a letter was not delivered. The words are redacted, and say nothing of a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDelivered {
    /// Surely not delivered, and it may work later: no connection, 429, 5xx.
    #[error("{why}")]
    Retry {
        /// Why.
        why: String,
        /// Not earlier than this, as the service said.
        after: Option<Duration>,
    },
    /// The service may have it: it was sent whole, and the answer did not come or was cut off. Sent once more it could
    /// arrive twice.
    #[error("{why}; it may have arrived all the same")]
    Unsure {
        /// Why.
        why: String,
    },
    /// It will not work until a person changes something: credential, address, rights, recipient.
    #[error("{why}; {hint}")]
    NeedsPerson {
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
    /// The service does not take this letter, and would not take it later: a fault of ours.
    #[error("the service does not take the message: {why}")]
    Refused {
        /// Why.
        why: String,
    },
}

impl NotDelivered {
    /// Later.
    #[must_use]
    pub fn later(why: impl Into<String>) -> Self {
        Self::Retry { why: why.into(), after: None }
    }

    /// Nobody knows.
    #[must_use]
    pub fn unsure(why: impl Into<String>) -> Self {
        Self::Unsure { why: why.into() }
    }

    /// A person must do something.
    #[must_use]
    pub fn person(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::NeedsPerson { why: why.into(), hint: hint.into() }
    }

    /// Of a request that only prepares the message: whatever became of it, no message was delivered.
    #[must_use]
    pub fn before_the_message(self) -> Self {
        match self {
            Self::Unsure { why } => Self::later(why),
            Self::Retry { .. } | Self::NeedsPerson { .. } | Self::Refused { .. } => self,
        }
    }

    /// A fault of ours.
    #[must_use]
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into() }
    }
}
