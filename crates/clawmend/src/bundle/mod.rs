//! The evidence of an incident, or of now, as one archive that can be handed to a person.
//!
//! [`Parcel`] collects the parts, [`scrub`] hides what nobody else should see, [`archive`] writes the file, and the
//! other modules each make one part. Invariants: nothing gets into a parcel but through its [`Scrub`]; every part and
//! the whole are bounded; a part that cannot be had is named with the reason and the others still come. The
//! generations are never in it. Start at [`Parcel`].

pub mod archive;
pub mod log;
pub mod readme;
pub mod scrub;
pub mod settings;
pub mod stability;

use scrub::Scrub;
use serde::Serialize;

/// Largest sum of all parts, before compression.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Largest single part, except the log.
const MAX_PART: usize = 1024 * 1024;

/// One file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name in the archive.
    pub name: &'static str,
    /// What it holds, scrubbed.
    pub text: String,
}

/// A part that could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub name: &'static str,
    /// Why, for people.
    pub why: String,
}

/// What will be in the archive.
pub struct Parcel {
    scrub: Scrub,
    parts: Vec<Part>,
    left_out: Vec<LeftOut>,
}

impl Parcel {
    /// Empty. Everything that comes in passes `scrub`.
    #[must_use]
    pub const fn new(scrub: Scrub) -> Self {
        Self { scrub, parts: Vec::new(), left_out: Vec::new() }
    }

    /// Puts a text in, line by line.
    pub fn text(&mut self, name: &'static str, text: &str) {
        let text = self.scrub.text(text);
        self.put(name, text, MAX_PART);
    }

    /// Puts a text in before all others.
    pub fn first(&mut self, name: &'static str, text: &str) {
        self.text(name, text);
        self.parts.rotate_right(1);
    }

    /// Puts lines in that may be more than other parts.
    pub fn lines(&mut self, name: &'static str, lines: impl Iterator<Item = String>, max: usize) {
        let mut text = String::new();
        for line in lines {
            text.push_str(&self.scrub.line(&line));
            text.push('\n');
        }
        self.put(name, text, max);
    }

    /// Puts a value in as JSON.
    pub fn json<T: Serialize>(&mut self, name: &'static str, value: &T) {
        let text = serde_json::to_value(value)
            .map(|value| self.scrub.value(value))
            .and_then(|value| serde_json::to_string_pretty(&value));
        match text {
            Ok(text) if text.len() <= MAX_PART => self.put(name, text + "\n", MAX_PART),
            Ok(text) => self.leave_out(name, format!("it is larger than {MAX_PART} bytes ({})", text.len())),
            Err(error) => self.leave_out(name, error.to_string()),
        }
    }

    /// Names a part that could not be had.
    pub fn leave_out(&mut self, name: &'static str, why: impl AsRef<str>) {
        let why = self.scrub.line(why.as_ref());
        self.left_out.push(LeftOut { name, why });
    }

    fn put(&mut self, name: &'static str, mut text: String, max: usize) {
        let used: usize = self.parts.iter().map(|part| part.text.len()).sum();
        let room = max.min(MAX_BYTES.saturating_sub(used));
        if text.len() > room {
            let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            text.truncate(end);
            text.push_str("\n… cut here\n");
        }
        self.parts.push(Part { name, text });
    }

    /// The parts, in the order in which they came.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What could not be had.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_is_bounded_and_says_so() {
        let mut parcel = Parcel::new(Scrub::default());
        parcel.text("a.txt", &"ä b\n".repeat(MAX_PART / 4));
        for _ in 0..3 {
            parcel.lines("b.txt", std::iter::repeat_n("word ".repeat(600), 1000), usize::MAX);
        }
        parcel.json("c.json", &vec!["word word"; MAX_PART / 4]);
        let sizes: Vec<usize> = parcel.parts().iter().map(|part| part.text.len()).collect();
        assert!(sizes[0] <= MAX_PART + 20 && parcel.parts()[0].text.ends_with("… cut here\n"));
        let sum = sizes.iter().sum::<usize>();
        assert!((MAX_BYTES..=MAX_BYTES + 20 * sizes.len()).contains(&sum), "{sizes:?}");
        assert_eq!(parcel.left_out().len(), 1, "a JSON that is cut is none");
    }
}
