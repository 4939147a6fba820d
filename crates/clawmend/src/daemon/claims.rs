//! Who else runs or guards a home that we were told to run as a child.
//!
//! Invariant: two owners of one home would fight over it, so the second one is refused and told whom it met.

use super::options::DaemonError;
use super::setup::{self, Charge, Holding};
use crate::host::process;
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
