//! Not told by this system.

use crate::host::limits::Limits;
use clawmend_core::gateway::Incarnation;

/// Nothing is known.
pub fn of(_life: &Incarnation) -> Limits {
    Limits::default()
}
