//! What is sent: numbered lines, without secrets, within bounds.
//!
//! Invariants: every text passed [`Mask::hide`] and [`redact`], and holds no `@`, which some engines take for the name of
//! a file to be read (see [`super::prompt`]); a line is one line; there are at most [`MAX_LINES`].
//! What [`Evidence::fit`] leaves is what the AI's references are held against. Start at [`Evidence::new`].

use super::hidden::Mask;
use crate::openclaw::redact::redact;
use std::collections::VecDeque;
use std::path::Path;

/// Most lines.
pub const MAX_LINES: usize = 120;
/// Longest line, in characters.
pub const MAX_LINE: usize = 400;
/// Longest description by a person, in characters.
const MAX_SYMPTOM: usize = 1000;
/// Stands in for `@`.
const NO_AT: &str = "(at)";
/// Longest name of a file, in characters.
const MAX_FILE: usize = 80;

/// Where a line comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// What a person says.
    Person,
    /// A look of our own.
    Fact,
    /// A known failure that was considered, and how sure that was.
    Case,
    /// So many lines like this one.
    Pattern {
        /// How many.
        count: u64,
    },
    /// A log.
    Log {
        /// Name of the file, without its folder.
        file: String,
        /// Its line, from 1, where that is known.
        line: Option<u64>,
    },
}

impl std::fmt::Display for Source {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person => out.write_str("a person says"),
            Self::Fact => out.write_str("fact"),
            Self::Case => out.write_str("known case"),
            Self::Pattern { count } => write!(out, "{count} lines like"),
            Self::Log { file, line: Some(line) } => write!(out, "{file}:{line}"),
            Self::Log { file, line: None } => out.write_str(file),
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it comes from.
    pub source: Source,
    /// What it says.
    pub text: String,
}

/// The evidence of one question.
#[derive(Debug)]
pub struct Evidence {
    mask: Mask,
    lines: Vec<Line>,
    tail: VecDeque<Line>,
    left_out: usize,
}

impl Evidence {
    /// Without lines yet. `mask` hides what is known to be secret here.
    #[must_use]
    pub const fn new(mask: Mask) -> Self {
        Self { mask, lines: Vec::new(), tail: VecDeque::new(), left_out: 0 }
    }

    /// What a person says: the first line.
    pub fn say(&mut self, text: &str) {
        let text = self.clean(text, MAX_SYMPTOM);
        if !text.is_empty() {
            self.lines.insert(0, Line { source: Source::Person, text });
        }
    }

    /// Adds a line. What counts most comes first.
    pub fn add(&mut self, source: Source, text: &str) {
        if self.lines.len() >= MAX_LINES {
            self.left_out += 1;
            return;
        }
        let line = self.line(source, text);
        if !line.text.is_empty() && !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }

    /// Adds the next line of a log's end. When there are too many, the oldest go first.
    pub fn add_last(&mut self, file: &Path, text: &str) {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let line = self.line(Source::Log { file: name, line: None }, text);
        if line.text.is_empty() {
            return;
        }
        self.tail.push_back(line);
        if self.tail.len() > MAX_LINES {
            self.tail.pop_front();
            self.left_out += 1;
        }
    }

    fn line(&self, source: Source, text: &str) -> Line {
        let source = match source {
            Source::Log { file, line } => {
                let name = Path::new(&file).file_name().map(|name| name.to_string_lossy().into_owned());
                Source::Log { file: self.clean(&name.unwrap_or(file), MAX_FILE), line }
            }
            other @ (Source::Person | Source::Fact | Source::Case | Source::Pattern { .. }) => other,
        };
        Line { source, text: self.clean(text, MAX_LINE) }
    }

    fn clean(&self, text: &str, limit: usize) -> String {
        // What is known to be secret goes first: a cut or a mask in its middle would hide it from the search.
        redact(&self.mask.hide(text), limit).replace('@', NO_AT)
    }

