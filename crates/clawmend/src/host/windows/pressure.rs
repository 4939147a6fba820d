//! Not told by this system.

use crate::host::pressure::{Minute, Pressure};

/// Nothing is known.
pub fn read() -> Pressure {
    Pressure::default()
}

/// Nothing is known.
pub fn minute() -> Minute {
    Minute::default()
}
