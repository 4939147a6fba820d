//! `[[gateway]]`: hints for a gateway that is not found by itself.

use clawmend_core::gateway::{Form, GatewayId};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::path::PathBuf;

/// What a person says of one gateway; everything left out is discovered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// Its name on this host.
    #[serde(deserialize_with = "checked_id")]
    pub id: GatewayId,
    /// `OPENCLAW_STATE_DIR`.
    #[serde(default)]
    pub state_dir: Option<PathBuf>,
    /// `OPENCLAW_CONFIG_PATH`.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// `OPENCLAW_PROFILE`.
    #[serde(default)]
    pub profile: Option<String>,
    /// The unit, agent or task that runs it.
    #[serde(default)]
    pub unit: Option<String>,
    /// Whose service manager has that unit.
    #[serde(default)]
    pub scope: Option<Scope>,
    /// Who owns the process; it holds over what would be found out.
    #[serde(default)]
    pub form: Option<Form>,
}

/// Whose service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The user's.
    User,
    /// The system's.
    System,
}

/// A text that cannot name a gateway.
#[derive(Debug, thiserror::Error)]
#[error("`{shown}` is no gateway id, expected 1 to 64 letters, digits, `-`, `_` or `.`, and no `.` at the start")]
pub struct BadId {
    shown: String,
}

/// Parses a gateway's name. Names become part of file names, so the alphabet is small.
///
/// # Errors
/// [`BadId`] says what is allowed.
pub fn gateway_id(text: &str) -> Result<GatewayId, BadId> {
    let fits = (1..=64).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fits {
        Ok(GatewayId(text.to_owned()))
    } else {
        Err(BadId { shown: text.chars().filter(|c| !c.is_control()).take(64).collect() })
    }
}

fn checked_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GatewayId, D::Error> {
    let text = String::deserialize(deserializer)?;
    gateway_id(&text).map_err(D::Error::custom)
}
