//! Whether a lab may run now: what it needs is there, it was asked for, and no other lab runs on this machine.
//!
//! Labs with real gateways take minutes and 1 GB each, so a plain `cargo test` leaves them out with a word;
//! `cargo xtask test` sets `CLAWMEND_LABS=1`. A file lock in the cache keeps two of them from running at a time.

use super::cache::Cache;
use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::Write;

/// Why a lab cannot run here, in one line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl std::fmt::Display for Unavailable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// The right to run a lab with a real gateway. Held until it is dropped.
#[derive(Debug)]
pub struct Permit {
    /// Where Node and OpenClaw are.
    pub cache: Cache,
    _lock: File,
}

impl Permit {
    /// The same right, for a second guard of the same lab. It is over when both are dropped.
    ///
    /// # Errors
    /// When the lock's descriptor cannot be duplicated.
    pub fn share(&self) -> Result<Self> {
        Ok(Self { cache: self.cache.clone(), _lock: self._lock.try_clone().context("sharing a permit")? })
    }
}

/// Asks for a lab. `None` when it cannot run; then the reason was printed and counted as skipped.
///
/// # Errors
/// When the lock cannot be taken for another reason than that somebody holds it (that is waited for).
pub fn lab(name: &str) -> Result<Option<Permit>> {
    if std::env::var_os("CLAWMEND_LABS").is_none() {
        skipped(name, &Unavailable("labs with real gateways run through `cargo xtask test`".into()));
        return Ok(None);
    }
    let cache = match Cache::locate() {
        Ok(cache) => cache,
        Err(reason) => {
            skipped(name, &reason);
            return Ok(None);
        }
    };
    let path = cache.root().join("labs.lock");
    let lock = File::create(&path).with_context(|| format!("opening {}", path.display()))?;
    flock(&lock, FlockOperation::LockExclusive).context("waiting for other labs on this machine")?;
    Ok(Some(Permit { cache, _lock: lock }))
}

/// Says that a whole lab is skipped. `cargo xtask test` counts these lines.
pub fn skipped(name: &str, reason: &Unavailable) {
    // Directly, so that the test harness does not hold it back.
    let _ = writeln!(std::io::stderr(), "skipped: {name}: {reason}");
}

/// Says that one part of a lab is skipped while the rest of it runs.
pub fn skipped_part(name: &str, reason: &Unavailable) {
    let _ = writeln!(std::io::stderr(), "skipped part: {name}: {reason}");
}
