//! The process table, five times a second: this system's own event (kqueue, process handles) needs `unsafe`.

use crate::host::pidfd::WatchError;
use crate::host::table::incarnation_of;
use clawmend_core::gateway::Incarnation;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// See the facade.
#[derive(Debug)]
pub struct ExitWatch {
    life: Incarnation,
}

impl ExitWatch {
    /// See the facade.
    pub fn new(of: &Incarnation) -> Result<Self, WatchError> {
        if incarnation_of(of.pid).as_ref() == Some(of) {
            Ok(Self { life: of.clone() })
        } else {
            Err(WatchError::Gone { pid: of.pid })
        }
    }

    /// See the facade.
    pub async fn ended(&self) {
        while incarnation_of(self.life.pid).as_ref() == Some(&self.life) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
