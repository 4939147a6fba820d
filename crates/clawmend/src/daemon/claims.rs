//! Who else runs or guards a home that we were told to run as a child.
//!
//! Invariant: two owners of one home would fight over it, so the second one is refused and told whom it met.

use super::options::DaemonError;
use super::setup::{self, Charge, Holding};
use crate::host::{accounts, process};
use crate::openclaw::lock;
use crate::service::{self, Manager, ServiceEvent, UnitName};
use clawmend_core::observation::ActiveState;
use std::time::Duration;

/// How long a service manager may take to tell of a unit.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Refuses a home that a service runs, or a gateway that is not our child.
///
/// # Errors
/// Names the owner.
pub async fn refuse_if_owned(charge: &Charge) -> Result<(), DaemonError> {
    let Holding::Child(_) = &charge.holding else { return Ok(()) };
    if let Some((manager, unit)) = setup::unit_of(&charge.home, None)
        && let Some(state) = state_of(manager, unit.clone()).await
        && matches!(
            state,
            ActiveState::Active | ActiveState::Activating | ActiveState::AutoRestart | ActiveState::Deactivating
        )
    {
        return Err(DaemonError::NeedsPerson {
            message: format!("the service {} runs this home already", unit.as_str()),
            hints: vec![
                "`clawmend up` guards the service".to_owned(),
                format!("or stop the service first: `systemctl --user disable --now {}`", unit.as_str()),
            ],
        });
    }
    refuse_other_gateway(charge)
}

/// Refuses a home of another account that we could not see enough of: its files, or the manager of its unit. Half a
/// view would give false alarms.
///
/// # Errors
/// Names the account.
pub fn refuse_if_out_of_sight(charge: &Charge) -> Result<(), DaemonError> {
    let home = &charge.home.state_dir;
    let closed = std::fs::read_dir(home).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
    let owner = owner_of(home);
    let us = super::ward::own_uid();
    // A user's bus lets nobody in but its user, not even root (dbus-daemon 1.14).
    let theirs = matches!(charge.holding, Holding::Unit(Manager::SystemdUser, _)) && owner.is_some_and(|uid| uid != us);
    if !closed && !theirs {
        return Ok(());
    }
    let name = owner.map_or_else(|| "another account".to_owned(), accounts::name_of);
    let why = if closed { "its files may not be read from here" } else { "its systemd answers nobody else" };
    let mut hints = vec!["run the guard as the account that the gateway runs as".to_owned()];
    if let Some(uid) = owner.filter(|uid| *uid != us) {
        hints.push(format!("`sudo -u {name} XDG_RUNTIME_DIR=/run/user/{uid} clawmend up`"));
    }
    Err(DaemonError::NeedsPerson { message: format!("{} belongs to {name}: {why}", home.display()), hints })
}

#[cfg(unix)]
fn owner_of(path: &std::path::Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|seen| std::os::unix::fs::MetadataExt::uid(&seen))
}

#[cfg(not(unix))]
fn owner_of(_path: &std::path::Path) -> Option<u32> {
    None
}

fn refuse_other_gateway(charge: &Charge) -> Result<(), DaemonError> {
    let uid = super::ward::own_uid();
    let holder = lock::find(&charge.home, uid, &std::env::temp_dir())
        .iter()
        .filter(|file| file.is_of(&charge.home))
        .find_map(|file| file.prove(process::incarnation_of));
    let Some(life) = holder else { return Ok(()) };
    // Our own child, from before this guard: its keeper will tell.
    if process::environ_value(&life, "CLAWMEND_NONCE").is_some() {
        return Ok(());
    }
    Err(DaemonError::NeedsPerson {
        message: format!("a gateway of this home runs already: {}, pid {}", process::name(life.pid), life.pid),
        hints: vec!["`clawmend up` watches it as it is".to_owned(), "or stop it first, then run this again".to_owned()],
    })
}

async fn state_of(manager: Manager, unit: UnitName) -> Option<ActiveState> {
    let (_unit, mut events) = service::watch(manager, unit).ok()?;
    let seen = async {
        while let Some(event) = events.recv().await {
            if let ServiceEvent::Seen(look) = event {
                return Some(look.seen.state);
            }
        }
        None
    };
    tokio::time::timeout(PATIENCE, seen).await.ok().flatten()
}
