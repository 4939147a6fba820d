//! Windows has no signals; ending a process by its handle needs `unsafe` and is not built yet.

use crate::host::Unsupported;
use crate::host::signal::{Sent, Signal, SignalError};
use clawmend_core::gateway::Incarnation;

/// Not supported.
pub fn provable() -> Result<(), String> {
    Err(Unsupported { what: "signalling a process" }.to_string())
}

/// Not supported; nobody is touched.
pub fn send(_to: &Incarnation, _signal: Signal) -> Result<Sent, SignalError> {
    Err(Unsupported { what: "signalling a process" }.into())
}
