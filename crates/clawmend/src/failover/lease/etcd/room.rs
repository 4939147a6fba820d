//! How much room an etcd has left, and whether it forgets what was.
//!
//! Each renewal leaves a revision. An etcd that keeps all of them is full after some months, and then takes no write until
//! a person has seen to it: nobody can own. It says so with the alarm `NOSPACE` (etcd's "Space quota" page; the answers
//! were seen with etcd 3.4.23, those of later versions are by their source).
//!
//! Invariant: it only looks, and what it may not see takes nothing from the rest: some versions show the status of a member
//! to root only (3.4.42 to 3.4.45, 3.5.28 to 3.5.31, 3.6.0 to 3.6.11).

use super::super::Trouble;
use super::Etcd;
use super::wire::{Counted, Status};
use serde_json::{Value, json};

/// How etcd is started so that it forgets.
pub const FORGET: &str = "--auto-compaction-mode revision --auto-compaction-retention 1000";

/// What can be known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Revisions since its beginning.
    pub revisions: u64,
    /// What it still knows of them.
    pub history: History,
    /// The fullest database of its members; or why none can be seen.
    pub database: Result<Database, Trouble>,
}

/// Whether old revisions go. That the first is gone says little: somebody may have compacted it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// They do, or did of late.
    Forgotten,
    /// There are too few to tell.
    Young,
    /// More than [`History::MANY`] are kept.
    Kept,
}

impl History {
    /// Revisions: about a day of renewals of the steady lease.
    pub const MANY: u64 = 20_000;
}

/// The database of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Database {
    /// Bytes that are in use.
    pub used: u64,
    /// Bytes of its file, by which etcd judges that it is full. What was forgotten and not defragmented is part of it.
    pub size: u64,
    /// Most bytes that its file may have.
    pub quota: Quota,
    /// What keeps the cluster from writing.
    pub alarm: Option<Alarm>,
}

/// Most bytes that the file of a member may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// It does not say (before etcd 3.6, and some versions of that).
    Untold,
    /// There is none.
    Off,
    /// So many.
    Bytes(u64),
}

/// With either, no member writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// A member is full.
    NoSpace,
    /// The members differ.
    Corrupt,
}

impl From<Status> for Database {
    fn from(said: Status) -> Self {
        let quota = match u64::try_from(said.quota) {
            Ok(0) => Quota::Untold,
            Ok(bytes) => Quota::Bytes(bytes),
            Err(_) => Quota::Off,
        };
        let has = |name: &str| said.errors.iter().any(|error| error.contains(name));
        let alarm = if has("CORRUPT") { Some(Alarm::Corrupt) } else { has("NOSPACE").then_some(Alarm::NoSpace) };
        Self { used: said.used, size: said.size, quota, alarm }
    }
}

impl Etcd {
    pub(in super::super) async fn room(&self) -> Result<Room, Trouble> {
        let at = self.session.worked_last();
        let now: Counted = self.session.call(at, "/v3/kv/range", &self.counted(None)).await?;
        let revisions = u64::try_from(now.header.revision).unwrap_or(0);
        let history = self.history(at, revisions).await?;
        Ok(Room { revisions, history, database: self.database().await })
    }

    async fn history(&self, at: usize, revisions: u64) -> Result<History, Trouble> {
        // Of fewer, the first one tells as well.
        let old = revisions.saturating_sub(History::MANY).max(1);
        match self.session.call::<Counted>(at, "/v3/kv/range", &self.counted(Some(old))).await {
            Ok(_) if old == 1 => Ok(History::Young),
            Ok(_) => Ok(History::Kept),
            Err(Trouble::Status { said, .. }) if said.contains("has been compacted") => Ok(History::Forgotten),
            Err(trouble) => Err(trouble),
        }
    }

    /// A key of ours, which our credentials let us read, as it was at a revision.
    fn counted(&self, revision: Option<u64>) -> Value {
        json!({ "key": self.record_key, "revision": revision.unwrap_or(0).to_string(), "count_only": true })
    }

    async fn database(&self) -> Result<Database, Trouble> {
        let mut fullest: Option<Database> = None;
        let mut unseen = None;
        for status in self.session.each::<Status>("/v3/maintenance/status", &json!({})).await {
            match status.map(Database::from) {
                Ok(one) => {
                    let fuller = fullest.filter(|other| other.size >= one.size).unwrap_or(one);
                    let alarm = fullest.and_then(|other| other.alarm).max(one.alarm);
                    fullest = Some(Database { alarm, ..fuller });
                }
                Err(trouble) => unseen = Some(trouble),
            }
        }
        fullest.ok_or_else(|| unseen.unwrap_or_else(|| self.session.garbled(0, "nothing")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_database_is_what_each_version_says_of_it() {
        let said = |more: &str| {
            let text = format!(r#"{{"header":{{"cluster_id":"7","revision":"9"}},"dbSize":"4096"{more}}}"#);
            Database::from(serde_json::from_str::<Status>(&text).unwrap())
        };
        let plain = Database { used: 0, size: 4096, quota: Quota::Untold, alarm: None };
        assert_eq!(said(""), plain);
        assert_eq!(
            said(r#","dbSizeInUse":"2048","dbSizeQuota":"8192""#),
            Database { used: 2048, quota: Quota::Bytes(8192), ..plain }
        );
        assert_eq!(said(r#","dbSizeQuota":"-1""#), Database { quota: Quota::Off, ..plain });
        let alarm = |text: &str| said(&format!(r#","errors":["memberID:1 alarm:NOSPACE ","{text}"]"#)).alarm;
        assert_eq!(alarm("etcdserver: no leader"), Some(Alarm::NoSpace));
        assert_eq!(alarm("memberID:2 alarm:CORRUPT "), Some(Alarm::Corrupt));
    }
}
