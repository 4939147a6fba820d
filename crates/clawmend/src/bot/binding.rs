//! Who is obeyed, and how a person becomes that.
//!
//! Invariants: a pairing has one code, shown once to who knows the passphrase, for ten minutes and five tries, and the code
//! itself is kept nowhere; it is used up before anybody is bound. One person is bound, in their private chat. Both files are
//! sealed, and each is for one bot.

use super::sealed::{self, SealError, Sealing};
use super::update::Sender;
use clawmend_core::time::Wall;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How long a code can be sent, in ms.
pub const VALID_MS: i64 = 10 * 60_000;
/// How many codes can be tried.
const TRIES: u32 = 5;
/// Digits of a code.
const DIGITS: usize = 8;
/// Longest text that can be a code, in bytes.
const MAX_TYPED: usize = 24;

/// The person who is obeyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    bot: String,
    /// The person.
    pub user: i64,
    /// The private chat with them.
    pub chat: i64,
    /// Since when.
    pub since: Wall,
}

impl Binding {
    const NAME: &'static str = "bot-binding.json";

    /// Of this person to this bot.
    #[must_use]
    pub fn new(bot: &str, from: Sender, since: Wall) -> Self {
        Self { bot: bot.to_owned(), user: from.user, chat: from.chat, since }
    }

    /// What is kept in this state folder for this bot.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn load(state: &Path, sealing: &Sealing, bot: &str) -> Result<Option<Self>, SealError> {
        let kept: Option<Self> = sealed::read(&state.join(Self::NAME), &sealing.key("binding v1"))?;
        Ok(kept.filter(|kept| kept.bot == bot))
    }

    /// Keeps it, in place of an earlier one.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn save(&self, state: &Path, sealing: &Sealing) -> Result<(), SealError> {
        sealed::write(&state.join(Self::NAME), &sealing.key("binding v1"), self)
    }

    /// Takes it away: nobody is obeyed any more.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn forget(state: &Path) -> Result<(), SealError> {
        sealed::remove(&state.join(Self::NAME))
    }

    /// It is they, in their chat.
    #[must_use]
    pub const fn is(&self, from: Sender) -> bool {
        from.private && from.user == self.user && from.chat == self.chat
    }
}

/// A code that waits to be sent to the bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pairing {
    bot: String,
    proof: Vec<u8>,
    until: Wall,
    tries: u32,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It was the code.
    Right,
    /// It was not.
    Wrong,
    /// No code counts any more.
    Over,
}

impl Pairing {
    const NAME: &'static str = "bot-pairing.json";

    /// A fresh one for this bot, and its code in two groups; `None`: the system gives no random bytes.
    #[must_use]
    pub fn fresh(sealing: &Sealing, bot: &str, now: Wall) -> Option<(Self, String)> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).ok()?;
        let number = u64::from_be_bytes(bytes) % 100_000_000;
        let code = format!("{number:08}");
        let until = Wall(now.0.saturating_add(VALID_MS));
        let proof = hmac::sign(&sealing.key("pairing code v1"), &proven(bot, until, &code)).as_ref().to_vec();
        let (first, second) = code.split_at(DIGITS / 2);
        Some((Self { bot: bot.to_owned(), proof, until, tries: TRIES }, format!("{first} {second}")))
    }

    /// What is kept in this state folder for this bot, as long as it counts.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn load(state: &Path, sealing: &Sealing, bot: &str, now: Wall) -> Result<Option<Self>, SealError> {
        let kept: Option<Self> = sealed::read(&state.join(Self::NAME), &sealing.key("pairing v1"))?;
        Ok(kept.filter(|kept| kept.bot == bot && kept.counts(now)))
    }

    /// Keeps it, in place of an earlier one.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn save(&self, state: &Path, sealing: &Sealing) -> Result<(), SealError> {
        sealed::write(&state.join(Self::NAME), &sealing.key("pairing v1"), self)
    }

    /// Takes it away.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn forget(state: &Path) -> Result<(), SealError> {
        sealed::remove(&state.join(Self::NAME))
    }

    /// A clock that was set back must not make it count for longer.
    fn counts(&self, now: Wall) -> bool {
        self.tries > 0 && (1..=VALID_MS).contains(&self.until.0.saturating_sub(now.0))
    }

    /// Somebody sent a code. Whoever asks keeps what is left of it before the answer counts.
    #[must_use]
    pub fn attempt(&mut self, sealing: &Sealing, typed: &str, now: Wall) -> Tried {
        if !self.counts(now) {
            return Tried::Over;
        }
        self.tries = self.tries.saturating_sub(1);
        let Some(code) = code_in(typed) else { return Tried::Wrong };
        let said = proven(&self.bot, self.until, &code);
        match hmac::verify(&sealing.key("pairing code v1"), &said, &self.proof) {
            Ok(()) => Tried::Right,
            Err(_) => Tried::Wrong,
        }
    }
}

