//! Secrets in settings: read into their own type, never printed.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::fmt;

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

/// A secret in a struct whose other members are compared and shown: equal by content, shown as nothing.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// For a request to the service that it belongs to.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<SecretString> for Secret {
    fn from(secret: SecretString) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        required(from).map(Self)
    }
}
