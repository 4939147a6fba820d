//! What this node owns, read again whenever its config has changed.

use super::key::PairKey;
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::owners::Place;
use crate::openclaw::ownership;
use crate::openclaw::touched::version;
use clawmend_core::failover::Armed;
use clawmend_core::failover::ownership::{Owned, compare};
use std::time::SystemTime;

/// The accounts of this home's config on disk.
#[must_use]
pub fn owned(home: &Home, uid: u32, key: &PairKey) -> Owned {
    let environ = Environ::of(home, uid);
    let env = |name: &str| environ.get(name);
    match ownership::owned(&Place { home, env: &env, uid }, &key.for_fingerprints()) {
        Ok(accounts) => Owned::Known(accounts),
        Err(problem) => Owned::Unknown { why: problem.message },
    }
}

/// Whether this node may be promoted, by what both own.
#[must_use]
pub fn armed(mine: &Owned, theirs: &Owned) -> Armed {
    match (mine, theirs) {
        (Owned::Unknown { why }, _) => Armed::No { why: format!("this node's config: {why}") },
        (_, Owned::Unknown { why }) => Armed::No { why: format!("the primary's config: {why}") },
        (Owned::Known(mine), Owned::Known(theirs)) => compare(mine, theirs),
    }
}

/// Remembers what was read last.
pub struct Reading {
    home: Home,
    uid: u32,
    key: PairKey,
    last: Option<(Stamp, Owned, Option<String>)>,
}

type Stamp = (SystemTime, u64);

impl Reading {
    /// Nothing is read yet.
    #[must_use]
    pub const fn new(home: Home, uid: u32, key: PairKey) -> Self {
        Self { home, uid, key, last: None }
    }

    /// What is owned as of now, and by which OpenClaw. A file that an account's secret stands in is read again only
    /// together with the config.
    pub fn now(&mut self) -> (Owned, Option<String>) {
        let seen = std::fs::metadata(&self.home.config_path).ok();
        let stamp = seen.and_then(|seen| Some((seen.modified().ok()?, seen.len())));
        if let (Some((before, owned, version)), Some(stamp)) = (&self.last, stamp)
            && *before == stamp
        {
            return (owned.clone(), version.clone());
        }
        let (owned, version) = (owned(&self.home, self.uid, &self.key), version(&self.home));
        self.last = stamp.map(|stamp| (stamp, owned.clone(), version.clone()));
        (owned, version)
    }
}
