//! What the doctor makes of one incident, in terms that the state machine can use.
//!
//! The doctor reads logs and knows their texts; what comes out of it is only this: known cases in an order, with what
//! they allow. Invariant: an opinion is evidence, not an order; the plan takes from it at most the remedies that its
//! case calls automatic, and each of them still has to pass the check.

use super::case::{Guard, Remedy, RemedyAction};
use super::class::CauseCode;
use crate::directive::IncidentId;
use serde::{Deserialize, Serialize};

/// The doctor's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    /// The incident that it was asked about.
    pub incident: IncidentId,
    /// The most likely first; empty when it abstains. At most [`Opinion::MAX_CAUSES`].
    pub causes: Vec<Suspicion>,
}

/// One case that the evidence supports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspicion {
    /// The case's id.
    pub case: String,
    /// Its cause.
    pub cause: CauseCode,
    /// How sure, in percent.
    pub sure_percent: u8,
    /// What decided it: at most [`Suspicion::MAX_EVIDENCE`] redacted lines.
    pub evidence: Vec<String>,
    /// What a person is told: what it is and what to do, in that person's language.
    pub advice: String,
    /// Its remedies may act by themselves: a signature says it, not a likeness, and it does not keep failing.
    pub may_act: bool,
    /// What must be so before one does.
    pub guards: Vec<Guard>,
    /// What is done, the smallest radius first.
    pub remedies: Vec<Remedy>,
}

impl Opinion {
    /// More would only blur the record.
    pub const MAX_CAUSES: usize = 4;
}

impl Suspicion {
    /// More would only blur the record.
    pub const MAX_EVIDENCE: usize = 3;
    /// From here on a person may be told of it as the cause.
    const SURE_PERCENT: u8 = 80;

    /// It names this step, and allows it without asking.
    #[must_use]
    pub fn allows(&self, action: RemedyAction) -> bool {
        self.may_act && self.remedies.iter().any(|remedy| remedy.auto && remedy.action == action)
    }

    /// It is sure, and nothing in it is done without a person.
    #[must_use]
    pub fn needs_person(&self) -> bool {
        self.sure_percent >= Self::SURE_PERCENT && !self.remedies.iter().any(|remedy| remedy.auto)
    }
}