fn proven(bot: &str, until: Wall, code: &str) -> Vec<u8> {
    format!("{code} {} {bot}", until.0).into_bytes()
}

/// The digits of a text that can be a code; `None`: it cannot be one.
#[must_use]
pub fn code_in(typed: &str) -> Option<String> {
    if typed.len() > MAX_TYPED || !typed.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '-') {
        return None;
    }
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    (digits.len() == DIGITS).then_some(digits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BOT: &str = "4243";

    fn other(code: &str) -> String {
        let first = if code.starts_with('1') { "2" } else { "1" };
        format!("{first}{}", &code[1..])
    }

    #[test]
    fn a_code_counts_for_five_tries_and_ten_minutes() {
        let sealing = Sealing::new(b"key");
        let (mut pairing, code) = Pairing::fresh(&sealing, BOT, Wall(1_000)).unwrap();
        assert_eq!(code.len(), 9);
        for _ in 0..TRIES - 1 {
            assert_eq!(pairing.attempt(&sealing, &other(&code), Wall(2_000)), Tried::Wrong);
        }
        assert_eq!(pairing.clone().attempt(&sealing, &code, Wall(2_000)), Tried::Right);
        assert_eq!(pairing.attempt(&sealing, "hello", Wall(2_000)), Tried::Wrong);
        assert_eq!(pairing.attempt(&sealing, &code, Wall(2_000)), Tried::Over);

        let (mut pairing, code) = Pairing::fresh(&sealing, BOT, Wall(1_000)).unwrap();
        assert_eq!(pairing.attempt(&sealing, &code, Wall(1_000 + VALID_MS)), Tried::Over);
        assert_eq!(pairing.attempt(&sealing, &code, Wall(0)), Tried::Over, "a clock that was set back");
        let typed = code.replace(' ', "-");
        assert_eq!(pairing.attempt(&sealing, &typed, Wall(1_000)), Tried::Right);
        let (mut pairing, code) = Pairing::fresh(&sealing, BOT, Wall(1_000)).unwrap();
        assert_eq!(pairing.attempt(&Sealing::new(b"another"), &code, Wall(1_000)), Tried::Wrong);
    }

    #[test]
    fn both_are_kept_for_one_bot_and_the_code_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let sealing = Sealing::new(b"key");
        let (pairing, code) = Pairing::fresh(&sealing, BOT, Wall(1_000)).unwrap();
        pairing.save(folder.path(), &sealing).unwrap();
        let load = |bot, now| Pairing::load(folder.path(), &sealing, bot, Wall(now)).unwrap();
        assert_eq!(load(BOT, 1_000), Some(pairing));
        assert_eq!((load("1", 1_000), load(BOT, 1_000 + VALID_MS)), (None, None));
        let file = std::fs::read_to_string(folder.path().join(Pairing::NAME)).unwrap();
        assert!(!file.contains(&code) && !file.contains(&code.replace(' ', "")));
        Pairing::forget(folder.path()).unwrap();
        Pairing::forget(folder.path()).unwrap();
        assert_eq!(load(BOT, 1_000), None);

        let from = Sender { user: 5, chat: 5, private: true };
        let binding = Binding::new(BOT, from, Wall(1));
        binding.save(folder.path(), &sealing).unwrap();
        assert_eq!(Binding::load(folder.path(), &sealing, BOT).unwrap(), Some(binding.clone()));
        assert_eq!(Binding::load(folder.path(), &sealing, "1").unwrap(), None);
        assert!(binding.is(from));
        for stranger in [Sender { user: 6, ..from }, Sender { chat: 6, ..from }, Sender { private: false, ..from }] {
            assert!(!binding.is(stranger));
        }
        // Another person's number in the file.
        let path = folder.path().join(Binding::NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("user\\\":5", "user\\\":6")).unwrap();
        assert!(Binding::load(folder.path(), &sealing, BOT).is_err());
    }

    #[test]
    fn a_code_is_eight_digits() {
        assert_eq!(code_in("1234 5678").as_deref(), Some("12345678"));
        for text in ["1234567", "123456789", "1234 567x", "status", "１２３４５６７８", &"1".repeat(40)] {
            assert_eq!(code_in(text), None, "{text}");
        }
    }
}
