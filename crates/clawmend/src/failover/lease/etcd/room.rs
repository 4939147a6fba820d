//! How much room an etcd has left, and whether it forgets what was.
//!
//! Each renewal leaves a revision. An etcd that keeps all of them is full after some months, and then takes no write until
//! a person has seen to it: nobody can own. It says so with the alarm `NOSPACE` (etcd's "Space quota" page; the answers
//! were seen with etcd 3.4.23).
//!
//! Invariant: it only looks.

use super::super::Trouble;
use super::Etcd;
use super::wire::{Counted, Status};
use serde_json::json;

/// What one member says of its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are in use.
    pub used: u64,
    /// Bytes of its file. What was forgotten and not defragmented is part of it.
    pub size: u64,
    /// Most bytes that its file may have; `None`: it does not say (before etcd 3.6).
    pub quota: Option<u64>,
    /// It takes no write.
    pub full: bool,
    /// Revisions since its beginning.
    pub revisions: u64,
    /// The first of them is gone.
    pub forgets: bool,
}

impl Etcd {
    pub(in super::super) async fn room(&self) -> Result<Room, Trouble> {
        let at = self.session.worked_last();
        let status: Status = self.session.call(at, "/v3/maintenance/status", &json!({})).await?;
        let forgets = self.forgets(at).await?;
        let revisions = u64::try_from(status.header.revision).unwrap_or(0);
        let (used, size, quota) = (status.in_use, status.size, Some(status.quota).filter(|quota| *quota > 0));
        Ok(Room { used, size, quota, full: status.is_full(), revisions, forgets })
    }

    /// Whether its first revision is gone. It is asked for a key of ours, which our credentials let us read.
    async fn forgets(&self, at: usize) -> Result<bool, Trouble> {
        let first = json!({ "key": self.record_key, "revision": "1", "count_only": true });
        match self.session.call::<Counted>(at, "/v3/kv/range", &first).await {
            Ok(_) => Ok(false),
            Err(Trouble::Status { said, .. }) if said.contains("has been compacted") => Ok(true),
            Err(trouble) => Err(trouble),
        }
    }
}
