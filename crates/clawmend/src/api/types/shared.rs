//! `shared` of `status --json`: this host as one of a shared group.

use super::Time;
use crate::settings::SharedSettings;
use clawmend_core::failover::lease::{Memory, PausePolicy};
use clawmend_core::time::Wall;
use serde::{Deserialize, Serialize};

/// This host's part in a shared group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedReport {
    /// The group.
    pub group: String,
    /// This node.
    pub node: String,
    /// `owner`: it holds the lease and its gateway runs. `taking_over`: it holds the lease. `candidate`: it does not.
    pub role: String,
    /// The term that it holds the lease under.
    pub term: Option<u64>,
    /// The highest term that it has heard of. Not told by guards of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_term: Option<u64>,
    /// When its gateway is ended unless the lease is renewed before.
    pub lease_until: Option<Time>,
    /// Who holds the lease, as far as is known.
    pub owner: Option<String>,
    /// It does not take over until a person says otherwise.
    pub held: bool,
    /// A person wants it to own, and it takes the lease as soon as it is free.
    #[serde(default)]
    pub wanted: bool,
    /// It is giving the channels up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub giving_up: Option<GivingUpReport>,
    /// A person has paused or stopped its gateway, so it takes nothing over.
    #[serde(default)]
    pub hindered: bool,
    /// With the setting `warm`: its gateway runs with its channels off, and can be opened. `None`: it is not to. Not told by
    /// guards of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<bool>,
    /// Nodes that held the lease and never gave it back, as last seen.
    pub suspects: Vec<String>,
    /// What a person would have to say, so that this node may own.
    pub vouch: Option<VouchReport>,
    /// The egress fence around its gateway; `None`: there is none.
    pub egress_fence: Option<EgressReport>,
    /// What covers a machine that is paused as a whole: the setting `paused`. Not told by guards of older versions.
    pub paused: Option<PausePolicy>,
    /// The lease store.
    pub store: String,
    /// When it answered last.
    pub store_seen_at: Option<Time>,
    /// Why it did not since, for people.
    pub store_problem: Option<String>,
    /// What this node said last, for people.
    pub last_word: Option<String>,
    /// A mark of the settings that this guard began with. Not told by guards of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_mark: Option<String>,
}

/// Channels that are being given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivingUpReport {
    /// Why, for people.
    pub why: String,
    /// The node that they are meant for; `None`: whichever comes first.
    pub to: Option<String>,
    /// Until then at most it finishes the work that it has; `None`: not any more.
    pub until: Option<Time>,
}

/// The egress fence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressReport {
    /// `open`: the gateway reaches other machines; `shut`: nothing of it does; `as_left`: this guard has just begun, and
    /// it is what the guard before it had left.
    pub state: String,
    /// When the kernel shuts it unless it is renewed before.
    pub until: Option<Time>,
    /// What `nft` calls it.
    pub table: String,
    /// Why it failed last, for people.
    pub problem: Option<String>,
}

/// Machines of which a person must say that they are off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VouchReport {
    /// For the lease under this term.
    pub term: u64,
    /// Which.
    pub nodes: Vec<String>,
}

impl SharedReport {
    /// Before anything is known.
    #[must_use]
    pub fn new(settings: &SharedSettings, memory: &Memory) -> Self {
        Self {
            group: settings.group.clone(),
            node: settings.name_of(settings.node).unwrap_or_default().to_owned(),
            role: "candidate".to_owned(),
            term: None,
            known_term: Some(memory.seen.0),
            lease_until: None,
            owner: None,
            held: memory.held,
            wanted: memory.wanted,
            giving_up: None,
            hindered: false,
            warm: settings.warm.then_some(false),
            suspects: Vec::new(),
            vouch: None,
            egress_fence: None,
            paused: Some(settings.paused),
            store: String::new(),
            store_seen_at: None,
            store_problem: None,
            last_word: None,
            settings_mark: Some(settings.mark()),
        }
    }

    /// The store has answered, or has not, for this reason.
    pub fn store_says(&mut self, problem: Option<String>, now: Wall) {
        if problem.is_none() {
            self.store_seen_at = Some(Time(now));
        }
        self.store_problem = problem;
    }
}
