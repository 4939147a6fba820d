//! What this node owns, read again whenever its config has changed.
//!
//! Invariant: an account's secret may stand in a file of its own, and a part of the config in another one, so nothing that
//! was read counts for longer than a minute, and what could not be told for a few seconds only. What was known stays known
//! while the config is the same and it only cannot be read.

use super::key::PairKey;
use super::switches::as_if_on;
use crate::host::clock;
use crate::openclaw::config::read_tree;
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::owners::Place;
use crate::openclaw::ownership;
use crate::openclaw::touched::version;
use clawmend_core::failover::Armed;
use clawmend_core::failover::ownership::{Account, Identity, Owned, compare};
use clawmend_core::time::Moment;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// So long what was read counts while the config stays as it is, in milliseconds.
const COUNTS_MS: u64 = 60_000;
/// The same where something could not be told: a person is at it.
const UNKNOWN_COUNTS_MS: u64 = 5_000;

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

/// With what was known of the same config before, where it only cannot be read now: a token may stand in the environment of
/// the gateway's process, which has ended. Each account for itself.
fn as_known(now: Owned, before: Owned) -> Owned {
    match (now, before) {
        (Owned::Known(mut accounts), Owned::Known(before)) => {
            for account in &mut accounts {
                let same = |old: &&Account| (&old.channel, &old.account) == (&account.channel, &account.account);
                if matches!(account.identity, Identity::Unknown { .. })
                    && let Some(old) = before.iter().find(same)
                {
                    account.identity = old.identity.clone();
                }
            }
            Owned::Known(accounts)
        }
        (Owned::Unknown { .. }, before @ Owned::Known(_)) => before,
        (now, Owned::Unknown { .. }) => now,
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
    last: Option<Last>,
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

struct Last {
    stamp: Stamp,
    read_at: Moment,
    seen: Seen,
}

impl Seen {
    /// Something that is owned could not be told.
    fn is_doubtful(&self) -> bool {
        match &self.owned {
            Owned::Unknown { .. } => true,
            Owned::Known(accounts) => {
                accounts.iter().any(|account| matches!(account.identity, Identity::Unknown { .. }))
            }
        }
    }
}

impl Last {
    fn counts(&self, now: Moment, stamp: Stamp) -> bool {
        let limit_ms = if self.seen.is_doubtful() { UNKNOWN_COUNTS_MS } else { COUNTS_MS };
        self.stamp == stamp && now.since(self.read_at) < limit_ms
    }
}

impl Reading {
    /// Nothing is read yet. `state`: our own state folder.
    #[must_use]
    pub fn new(home: Home, uid: u32, key: PairKey, state: &Path) -> Self {
        Self { home, uid, key, state: state.to_owned(), last: None }
    }

    /// As of now.
    pub fn now(&mut self) -> Seen {
        self.at(clock::now().mono)
    }

    fn at(&mut self, now: Moment) -> Seen {
        let there = std::fs::metadata(&self.home.config_path).ok();
        let stamp = there.and_then(|there| Some((there.modified().ok()?, there.len())));
        if let (Some(last), Some(stamp)) = (&self.last, stamp)
            && last.counts(now, stamp)
        {
            return last.seen.clone();
        }
        let (owned, switched_on) = read(&self.home, self.uid, &self.key, &self.state);
        let mut seen = Seen { owned, version: version(&self.home), switched_on };
        if let Some(last) = self.last.take().filter(|last| stamp == Some(last.stamp)) {
            seen.owned = as_known(seen.owned, last.seen.owned);
        }
        self.last = stamp.map(|stamp| Last { stamp, read_at: now, seen: seen.clone() });
        seen
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clawmend_core::gateway::GatewayId;

    /// The config stays as it is, and what it names changes.
    #[test]
    fn what_could_not_be_told_is_looked_at_again_and_nothing_counts_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let home = Home {
            id: GatewayId("default".into()),
            profile: None,
            user_home: path.to_owned(),
            state_dir: path.to_owned(),
            config_path: path.join("openclaw.json"),
            port: None,
        };
        let token = path.join("token");
        let config = serde_json::json!({"channels": {"telegram": {"enabled": true, "tokenFile": token}}});
        std::fs::write(&home.config_path, config.to_string()).unwrap();
        let (key, _) = PairKey::load_or_make(&path.join("pair.key")).unwrap();
        let mut reading = Reading::new(home, crate::daemon::own_uid(), key, path);
        let at = |ms: u64| Moment(1_000_000 + ms);
        assert!(reading.at(at(0)).is_doubtful());
        write_private(&token, "111:one");
        assert!(reading.at(at(UNKNOWN_COUNTS_MS - 1)).is_doubtful(), "it is not read all the time");
        let one = reading.at(at(UNKNOWN_COUNTS_MS));
        assert!(!one.is_doubtful(), "{one:?}");
        write_private(&token, "222:two");
        assert_eq!(reading.at(at(UNKNOWN_COUNTS_MS + 1)), one);
        let two = reading.at(at(UNKNOWN_COUNTS_MS + COUNTS_MS));
        assert_ne!(two, one, "another bot");
        std::fs::remove_file(&token).unwrap();
        assert_eq!(
            reading.at(at(UNKNOWN_COUNTS_MS + 2 * COUNTS_MS)),
            two,
            "known for as long as the config is the same"
        );
        std::fs::write(path.join("openclaw.json"), config.to_string() + "\n").unwrap();
        assert!(reading.at(at(UNKNOWN_COUNTS_MS + 2 * COUNTS_MS + 1)).is_doubtful());
    }

    fn write_private(path: &Path, text: &str) {
        crate::host::files::write_atomic(path, text.as_bytes(), crate::host::files::Durability::Durable).unwrap();
    }
}
