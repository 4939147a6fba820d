//! The second copy of what the guard remembers of a gateway: `memory-ID.json` beside the database, replaced as a whole.
//!
//! A damaged database must not let a guard forget how often it has started and killed lately. The copy is not synced:
//! it is written at every change, and what a power failure takes with it is older than the reboot that follows.

use super::files;
use clawmend_core::gateway::GatewayId;
use std::io;
use std::path::{Path, PathBuf};

/// Largest such file in bytes; a memory has a few KiB, with all its windows full some twenty.
const MAX_BYTES: u64 = 256 * 1024;

pub(super) fn read(state: &Path, gateway: &GatewayId) -> io::Result<Option<String>> {
    let Some(bytes) = files::read_bounded(&path(state, gateway), MAX_BYTES)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

pub(super) fn write(state: &Path, gateway: &GatewayId, json: &str) -> io::Result<()> {
    files::replace_fast(&path(state, gateway), json.as_bytes())
}

fn path(state: &Path, gateway: &GatewayId) -> PathBuf {
    state.join(format!("memory-{}.json", gateway.0))
}
