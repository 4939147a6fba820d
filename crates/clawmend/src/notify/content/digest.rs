//! Many letters in one.

use super::{Writer, markup};
use crate::doctor::ai::hidden::Mask;
use crate::notify::letter::{Kind, Letter};
use clawmend_core::alert::Level;
use clawmend_core::time::Wall;
use minijinja::{Value, context};

/// Letters that a digest names; the rest is counted.
const LISTED: usize = 30;

impl Writer {
    /// One letter in place of many, the oldest first.
    #[must_use]
    pub fn digest(&self, key: &str, letters: &[&Letter], at: Wall, mask: &Mask) -> Letter {
        let lines: Vec<Value> = letters
            .iter()
            .take(LISTED)
            .map(|letter| {
                context! {
                    time => self.local(letter.at),
                    level => super::words::level(self.language, letter.level),
                    title => letter.title.clone(),
                }
            })
            .collect();
        let values: Value = context! {
            host => self.host.clone(),
            time => self.local(at),
            count => letters.len(),
            more => letters.len().saturating_sub(LISTED),
            letters => lines,
            version => crate::version::VERSION,
        };
        let text = self.templates.render(self.language, "digest", &values);
        let (title, parts) = markup::read(&mask.hide(&text));
        Letter {
            key: key.to_owned(),
            subject_key: key.to_owned(),
            kind: Kind::Digest,
            level: letters.iter().map(|letter| letter.level).max().unwrap_or(Level::Warning),
            at,
            host: self.host.clone(),
            title,
            parts,
            answers: None,
            choices: Vec::new(),
        }
    }
}
