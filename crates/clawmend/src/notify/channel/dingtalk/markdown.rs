//! The markdown of a letter.
//!
//! Headings, bold and lists of the documented subset:
//! <https://open.dingtalk.com/document/development/robot-message-type>. No escape is documented: a letter's text goes
//! through `fit`, which leaves nothing that could be markup. Nobody is mentioned: that takes an `at` beside the text,
//! and ours is empty.

use super::super::fit::{Lines, prose, title};
use crate::notify::letter::{Kind, Letter, Part};
use clawmend_core::alert::Level;

/// Longest title, in bytes. It is shown in the list of chats and in notifications of the system.
const MAX_TITLE: usize = 128;
/// Two spaces and a line feed: a new line that the clients keep.
const END: &str = "  \n";

/// What is shown where there is no room for the message. Whether its markup is understood there is not documented.
#[must_use]
pub fn headline(letter: &Letter) -> String {
    title(&prose(&letter.title), MAX_TITLE)
}

/// The message, in at most `bytes`.
#[must_use]
pub fn markdown(letter: &Letter, bytes: usize) -> String {
    let mut lines = Lines::new(bytes, END);
    lines.push(&format!("### {} ", mark(letter)), &headline(letter), "");
    // A bot that demands a keyword finds it here.
    lines.push("Clawmend · ", &letter.host, END);
    for part in &letter.parts {
        match part {
            Part::Heading(text) => lines.push("\n**", text, "**"),
            // A line right behind a list would be taken for its last item's.
            Part::Text(text) => lines.push("\n", text, ""),
            Part::Fact { label, value } => lines.pair("- **", label, "**: ", value, ""),
            Part::Item(text) => lines.push("- ", text, ""),
            Part::Code(code) => lines.fenced(code),
        }
    }
    lines.finish()
}

const fn mark(letter: &Letter) -> &'static str {
    match (letter.kind, letter.level) {
        (Kind::Resolved, _) => "🟢",
        (_, Level::Info) => "🔵",
        (_, Level::Warning) => "🟡",
        (_, Level::Error) => "🟠",
        (_, Level::Critical) => "🔴",
    }
}
