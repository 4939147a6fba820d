//! `[approval]`: whether a person is asked first.

use serde::{Deserialize, Deserializer, de::Error as _};

/// `[approval]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalSettings {
    /// A person is asked before anything is done to a gateway that has a process, or to its files.
    pub ask_first: bool,
    /// How long a proposal can be approved.
    #[serde(deserialize_with = "valid")]
    pub valid_ms: u64,
}

impl Default for ApprovalSettings {
    fn default() -> Self {
        Self { ask_first: false, valid_ms: 3_600_000 }
    }
}

fn valid<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let figure = u64::deserialize(from)?;
    if (60_000..=86_400_000).contains(&figure) {
        Ok(figure)
    } else {
        Err(D::Error::custom(format!("{figure} is out of range, expected 60000 to 86400000")))
    }
}
