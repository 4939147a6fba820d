//! Waiting for the end of a process that need not be our child.

use super::os;
use clawmend_core::gateway::Incarnation;

/// Why an end cannot be waited for.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// It has ended already.
    #[error("process {pid} has ended")]
    Gone {
        /// Whom.
        pid: u32,
    },
    /// May work later.
    #[error("process {pid} cannot be watched: {reason}")]
    CannotWatch {
        /// Whom.
        pid: u32,
        /// Why.
        reason: String,
    },
}

/// Resolves once when this life has ended. On Linux the kernel tells (a pidfd, without polling); elsewhere the
/// process table is looked at five times a second.
#[derive(Debug)]
pub struct ExitWatch {
    inner: os::pidfd::ExitWatch,
}

impl ExitWatch {
    /// Starts watching. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// It has ended, or cannot be watched.
    pub fn new(of: &Incarnation) -> Result<Self, WatchError> {
        Ok(Self { inner: os::pidfd::ExitWatch::new(of)? })
    }

    /// Returns when it has ended; at once, every time, after that. Safe to drop and call again.
    pub async fn ended(&self) {
        self.inner.ended().await;
    }
}

/// The kernel's handle on this life, for a loop of one's own: readable at its end.
///
/// # Errors
/// It has ended, or cannot be watched.
#[cfg(target_os = "linux")]
pub fn open(of: &Incarnation) -> Result<std::os::fd::OwnedFd, WatchError> {
    os::pidfd::open(of)
}
