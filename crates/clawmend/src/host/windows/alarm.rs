//! None of our own yet: the runtime's timer does it.

use crate::host::Unsupported;
use clawmend_core::time::Moment;

/// See the facade.
#[derive(Debug)]
pub struct Timer;

impl Timer {
    /// See the facade.
    pub fn new() -> Result<Self, Unsupported> {
        Err(Unsupported { what: "a timer of our own" })
    }

    /// See the facade.
    pub async fn reached(&mut self, _: Moment) -> Result<(), Unsupported> {
        Err(Unsupported { what: "a timer of our own" })
    }
}
