//! What this node owns, read again whenever its config has changed.

use super::key::PairKey;
use super::switches::as_if_on;
use crate::openclaw::config::read_tree;
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::owners::Place;
use crate::openclaw::ownership;
use crate::openclaw::touched::version;
use clawmend_core::failover::Armed;
use clawmend_core::failover::ownership::{Owned, compare};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The accounts of this home's config on disk, those included that a warm standby has switched off: it owns them as soon
/// as it carries. `state`: our own state folder, where that is written down.
#[must_use]
pub fn owned(home: &Home, uid: u32, key: &PairKey, state: &Path) -> Owned {
    read(home, uid, key, state).0
}

/// With whether the config has any channel switched on as it is.
fn read(home: &Home, uid: u32, key: &PairKey, state: &Path) -> (Owned, Option<bool>) {
    let environ = Environ::of(home, uid);
    let env = |name: &str| environ.get(name);
    let place = Place { home, env: &env, uid };
    match read_tree(home, &env) {
        Ok(mut tree) => {
            let on = !ownership::switched_on(&tree, &place).is_empty();
            as_if_on(&mut tree, state, &home.id);
            (Owned::Known(ownership::owned_in(&tree, &place, &key.for_fingerprints())), Some(on))
        }
        Err(problem) => (Owned::Unknown { why: problem.message }, None),
    }
}

/// Whether this node may be promoted, by what it owns and what the other one does, called `who`.
#[must_use]
pub fn armed(who: &str, mine: &Owned, theirs: &Owned) -> Armed {
    match (mine, theirs) {
        (Owned::Unknown { why }, _) => Armed::No { why: format!("this node's config: {why}") },
        (_, Owned::Unknown { why }) => Armed::No { why: format!("the config of {who}: {why}") },
        (Owned::Known(mine), Owned::Known(theirs)) => compare(mine, theirs),
    }
}

/// Remembers what was read last.
pub struct Reading {
    home: Home,
    uid: u32,
    key: PairKey,
    state: PathBuf,
    last: Option<(Stamp, Seen)>,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What is owned.
    pub owned: Owned,
    /// The OpenClaw that wrote the config last.
    pub version: Option<String>,
    /// The config has a channel switched on; `None`: it cannot be read.
    pub switched_on: Option<bool>,
}

type Stamp = (SystemTime, u64);

impl Reading {
    /// Nothing is read yet. `state`: our own state folder.
    #[must_use]
    pub fn new(home: Home, uid: u32, key: PairKey, state: &Path) -> Self {
        Self { home, uid, key, state: state.to_owned(), last: None }
    }

    /// As of now. A file that an account's secret stands in is read again only together with the config.
    pub fn now(&mut self) -> Seen {
        let there = std::fs::metadata(&self.home.config_path).ok();
        let stamp = there.and_then(|there| Some((there.modified().ok()?, there.len())));
        if let (Some((before, seen)), Some(stamp)) = (&self.last, stamp)
            && *before == stamp
        {
            return seen.clone();
        }
        let (owned, switched_on) = read(&self.home, self.uid, &self.key, &self.state);
        let seen = Seen { owned, version: version(&self.home), switched_on };
        self.last = stamp.map(|stamp| (stamp, seen.clone()));
        seen
    }
}
