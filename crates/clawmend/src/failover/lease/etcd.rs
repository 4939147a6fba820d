//! The lease in etcd, over its JSON gateway (etcd 3.4 or later, `/v3/…`).
//!
//! Two keys: the record, and the *holder's key*, which hangs on a lease of etcd. etcd removes it when the time to live is
//! over by its own clock, so no reader's clock decides whether a holder lives. Both are read in one transaction, and
//! written in one that compares the `mod_revision` of both.
//!
//! Each renewal grants a *new* lease and hangs the holder's key on it, where etcd's own election keeps one alive. A
//! keep-alive does not pass through consensus: a member that lost its leadership while its disk stalled still answers it,
//! and such a member may also revoke a lease that was kept alive elsewhere (etcd issues 12528 and 15247, closed in later
//! versions). A grant and a transaction are in the log of the cluster or are not. A new leader counts every lease anew in
//! full, so etcd may remember one longer, and never shorter. What a renewal leaves behind holds nothing, and runs out.
//!
//! The holder's key is watched beside that ([`freed`]); only when something is asked depends on it.
//!
//! Invariant: a write is sent once. If it is not surely done it is `Unknown`, whatever the next request would find.

mod freed;
mod room;
mod session;
mod wire;

pub use room::{Alarm, Database, FORGET, History, Quota, Room};

use super::envelope::{self, Group};
use super::{CannotOpen, Told, Trouble};
use crate::settings::EtcdSettings;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clawmend_core::failover::lease::{Answer, Figures, NodeId, Record, Request, Term};
use clawmend_core::time::Wall;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use session::Session;
use wire::{Granted, Pair, Transacted};

/// A write that others were faster than is worked out anew at most so often.
const TRIES: u32 = 4;

/// The lease of one group in etcd.
#[derive(Debug)]
pub struct Etcd {
    session: Session,
    group: Group,
    /// In Base64, as the gateway takes them.
    record_key: String,
    holder_key: String,
    /// etcd counts in whole seconds.
    ttl_s: u64,
}

/// What lies under the holder's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holding {
    node: NodeId,
    term: Term,
}

/// Both keys at one revision.
#[derive(Debug)]
struct Sight {
    record: Record,
    alive: bool,
    /// 0: the key is not there.
    record_revision: i64,
    holder_revision: i64,
    /// Of the whole store.
    revision: i64,
}

impl Etcd {
    pub(super) fn open(settings: &EtcdSettings, group: Group, figures: &Figures) -> Result<Self, CannotOpen> {
        let key = |what: &str| STANDARD.encode(format!("clawmend/{}/{what}", group.name));
        Ok(Self {
            session: Session::new(settings, figures.answer_ms)?,
            record_key: key("record"),
            holder_key: key("holder"),
            ttl_s: figures.ttl_ms.div_ceil(1_000),
            group,
        })
    }

    pub(super) fn describe(&self) -> String {
        format!("etcd at {}, keys clawmend/{}/…", self.session.places(), self.group.name)
    }

    pub(super) fn clock(&self) -> Option<Wall> {
        self.session.clock()
    }

    pub(super) async fn ask(&self, request: &Request) -> Result<Told, Trouble> {
        let read = json!({ "success": self.both_keys() });
        let (at, found) = self.session.first("/v3/kv/txn", &read).await?;
        let mut seen = self.sight(at, found)?;
        for _ in 0..TRIES {
            let mut record = seen.record.clone();
            let answer = record.apply(self.group.me, request, seen.alive);
            let held = match &answer {
                Answer::Acquired { term, .. } | Answer::Renewed { term } => Some(*term),
                Answer::Released { .. } => None,
                Answer::Seen(_) | Answer::Refused(_) | Answer::Unknown => {
                    self.session.worked(at);
                    return Ok(Told { answer, trouble: None });
                }
            };
            match self.write(at, &seen, &record, held).await? {
                None => {
                    self.session.worked(at);
                    return Ok(Told { answer, trouble: None });
                }
                Some(now) => seen = now,
            }
        }
        Err(Trouble::Contended { tries: TRIES })
    }

    /// Writes if nothing was written since `seen`; otherwise how it is now. `held`: this node holds the lease afterwards,
    /// under this term.
    async fn write(
        &self,
        at: usize,
        seen: &Sight,
        record: &Record,
        held: Option<Term>,
    ) -> Result<Option<Sight>, Trouble> {
        let mut writes = Vec::new();
        if *record != seen.record {
            let text = STANDARD.encode(envelope::seal(&self.group, record)?);
            writes.push(json!({ "request_put": { "key": self.record_key, "value": text } }));
        }
        writes.push(match held {
            Some(term) => {
                let lease = self.grant(at).await?;
                let holding = json!(Holding { node: self.group.me, term }).to_string();
                let value = STANDARD.encode(holding);
                json!({ "request_put": { "key": self.holder_key, "value": value, "lease": lease.to_string() } })
            }
            None => json!({ "request_delete_range": { "key": self.holder_key } }),
        });
        let unchanged = |key: &str, revision: i64| json!({ "key": key, "target": "MOD", "result": "EQUAL", "mod_revision": revision.to_string() });
        let body = json!({
            "compare": [
                unchanged(&self.record_key, seen.record_revision),
                unchanged(&self.holder_key, seen.holder_revision),
            ],
            "success": writes,
            "failure": self.both_keys(),
        });
        let done: Transacted = self.session.call(at, "/v3/kv/txn", &body).await?;
        if !done.succeeded {
            return self.sight(at, done).map(Some);
        }
        if done.responses.len() != writes.len() || done.header.revision <= seen.revision {
            return Err(self.session.garbled(at, "that it wrote, without a sign of it"));
        }
        Ok(None)
    }

    /// A new lease of etcd.
    async fn grant(&self, at: usize) -> Result<i64, Trouble> {
        let granted: Granted = self.session.call(at, "/v3/lease/grant", &json!({ "TTL": self.ttl_s })).await?;
        // It may be longer than asked for, where the cluster has a least one.
        if granted.id == 0 || u64::try_from(granted.ttl).unwrap_or(0) < self.ttl_s {
            return Err(self.session.garbled(at, "a lease that is shorter than asked for"));
        }
        Ok(granted.id)
    }

    fn both_keys(&self) -> [Value; 2] {
        [&self.record_key, &self.holder_key].map(|key| json!({ "request_range": { "key": key } }))
    }

    fn sight(&self, at: usize, found: Transacted) -> Result<Sight, Trouble> {
        let revision = found.header.revision;
        let pair = Pair::of(found, [&self.record_key, &self.holder_key]);
        let pair = pair.ok_or_else(|| self.session.garbled(at, "something else than the two keys"))?;
        let record = match &pair.record {
            Some(kept) => envelope::open(&self.group, &kept.bytes)?,
            None => Record::default(),
        };
        if let Some(kept) = &pair.holder {
            let said: Option<Holding> = serde_json::from_slice(&kept.bytes).ok();
            let view = record.view(true);
            let fits = said.is_some_and(|said| view.holder == Some(said.node) && view.term == said.term);
            if !fits || kept.lease == 0 {
                return Err(Trouble::Foreign { what: "the holder's key does not fit it" });
            }
        }
        let of = |kept: &Option<wire::Kept>| kept.as_ref().map_or(0, |kept| kept.mod_revision);
        Ok(Sight {
            record,
            alive: pair.holder.is_some(),
            record_revision: of(&pair.record),
            holder_revision: of(&pair.holder),
            revision,
        })
    }
}
