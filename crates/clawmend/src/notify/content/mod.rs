//! From a notice to a letter: the words, in the reader's language.
//!
//! [`story`] gathers what an incident's events tell, [`words`] names things in both languages, [`context`] puts both into
//! what templates may use, [`template`] renders, and [`markup`] reads the result as the parts of a letter.
//!
//! Invariants: every value from outside has been redacted, is one bounded line, and cannot end or begin a part; a template
//! that fails is replaced by the built-in one, and that is said. Start at [`Writer::write`].

pub mod context;
mod digest;
mod group;
pub mod markup;
mod pair;
pub mod story;
pub mod template;
pub mod words;

pub use context::Surroundings;
pub use story::Story;
pub use template::{Templates, TemplatesError};

use super::letter::{Kind, Letter};
use crate::doctor::Library;
use crate::doctor::ai::hidden::Mask;
use crate::settings::Language;
use clawmend_core::alert::notice::{Notice, Told};
use clawmend_core::time::Wall;
use jiff::tz::TimeZone;
use minijinja::Value;

/// Writes letters.
#[derive(Debug)]
pub struct Writer {
    /// In this language.
    pub language: Language,
    /// With these templates.
    pub templates: Templates,
    /// The doctor's cases, for their titles and advice.
    pub library: Library,
    /// This machine, as people call it.
    pub host: String,
    /// Where people live.
    pub zone: TimeZone,
}

impl Writer {
    /// Puts a notice into words. `story` is that of its incident, as far as it is known.
    #[must_use]
    pub fn write(&self, notice: &Notice, story: &Story, around: &Surroundings, mask: &Mask) -> Letter {
        let kind = match &notice.what {
            Told::Alert { .. }
            | Told::ManyCrashes { .. }
            | Told::Approval { .. }
            | Told::Pair { .. }
            | Told::Group { .. } => Kind::Alert,
            Told::Reminder { .. } => Kind::Reminder,
            Told::Resolved { .. } | Told::PairOver { .. } | Told::GroupOver { .. } => Kind::Resolved,
            Told::MorningNote { .. } => Kind::MorningNote,
        };
        let values = context::of(self, notice, story, around);
        self.letter(template::name_of(&notice.what), kind, notice, &values, mask)
    }

    /// A message that only says that messages arrive.
    #[must_use]
    pub fn test(&self, key: &str, at: Wall, mask: &Mask) -> Letter {
        let notice = Notice {
            key: key.to_owned(),
            subject: key.to_owned(),
            level: clawmend_core::alert::Level::Info,
            at,
            what: Told::MorningNote { repaired: Vec::new(), more: 0 },
        };
        self.letter("test", Kind::Test, &notice, &context::plain(self, at), mask)
    }

    fn letter(&self, template: &str, kind: Kind, notice: &Notice, values: &Value, mask: &Mask) -> Letter {
        let text = self.templates.render(self.language, template, values);
        let (title, parts) = markup::read(&mask.hide(&text));
        Letter {
            key: notice.key.clone(),
            subject_key: notice.subject.clone(),
            kind,
            level: notice.level,
            at: notice.at,
            host: self.host.clone(),
            title,
            parts,
            answers: None,
            choices: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
