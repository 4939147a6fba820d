//! The lease store of a group: answers what `clawmend_core::failover::lease::Holder` asks.
//!
//! Start at [`LeaseStore::ask`]. [`etcd`] lets etcd's own leases say whether a holder lives; [`kubernetes`] has no time to
//! live in its store, so there each node is patient by its own clock.
//!
//! Invariants: an answer other than `Unknown` is sure: it was read from a linearizable store, or the store said that it
//! has written it. Whatever cannot be understood is `Unknown`. Nothing here decides about the lease: what a request does
//! to the record is `Record::apply`'s business. A failure is told aside and never stops anything.

mod envelope;
pub mod etcd;
mod http;
pub mod kubernetes;
mod secret;
mod trouble;

pub use etcd::{Alarm, Database, FORGET, History, Quota, Room};
pub use trouble::{CannotOpen, Trouble};

use crate::settings::{SharedSettings, StoreSettings};
use clawmend_core::failover::lease::{Answer, NodeId, Request};
use clawmend_core::time::Wall;
use envelope::Group;
use std::time::Duration;

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// For the holder.
    pub answer: Answer,
    /// For people: why it is `Unknown`, or what is odd although it is not.
    pub trouble: Option<Trouble>,
}

/// The lease store of a group.
#[derive(Debug)]
pub struct LeaseStore {
    kind: Kind,
    answer: Duration,
}

#[derive(Debug)]
enum Kind {
    Etcd(etcd::Etcd),
    Kubernetes(kubernetes::Kubernetes),
}

impl LeaseStore {
    /// Reads certificates and makes a client. Nothing is asked yet, so a store that is down is no error.
    ///
    /// # Errors
    /// What a person must put right first.
    pub fn open(settings: &SharedSettings) -> Result<Self, CannotOpen> {
        let group = Group { name: settings.group.clone(), nodes: settings.nodes.clone(), me: settings.node };
        let answer = Duration::from_millis(settings.figures.answer_ms);
        let kind = match &settings.store {
            StoreSettings::Etcd(etcd) => Kind::Etcd(etcd::Etcd::open(etcd, group, &settings.figures)?),
            StoreSettings::Kubernetes(kubernetes) => {
                Kind::Kubernetes(kubernetes::Kubernetes::open(kubernetes, group, &settings.figures)?)
            }
        };
        Ok(Self { kind, answer })
    }

    /// Carries one request out, within the group's `answer_ms`. Read the clock that counts sleep *before* calling: the
    /// lease is counted from then.
    ///
    /// One request at a time: ask again only when this one has told, or was dropped. Dropping it leaves its outcome
    /// unknown, as `Unknown` does.
    pub async fn ask(&self, request: &Request) -> Told {
        let asked = async {
            match &self.kind {
                Kind::Etcd(etcd) => etcd.ask(request).await,
                Kind::Kubernetes(kubernetes) => kubernetes.ask(request).await,
            }
        };
        match tokio::time::timeout(self.answer, asked).await {
            Ok(Ok(told)) => told,
            Ok(Err(trouble)) => Told { answer: Answer::Unknown, trouble: Some(trouble) },
            Err(_) => Told { answer: Answer::Unknown, trouble: Some(Trouble::Late { after: self.answer }) },
        }
    }

    /// Waits until the store says that the lease was let go, or ran out. It may come late or never, so go on looking; with
    /// Kubernetes it never comes. Dropping it is harmless.
    ///
    /// # Errors
    /// It cannot be heard; try again later.
    pub async fn freed(&self) -> Result<(), Trouble> {
        match &self.kind {
            Kind::Etcd(etcd) => etcd.freed(self.answer).await,
            Kind::Kubernetes(_) => std::future::pending().await,
        }
    }

    /// How much room the store has left; `None`: a Kubernetes API server keeps house for itself.
    ///
    /// # Errors
    /// It cannot be seen.
    pub async fn room(&self) -> Option<Result<Room, Trouble>> {
        let Kind::Etcd(etcd) = &self.kind else { return None };
        let late = |_| Err(Trouble::Late { after: self.answer });
        Some(tokio::time::timeout(self.answer, etcd.room()).await.unwrap_or_else(late))
    }

    /// The store's own clock as it answered last, in whole seconds; `None`: it did not say. For people: the lease rests on
    /// no comparison of clocks.
    #[must_use]
    pub fn clock(&self) -> Option<Wall> {
        match &self.kind {
            Kind::Etcd(etcd) => etcd.clock(),
            Kind::Kubernetes(kubernetes) => kubernetes.clock(),
        }
    }

    /// The store and where it is, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Etcd(etcd) => etcd.describe(),
            Kind::Kubernetes(kubernetes) => kubernetes.describe(),
        }
    }
}

/// A node's name for people.
fn shown(group: &Group, node: NodeId) -> String {
    group.name_of(node).map_or_else(|| format!("node {}", node.0), str::to_owned)
}
