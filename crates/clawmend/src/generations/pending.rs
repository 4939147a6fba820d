//! A config that was applied on trial: unless a person confirms it in time, the one before comes back.
//!
//! One small file per gateway, written by the command before it changes the config and removed by `confirm`; the guard
//! looks at it with every look at the config.

use super::keep::{Room, RoomError};
use crate::host::files::{Durability, write_atomic};
use clawmend_core::gateway::GatewayId;
use clawmend_core::time::Wall;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// What waits for a person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Of this layout: 1.
    pub schema: u32,
    /// The generation on trial.
    pub applied: String,
    /// The generation that comes back.
    pub previous: String,
    /// Until when.
    pub until: Wall,
}

/// Where it is.
#[must_use]
pub fn pending_path(state: &Path, gateway: &GatewayId) -> PathBuf {
    state.join("generations").join(&gateway.0).join("pending.json")
}

impl Pending {
    /// What waits, if anything. A file that cannot be understood waits for nothing.
    #[must_use]
    pub fn read(state: &Path, gateway: &GatewayId) -> Option<Self> {
        let bytes = crate::openclaw::files::read_bounded(&pending_path(state, gateway), 4096).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Writes it down, durable. `room` proves that the folder is there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, state: &Path, gateway: &GatewayId, _room: &Room) -> Result<(), RoomError> {
        let bytes = serde_json::to_vec(self).map_err(io::Error::from)?;
        Ok(write_atomic(&pending_path(state, gateway), &bytes, Durability::Durable)?)
    }

    /// Nothing waits any more.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn clear(state: &Path, gateway: &GatewayId) -> io::Result<()> {
        match std::fs::remove_file(pending_path(state, gateway)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
