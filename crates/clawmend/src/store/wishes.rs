//! Wishes in small files beside the database.
//!
//! Two files per gateway, both replaced as a whole:
//! `standing-ID.json` is the daemon's second copy of what a person said, so that a damaged database cannot turn a
//! stopped gateway into a running one. `wish-ID.json` is written by the commands while no guard runs; the next
//! daemon takes it over (`Store::load`) and then removes it (`Store::wishes_taken`).

use super::files;
use clawmend_core::gateway::GatewayId;
use clawmend_core::time::Wall;
use clawmend_core::wish::{Desired, Pause, Standing, Wish};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Largest such file in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// A wish that waits for a guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingWish {
    /// When the person said it.
    pub at: Wall,
    /// What.
    pub wish: Wish,
}

/// The daemon's second copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mirror {
    /// Grows with each change; the higher one of file and database is the truth.
    pub revision: u64,
    /// What is in force.
    pub standing: Standing,
}

/// Wishes that wait for a guard, oldest first; at most two.
///
/// # Errors
/// The file is there and cannot be read or understood.
pub fn waiting(state: &Path, gateway: &GatewayId) -> io::Result<Vec<WaitingWish>> {
    read(&waiting_path(state, gateway)).map(Option::unwrap_or_default)
}

/// Adds a wish for the next guard; durable when this returns. A newer wish replaces the older one of its kind
/// (pause and resume; stop, emergency stop and start). A restart is for a running guard only and is not kept.
///
/// # Errors
/// It could not be written.
pub fn add_waiting(state: &Path, gateway: &GatewayId, wish: WaitingWish) -> io::Result<()> {
    let Some(kind) = kind(&wish.wish) else { return Ok(()) };
    // An unreadable older file does not stand in the way of what a person says now.
    let mut wishes = waiting(state, gateway).unwrap_or_default();
    wishes.retain(|other| self::kind(&other.wish).is_some_and(|k| k != kind));
    wishes.push(wish);
    write(&waiting_path(state, gateway), &wishes)
}

/// Removes the wishes that the daemon has taken over.
///
/// # Errors
/// They could not be removed.
pub fn remove_waiting(state: &Path, gateway: &GatewayId) -> io::Result<()> {
    files::remove(&waiting_path(state, gateway))
}

/// What will be in force once a guard has taken `wishes` over. For people who ask while no guard runs.
#[must_use]
pub fn preview(mut standing: Standing, wishes: &[WaitingWish]) -> Standing {
    for WaitingWish { at, wish } in wishes {
        match wish {
            Wish::Pause { until, reason } => {
                standing.pause = Some(Pause { since: *at, until: *until, reason: reason.clone() });
            }
            Wish::Resume => standing.pause = None,
            Wish::StandBy => standing.desired = Desired::Stopped,
            Wish::Stop => (standing.desired, standing.stopped_by_person) = (Desired::Stopped, true),
            Wish::EmergencyStop => {
                (standing.desired, standing.stopped_by_person, standing.emergency) = (Desired::Stopped, true, true);
            }
            Wish::Start => {
                (standing.desired, standing.stopped_by_person, standing.emergency) = (Desired::Running, false, false);
            }
            Wish::Restart => {}
        }
    }
    standing
}

pub(super) fn mirror(state: &Path, gateway: &GatewayId) -> io::Result<Option<Mirror>> {
    read(&mirror_path(state, gateway))
}

pub(super) fn write_mirror(state: &Path, gateway: &GatewayId, mirror: &Mirror) -> io::Result<()> {
    write(&mirror_path(state, gateway), mirror)
}

/// Gateways of which there is any file.
pub(super) fn known(state: &Path) -> Vec<GatewayId> {
    let Ok(entries) = std::fs::read_dir(state) else { return Vec::new() };
    let name = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let id = ["wish-", "standing-", "memory-"].iter().find_map(|prefix| name.strip_prefix(prefix))?;
        let id = id.strip_suffix(".json")?;
        crate::settings::gateway_id(id).ok()
    };
    entries.flatten().take(1024).filter_map(name).collect()
}

#[derive(PartialEq, Eq)]
enum Kind {
    Pause,
    Run,
}

fn kind(wish: &Wish) -> Option<Kind> {
    match wish {
        Wish::Pause { .. } | Wish::Resume => Some(Kind::Pause),
        Wish::Stop | Wish::StandBy | Wish::EmergencyStop | Wish::Start => Some(Kind::Run),
        Wish::Restart => None,
    }
}

fn waiting_path(state: &Path, gateway: &GatewayId) -> PathBuf {
    state.join(format!("wish-{}.json", gateway.0))
}

fn mirror_path(state: &Path, gateway: &GatewayId) -> PathBuf {
    state.join(format!("standing-{}.json", gateway.0))
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let Some(bytes) = files::read_bounded(path, MAX_BYTES)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let text = serde_json::to_vec(value).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    files::replace(path, &text)
}
