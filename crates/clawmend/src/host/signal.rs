//! Signals to one proven process.
//!
//! Invariant: a signal reaches the life that the caller names, or nobody. The kernel's handle on the process is
//! taken first and its start time proven after, so that a reused pid cannot slip in between.

use super::os;
use clawmend_core::gateway::Incarnation;

/// What can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End in order.
    Term,
    /// End in order, as a person at a terminal would ask.
    Int,
    /// End at once.
    Kill,
    /// Go on after a stop.
    Cont,
    /// Stop (tests and drills).
    Stop,
    /// End with a core dump (drills).
    Abort,
    /// What it means is the program's own affair; it differs between versions of OpenClaw.
    User1,
    /// See [`Signal::User1`].
    User2,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The kernel took it.
    Delivered,
    /// That life has ended already; nobody was touched.
    Gone,
}

/// Why it was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// Needs a person: it belongs to another user.
    #[error("not permitted to signal process {pid}")]
    NotPermitted {
        /// Whom.
        pid: u32,
    },
    /// May work later: its identity could not be proven just now.
    #[error("process {pid} could not be proven to be the one that is meant: {reason}")]
    Unproven {
        /// Whom.
        pid: u32,
        /// Why.
        reason: String,
    },
    /// Not on this system.
    #[error(transparent)]
    Unsupported(#[from] super::Unsupported),
}

/// Whether a process can be proven and signalled at all: everything that ends one needs that.
///
/// # Errors
/// What is missing, for people.
pub fn provable() -> Result<(), String> {
    os::signal::provable()
}

/// Sends `signal` to this life of the process.
///
/// # Errors
/// Not permitted, not proven, or not supported here. Nobody was touched.
pub fn send(to: &Incarnation, signal: Signal) -> Result<Sent, SignalError> {
    os::signal::send(to, signal)
}
