//! The one state machine that composes the decisions of a single gateway.
//!
//! [`Guardian::observe`] takes evidence, [`Guardian::poll`] takes time; both put [`Output`]s into the caller's
//! buffer. [`Guardian::next_wake`] says when to poll at the latest, [`Guardian::cadence`] how closely to look.

use crate::directive::{Cadence, Output};
use crate::gateway::{Control, Form, GatewayId};
use crate::health::Verdict;
use crate::observation::Evidence;
use crate::time::{Moment, Now};
use serde::{Deserialize, Serialize};

/// What is known of a gateway before any evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Name.
    pub id: GatewayId,
    /// Who owns its process.
    pub form: Form,
    /// What we may do.
    pub control: Control,
}

/// What must survive a restart of the guard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Standing wishes.
    pub standing: crate::wish::Standing,
}

/// Decides for one gateway.
#[derive(Debug)]
pub struct Guardian {
    profile: Profile,
    memory: Memory,
}

impl Guardian {
    /// Begins, or goes on from what an earlier guard remembered.
    #[must_use]
    pub fn new(profile: Profile, _policy: crate::policy::Policy, memory: Memory, _now: Now) -> Self {
        Self { profile, memory }
    }

    /// Takes one piece of evidence.
    pub fn observe(&mut self, _now: Now, _evidence: &Evidence, _out: &mut Vec<Output>) {}

    /// Lets time pass.
    pub fn poll(&mut self, _now: Now, _out: &mut Vec<Output>) {}

    /// When to poll at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        None
    }

    /// How closely to look.
    #[must_use]
    pub fn cadence(&self) -> Cadence {
        Cadence { http_ms: 1000, process_ms: 500, closely: false, readiness: false }
    }

    /// What the guard believes.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::Unknown
    }

    /// For whom it decides.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What must survive a restart of the guard.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }
}
