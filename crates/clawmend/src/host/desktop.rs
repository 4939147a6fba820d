//! A notification on the desktop of whoever is logged in on this machine.
//!
//! Invariant: one is shown or it is said why not; nothing is started to show it.

use super::{Unsupported, os};

/// What is to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// One line.
    pub summary: String,
    /// For a desktop that reads markup: `&`, `<` and `>` escaped.
    pub marked_body: String,
    /// The same for one that does not.
    pub plain_body: String,
    /// How urgent.
    pub urgency: Urgency,
    /// The number of an earlier one that is to give way; 0 for none.
    pub replaces: u32,
}

/// How urgent a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It may be kept back.
    Low,
    /// As usual.
    Normal,
    /// It stays until a person closes it.
    Critical,
}

/// Why it was not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// Not on this system.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// Nobody is logged in on a desktop, or it shows no notifications.
    #[error("{0}")]
    NoDesktop(String),
    /// It was asked to, and the answer did not come.
    #[error("{0}")]
    NoAnswer(String),
}

/// Shows it, and gives its number. `bus`: the address of the desktop session's bus, where it is not the usual one.
///
/// # Errors
/// [`NotShown`].
pub async fn show(bus: Option<&str>, note: &Note) -> Result<u32, NotShown> {
    os::desktop::show(bus, note).await
}
