//! The present belief as data, for `status` and for those who watch.

use super::{Guardian, Recovery};
use crate::diagnosis::Cause;
use crate::directive::IncidentId;
use crate::gateway::{Control, Form, GatewayId, Incarnation};
use crate::health::Verdict;
use crate::health::life::Life;
use crate::health::weight::Growth;
use crate::time::{Moment, Now};
use crate::wish::Standing;

/// A snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Whose.
    pub id: GatewayId,
    /// Who owns its process.
    pub form: Form,
    /// What we may do.
    pub control: Control,
    /// Belief, wishes included.
    pub verdict: Verdict,
    /// Since when.
    pub since: Now,
    /// Why, when it is not well.
    pub cause: Option<Cause>,
    /// Named reasons ([`crate::health::reasons::Reason::name`]).
    pub reasons: Vec<String>,
    /// What people said.
    pub standing: Standing,
    /// A person stopped the unit through the service manager.
    pub unit_stopped: bool,
    /// The live process.
    pub incarnation: Option<Incarnation>,
    /// When it began.
    pub born: Option<Moment>,
    /// The open incident.
    pub incident: Option<IncidentId>,
    /// The last recovery.
    pub last_recovery: Option<Recovery>,
    /// Proposals that wait for a person.
    pub asks: usize,
    /// What only a person can do.
    pub told: Option<String>,
    /// How its memory has grown over half an hour.
    pub growth: Option<Growth>,
    /// The usual length of a start.
    pub usual_boot_ms: Option<u64>,
}

impl Guardian {
    /// A snapshot of the present belief.
    #[must_use]
    pub fn report(&self) -> Report {
        let (incarnation, born, growth) = match &self.life {
            Life::Alive(life) => (Some(life.incarnation.clone()), Some(life.born), life.weight.growth()),
            Life::Absent(_) | Life::Unknown => (None, None, None),
        };
        Report {
            id: self.profile.id.clone(),
            form: self.profile.form,
            control: self.profile.control,
            verdict: self.shown,
            since: self.shown_since,
            cause: self.belief.cause.clone(),
            reasons: self.reasons.iter().map(crate::health::reasons::Reason::name).collect(),
            standing: self.memory.standing.clone(),
            unit_stopped: self.memory.unit_stopped,
            incarnation,
            born,
            incident: self.memory.incident.as_ref().map(|incident| incident.id),
            last_recovery: self.memory.last_recovery.clone(),
            asks: self
                .memory
                .proposals
                .iter()
                .filter(|proposal| proposal.stand == crate::approval::Stand::Open)
                .count(),
            told: self.told.last().cloned(),
            growth,
            usual_boot_ms: self.memory.boots.median_ms(),
        }
    }
}
