//! What must be so before a guard begins: its folders, settings, locks, and its part in a pair.
//!
//! Invariant: whatever is missing ends in one sentence with what to do; a guard never begins half.

use super::options::{DaemonError, Options};
use super::pair::Pair;
use super::setup::Charge;
use super::shared::{LEASE_MEMORY, Shared, clear_away, left_as_owner};
use super::voice::Voice;
use crate::api::server::BindError;
use crate::host::dirs;
use crate::host::files::{FileLock, LockError, private_dir};
use crate::openclaw::discovery::Home;
use crate::settings::{self, Settings, SettingsError};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Our own folders.
pub struct Places {
    /// For sockets and locks.
    pub runtime: PathBuf,
    /// For records.
    pub state: PathBuf,
}

/// Our own folders; the state folder is made.
///
/// # Errors
/// They cannot be told.
pub fn places(_options: &Options) -> Result<Places, DaemonError> {
    let needs = |error: dirs::DirsError| DaemonError::NeedsPerson {
        message: error.to_string(),
        hints: vec!["CLAWMEND_STATE_DIR and CLAWMEND_RUNTIME_DIR choose other folders".to_owned()],
    };
    let runtime = dirs::runtime_dir().map_err(needs)?;
    let state = dirs::state_dir().map_err(needs)?;
    if let Err(error) = private_dir(&state) {
        // A full or read-only disk must not stop the guard; the store says what it could not do.
        tracing::warn!(%error, "the state folder cannot be used as it should be");
    }
    Ok(Places { runtime, state })
}

/// The settings, and where they stand.
///
/// # Errors
/// They cannot be used; a file that was asked for is not there.
pub fn read_settings(options: &Options) -> Result<(Settings, PathBuf), DaemonError> {
    let wrong = |error: &SettingsError| match error {
        SettingsError::Missing { .. } => DaemonError::NotFound {
            message: error.to_string(),
            hints: vec!["no setting is needed for the common case: leave --config out".to_owned()],
        },
        SettingsError::Unreadable { .. } | SettingsError::TooLarge { .. } | SettingsError::Invalid { .. } => {
            DaemonError::NeedsPerson {
                message: error.to_string(),
                hints: vec!["correct the file, or move it away: no setting is needed for the common case".to_owned()],
            }
        }
    };
    match &options.settings {
        Some(path) => settings::load(path).map(|settings| (settings, path.clone())).map_err(|error| wrong(&error)),
        None => {
            let path = dirs::config_file()
                .map_err(|error| DaemonError::NeedsPerson { message: error.to_string(), hints: Vec::new() })?;
            settings::load_or_default(&path).map(|settings| (settings, path.clone())).map_err(|error| wrong(&error))
        }
    }
}

/// A pair that cannot be made out needs a person: a standby that guarded without it would carry what it must not.
///
/// # Errors
/// It is not clear which gateway the pair is about.
pub fn pair_of(
    settings: &Settings,
    charges: &[Charge],
    place: &Places,
    voice: &Rc<Voice>,
) -> Result<Option<Rc<Pair>>, DaemonError> {
    Pair::new(settings.standby.as_ref(), charges, &place.state, voice).map_err(|message| DaemonError::NeedsPerson {
        message,
        hints: vec!["correct [standby] in clawmend.toml, or take it out".to_owned()],
    })
}

/// A group that cannot be made out needs a person: a node that guarded without it would be a second owner. An egress
/// fence that nobody wants any more is taken away.
///
/// # Errors
/// It is not clear which gateway the group is about, or that gateway cannot be fenced as the settings want it.
pub async fn shared_of(
    settings: &Settings,
    charges: &[Charge],
    place: &Places,
    voice: &Rc<Voice>,
) -> Result<Option<Rc<Shared>>, DaemonError> {
    if settings.shared.is_none() && left_as_owner(&place.state) {
        return Err(DaemonError::NeedsPerson {
            message: "this host owned the channels of a shared group when its guard ended, and [shared] is gone from \
                      clawmend.toml: a gateway that is started without the lease would be a second owner"
                .to_owned(),
            hints: vec![
                "put [shared] back, and say `clawmend standby demote` before you take it out".to_owned(),
                format!(
                    "if no other node of the group is left: switch the channels on in openclaw.json, and remove {}",
                    place.state.join(LEASE_MEMORY).display()
                ),
            ],
        });
    }
    let shared = Shared::new(settings.shared.as_ref(), charges, (&place.runtime, &place.state), voice).await;
    let shared = shared.map_err(|message| DaemonError::NeedsPerson {
        message,
        hints: vec!["correct [shared] in clawmend.toml, or take it out".to_owned()],
    })?;
    for charge in charges.iter().filter(|charge| shared.as_ref().is_none_or(|one| !one.fences(&charge.home.id))) {
        if let Err(message) = clear_away(&charge.home).await {
            tracing::error!("{message}");
            voice.account().borrow().say(&message);
        }
    }
    Ok(shared)
}

/// Takes a lock of one guard for all its time.
///
/// # Errors
/// Another guard has it, or it cannot be made.
pub fn hold(path: &Path) -> Result<FileLock, DaemonError> {
    if let Some(folder) = path.parent() {
        private_dir(folder)
            .map_err(|error| DaemonError::NeedsPerson { message: error.to_string(), hints: Vec::new() })?;
    }
    let note = format!("clawmend {}, pid {}", crate::version::VERSION, std::process::id());
    FileLock::try_lock(path, &note).map_err(|error| match error {
        LockError::Busy { note, .. } => DaemonError::NeedsPerson {
            message: format!("another guard is already here: {note}"),
            hints: vec![
                "`clawmend status` asks it how things are".to_owned(),
                "set CLAWMEND_RUNTIME_DIR and CLAWMEND_STATE_DIR to guard a different home beside it".to_owned(),
            ],
        },
        LockError::Io { .. } => DaemonError::NeedsPerson { message: error.to_string(), hints: Vec::new() },
    })
}

/// One guard per OpenClaw home, whatever folders it was told to use for itself.
///
/// # Errors
/// There is no folder for it.
pub fn home_lock(charge: &Charge) -> Result<PathBuf, DaemonError> {
    let folder = dirs::shared_runtime_dir()
        .map_err(|error| DaemonError::NeedsPerson { message: error.to_string(), hints: Vec::new() })?;
    Ok(folder.join(format!("home-{:016x}.lock", mark_of(&charge.home))))
}

/// A number that stands for an OpenClaw home on this machine (FNV-1a of its folder).
#[must_use]
pub fn mark_of(home: &Home) -> u64 {
    let real = std::fs::canonicalize(&home.state_dir).unwrap_or_else(|_| home.state_dir.clone());
    real.as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The control socket cannot be had.
pub fn cannot_listen(error: &BindError) -> DaemonError {
    DaemonError::NeedsPerson {
        message: error.to_string(),
        hints: vec!["`clawmend status` asks the guard that is already there".to_owned()],
    }
}
