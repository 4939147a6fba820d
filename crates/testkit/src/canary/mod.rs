//! Made-up secrets of tests, and the proof that none of them gets out.
//!
//! Whatever stands for a secret in a lab or a stand-in is a canary: it looks like the real thing, so redaction is not
//! helped, and it is known here. [`register`] makes it known to this process and, by [`FILE_VARIABLE`], to the run that
//! looks through the output of every test. [`Scanner`] finds it, whole or in a long part, in the forms of [`forms`].
//! Invariant: no message of this module has a secret in it. Start at [`register`] and [`Scanner`]; what a guard left
//! behind is looked through by [`folder`].

mod file;
pub mod folder;
mod forms;
mod fresh;
mod scanner;
mod watch;

pub use file::{FILE_VARIABLE, load};
pub use fresh::{bot_token, gateway_token, model_key, repository_token, service_token};
pub use scanner::{Hit, Scanner};
pub use watch::{all, fail_on_leak, leak, leaks, received, register};

/// A shorter text would be found by chance.
const SHORTEST: usize = 12;

/// One made-up secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Canary {
    /// What it is, for messages: `the gateway's token`.
    pub what: String,
    /// The service whose requests may have it; `None`: no stand-in's.
    pub service: Option<&'static str>,
    /// Made by dice: a long part of it is nobody else's.
    random: bool,
    text: String,
}

impl Canary {
    /// One that was made by [`fresh`]: it is looked for in parts, too.
    ///
    /// # Panics
    /// When it is too short to be told from other text, or more than one line.
    #[must_use]
    pub fn random(what: &str, service: Option<&'static str>, text: &str) -> Self {
        assert!(text.len() >= SHORTEST && !text.contains(['\n', '\t']), "{what} is no canary");
        Self { what: what.to_owned(), service, random: true, text: text.to_owned() }
    }

    /// One that a person wrote into a test: others may have the same words in theirs, so only the whole counts.
    ///
    /// # Panics
    /// As [`Canary::random`].
    #[must_use]
    pub fn written(what: &str, service: Option<&'static str>, text: &str) -> Self {
        Self { random: false, ..Self::random(what, service, text) }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Canary").field("what", &self.what).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
