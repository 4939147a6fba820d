//! Secrets in settings: read into their own type, never printed.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error as _};

/// Longest secret, in bytes.
const MAX: usize = 4096;

/// For `#[serde(deserialize_with = "…")]`.
///
/// # Errors
/// Empty, too long, or with control characters. The text is not repeated.
pub fn required<'de, D: Deserializer<'de>>(from: D) -> Result<SecretString, D::Error> {
    let text = String::deserialize(from)?;
    let text = text.trim();
    if text.is_empty() || text.len() > MAX || text.chars().any(char::is_control) {
        return Err(D::Error::custom(format!("expected a secret of 1 to {MAX} bytes in one line")));
    }
    Ok(SecretString::from(text.to_owned()))
}

/// The same, where it may be left out (with `#[serde(default)]`).
///
/// # Errors
/// As [`required`].
pub fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    required(from).map(Some)
}
