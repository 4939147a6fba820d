//! The markdown of a letter.
//!
//! Headings, bold and lists of the documented subset:
//! <https://open.dingtalk.com/document/development/robot-message-type>. No escape is documented: a letter's text goes
//! through `fit`, which leaves nothing that could be markup. Nobody is mentioned: that takes an `at` beside the text,
//! and ours is empty.

use super::super::fit::{Lines, SHORTENED, prose, title};
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
    from(&mut lines, letter);
    parts(&mut lines, &letter.parts);
    lines.finish()
}

/// What stands below the title, in two pieces of at most `bytes` each: the second begins where the first is full.
#[must_use]
pub fn pieces(letter: &Letter, bytes: usize) -> (String, String) {
    let first = |count: usize| {
        let mut lines = Lines::new(bytes, END);
        from(&mut lines, letter);
        parts(&mut lines, letter.parts.get(..count).unwrap_or_default());
        lines.finish()
    };
    let all = letter.parts.len();
    let fits = |count: &usize| !first(*count).ends_with(SHORTENED);
    let count = (1..=all).rev().find(fits).unwrap_or(all);
    let mut rest = Lines::new(bytes, END);
    parts(&mut rest, letter.parts.get(count..).unwrap_or_default());
    (first(count), rest.finish())
}

/// A bot that demands a keyword finds it here.
fn from(lines: &mut Lines, letter: &Letter) {
    lines.push("Clawmend · ", &letter.host, END);
}

fn parts(lines: &mut Lines, parts: &[Part]) {
    for part in parts {
        match part {
            Part::Heading(text) => lines.push("\n**", text, "**"),
            // A line right behind a list would be taken for its last item's.
            Part::Text(text) => lines.push("\n", text, ""),
            Part::Fact { label, value } => lines.pair("- **", label, "**: ", value, ""),
            Part::Item(text) => lines.push("- ", text, ""),
            Part::Code(code) => lines.fenced(code),
        }
    }
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
