//! Not told by this system.

use crate::host::pressure::Pressure;

/// Nothing is known.
pub fn read() -> Pressure {
    Pressure::default()
}