    /// Leaves only what takes at most `bytes`, each line with `overhead` bytes around it.
    pub fn fit(&mut self, bytes: usize, overhead: usize) {
        let size = |line: &Line| line.text.len() + line.source.to_string().len() + overhead;
        let mut left = bytes;
        let mut take = |line: &Line| {
            let fits = size(line) <= left;
            left = if fits { left - size(line) } else { 0 };
            fits
        };
        let kept = self.lines.iter().take_while(|line| take(line)).count();
        let room = MAX_LINES.saturating_sub(kept);
        let kept_last = self.tail.iter().rev().take(room).take_while(|line| take(line)).count();
        self.left_out += self.lines.len() - kept + self.tail.len() - kept_last;
        self.lines.truncate(kept);
        self.tail.drain(..self.tail.len() - kept_last);
    }

    /// What a person says.
    #[must_use]
    pub fn symptom(&self) -> Option<&str> {
        self.lines.first().filter(|line| line.source == Source::Person).map(|line| line.text.as_str())
    }

    /// The lines; the first one is number 1.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().chain(&self.tail)
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len() + self.tail.len()
    }

    /// There is nothing to ask about.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The line with this number.
    #[must_use]
    pub fn line_of(&self, number: u32) -> Option<&Line> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.lines().nth(place)
    }

    /// Lines that were not taken along.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::doctor::ai::hidden::Hidden;

    fn evidence() -> Evidence {
        let mut hidden = Hidden::default();
        hidden.add("correct horse");
        Evidence::new(hidden.mask())
    }

    #[test]
    fn no_secret_and_no_second_line_gets_in() {
        let mut evidence = evidence();
        evidence.say("it says correct horse\nthen stops");
        evidence.add(Source::Fact, "config:\r\n\u{1b}[2J token=sk-abcdefghijklmnop");
        evidence.add_last(Path::new("/home/someone/gateway.log"), "Bearer abcdefghijklmnop0123456 for correct horse");
        let texts: Vec<_> = evidence.lines().map(|line| format!("{}|{}", line.source, line.text)).collect();
        let said = "a person says|it says *** then stops";
        assert_eq!(texts, [said, "fact|config: token=***", "gateway.log|Bearer *** for ***"]);
    }

    #[test]
    fn the_important_and_the_newest_stay() {
        let mut evidence = evidence();
        (0..10).for_each(|at| evidence.add(Source::Fact, &format!("fact {at}")));
        (0..300).for_each(|at| evidence.add_last(Path::new("a.log"), &format!("line {at}")));
        evidence.fit(400, 10);
        let texts: Vec<_> = evidence.lines().map(|line| line.text.clone()).collect();
        assert_eq!(texts[0], "fact 0");
        assert_eq!(texts.last().unwrap(), "line 299");
        assert_eq!(evidence.len() + evidence.left_out(), 310);
        let bytes: usize = evidence.lines().map(|line| line.text.len() + line.source.to_string().len() + 10).sum();
        assert!(bytes <= 400, "{bytes}");
        assert_eq!(evidence.line_of(1).unwrap().text, "fact 0");
        assert!(evidence.line_of(0).is_none() && evidence.line_of(400).is_none());
    }

    #[test]
    fn amounts_are_bounded() {
        let mut evidence = evidence();
        (0..5000).for_each(|at| evidence.add(Source::Fact, &format!("{at} {}", "x".repeat(5000))));
        evidence.fit(usize::MAX, 10);
        assert_eq!(evidence.len(), MAX_LINES);
        assert!(evidence.lines().all(|line| line.text.chars().count() <= MAX_LINE));
    }

    #[test]
    fn no_engine_is_led_to_a_file() {
        let mut evidence = evidence();
        evidence.say("look at @/etc/passwd");
        evidence.add_last(Path::new("@a.log"), "error: see @~/.ssh/id_rsa and me@example.com");
        let line = evidence.line_of(2).unwrap();
        assert_eq!(line.text, "error: see (at)~/.ssh/id_rsa and me(at)example.com");
        assert_eq!(
            (line.source.to_string().as_str(), evidence.symptom().unwrap()),
            ("(at)a.log", "look at (at)/etc/passwd")
        );
    }
}
