//! `[synthetic]`: messages through the gateway to its model.

use serde::{Deserialize, Deserializer, de::Error as _};

/// Shortest time between two messages: each costs what a turn costs, and OpenClaw advises against its chat endpoint
/// for frequent checks.
const SHORTEST_INTERVAL_MS: u64 = 600_000;

/// `[synthetic]`. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyntheticSettings {
    /// Messages are sent at all.
    pub enabled: bool,
    /// Between two messages.
    #[serde(deserialize_with = "between::<SHORTEST_INTERVAL_MS, 86_400_000, _>")]
    pub interval_ms: u64,
    /// A message without a whole answer after this is given up.
    #[serde(deserialize_with = "between::<5_000, 300_000, _>")]
    pub timeout_ms: u64,
    /// An answer later than this is too slow.
    #[serde(deserialize_with = "between::<1_000, 300_000, _>")]
    pub slow_after_ms: u64,
    /// `openclaw`, or `openclaw/AGENT`.
    #[serde(deserialize_with = "model")]
    pub model: String,
}

impl Default for SyntheticSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            interval_ms: 1_800_000,
            timeout_ms: 120_000,
            slow_after_ms: 30_000,
            model: "openclaw".to_owned(),
        }
    }
}

fn between<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let figure = u64::deserialize(deserializer)?;
    if (MIN..=MAX).contains(&figure) {
        Ok(figure)
    } else {
        Err(D::Error::custom(format!("{figure} is out of range, expected {MIN} to {MAX}")))
    }
}

/// The names that OpenClaw 2026.9.6 takes, without their older forms.
fn model<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fits = match text.strip_prefix("openclaw") {
        Some("") => true,
        Some(rest) => rest.strip_prefix('/').is_some_and(is_agent),
        None => false,
    };
    if fits { Ok(text) } else { Err(D::Error::custom("expected `openclaw` or `openclaw/AGENT`")) }
}

fn is_agent(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(known)
}
