//! One message to people, whole and without the markup of any channel.
//!
//! Invariant: titles, labels and values are single lines without control characters; whoever makes a letter has cleaned
//! and redacted them. A channel escapes them, and shortens what does not fit: the parts at the front matter most.

use clawmend_core::alert::Level;
use clawmend_core::time::Wall;
use serde::{Deserialize, Serialize};

/// What a letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something is broken.
    Alert,
    /// It still is.
    Reminder,
    /// It is over: a reply to, or an edit of, the first message where the channel can.
    Resolved,
    /// Many things at once.
    Digest,
    /// What was repaired while nobody was to be disturbed.
    MorningNote,
    /// A person tries whether it arrives.
    Test,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// Names this step of this incident, the same in every attempt: ASCII letters, digits and `-._/`, at most 96 bytes.
    /// Where a service can tell repeats by a key, this is the key.
    pub key: String,
    /// Names what it is about, the same in the alert, its reminders and its end. As `key`.
    pub subject_key: String,
    /// What it is.
    pub kind: Kind,
    /// How loud.
    pub level: Level,
    /// When it was decided.
    pub at: Wall,
    /// This machine, as people call it.
    pub host: String,
    /// One line.
    pub title: String,
    /// The rest, the most important first.
    pub parts: Vec<Part>,
    /// What the first message about the same thing got on this very channel, for a reply or an edit.
    #[serde(skip)]
    pub answers: Option<super::Receipt>,
    /// How it can be answered with one tap; only our own bot shows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
}

/// A button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What stands on it.
    pub label: String,
    /// What it carries: [`crate::bot::button`].
    pub data: String,
}

/// A piece of a letter. Every text is a single line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A heading of what follows.
    Heading(String),
    /// A plain sentence.
    Text(String),
    /// A figure with its name, such as `Since: 03:30`.
    Fact {
        /// Its name.
        label: String,
        /// It.
        value: String,
    },
    /// An item of a list.
    Item(String),
    /// Lines to be shown as they are: commands to paste, or lines of a log.
    Code(Vec<String>),
}
