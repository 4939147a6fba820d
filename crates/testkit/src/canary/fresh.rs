//! New secrets in the formats of the real ones; no two are the same.

use ring::rand::{SecureRandom as _, SystemRandom};

const LETTERS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// As `openclaw` makes it: 24 bytes in hex.
#[must_use]
pub fn gateway_token() -> String {
    random(48).iter().map(|byte| char::from(LETTERS[usize::from(byte % 16)])).collect()
}

/// A bot's token of Telegram: the bot's number, and 35 characters.
#[must_use]
pub fn bot_token(bot: u64) -> String {
    format!("{bot}:AA{}", mixed(33))
}

/// A key of `OpenAI`.
#[must_use]
pub fn model_key() -> String {
    format!("sk-proj-{}", mixed(48))
}

/// A token of GitHub.
#[must_use]
pub fn repository_token() -> String {
    format!("ghp_{}", mixed(36))
}

/// A token of no known beginning.
#[must_use]
pub fn service_token() -> String {
    mixed(40)
}

/// Letters and digits, at least one of each.
fn mixed(length: usize) -> String {
    let text: String = random(length).iter().map(|byte| char::from(LETTERS[usize::from(*byte) % 62])).collect();
    let digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    if digit && letter { text } else { mixed(length) }
}

/// # Panics
/// When the system has no random bytes.
fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    assert!(SystemRandom::new().fill(&mut bytes).is_ok(), "the system has no random bytes");
    bytes
}
