//! Tells the log what was refused, and of whom; not without end.
//!
//! Invariant: what a refused thing held is never told.

use super::rate::Bucket;
use crate::host::clock;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Refusals in the log at once, and then one for each of so many ms; the rest is counted.
const TOLD: (u32, u64) = (10, 10_000);

/// Where something came from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A request to our own address.
    Request {
        /// The connection's other end, mostly a proxy.
        peer: IpAddr,
        /// Whom the proxy names, if it does; nobody has proven it.
        forwarded: String,
    },
    /// A connection of ours to the service.
    Stream,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { peer, forwarded } if forwarded.is_empty() => write!(f, "{peer}"),
            Self::Request { peer, forwarded } => write!(f, "{peer} for {forwarded}"),
            Self::Stream => f.write_str("the stream"),
        }
    }
}

/// The teller.
#[derive(Debug)]
pub struct Refusals {
    state: Mutex<(Bucket, u64)>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { state: Mutex::new((Bucket::new(TOLD.0, TOLD.1), 0)) }
    }
}

impl Refusals {
    /// Something of somebody was refused.
    pub fn tell(&self, from: &Origin, why: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.0.take(clock::now().mono.0) {
            state.1 = state.1.saturating_add(1);
            return;
        }
        let untold = std::mem::take(&mut state.1);
        tracing::warn!(%from, untold, "a callback was refused: {why}");
    }
}
