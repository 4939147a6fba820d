//! An incident's figures, folded from its events.
//!
//! Invariant: the fold is pure and never fails: an incident whose beginning was lost (a fresh database in the
//! middle of it) begins with the first event that is known.

use clawmend_core::directive::IncidentId;
use clawmend_core::gateway::GatewayId;
use clawmend_core::incident::{IncidentEvent, Outcome, What};
use clawmend_core::time::{Moment, Wall};

/// One incident as the store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentRecord {
    /// Whose.
    pub gateway: GatewayId,
    /// Name, unique within its gateway.
    pub id: IncidentId,
    /// First suspicious evidence.
    pub opened_at: Wall,
    /// The same on the boot clock of that boot.
    pub opened_mono: Moment,
    /// When it was closed; `None` while it is open.
    pub closed_at: Option<Wall>,
    /// When the fault began.
    pub onset_at: Wall,
    /// How far back the onset may lie.
    pub onset_uncertainty_ms: u64,
    /// Best cause so far: stable code, and the variable part.
    pub cause: Option<(String, String)>,
    /// From onset to the first suspicion.
    pub detected_after_ms: Option<u64>,
    /// From onset to the first start that was issued or seen.
    pub start_issued_after_ms: Option<u64>,
    /// From onset to the last time that a life began to serve: a life that served for a moment and fell again was
    /// no recovery.
    pub serving_after_ms: Option<u64>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

impl IncidentRecord {
    /// An incident of which this is the first known event.
    #[must_use]
    pub fn begin(gateway: &GatewayId, first: &IncidentEvent) -> Self {
        Self {
            gateway: gateway.clone(),
            id: first.incident,
            opened_at: first.wall,
            opened_mono: first.mono,
            closed_at: None,
            onset_at: first.wall,
            onset_uncertainty_ms: 0,
            cause: None,
            detected_after_ms: None,
            start_issued_after_ms: None,
            serving_after_ms: None,
            outcome: None,
        }
    }

    /// Takes the next event.
    pub fn apply(&mut self, event: &IncidentEvent) {
        match &event.what {
            What::Opened { onset, onset_uncertainty_ms, detected_after_ms, .. } => {
                (self.opened_at, self.opened_mono) = (event.wall, event.mono);
                (self.onset_at, self.onset_uncertainty_ms) = (*onset, *onset_uncertainty_ms);
                self.detected_after_ms = Some(*detected_after_ms);
            }
            What::Diagnosed { cause } => self.cause = Some((cause.code().to_owned(), cause.detail().to_owned())),
            What::Acted { action, .. } if action.is_start() => self.start_seen(event),
            What::Started { .. } => self.start_seen(event),
            What::Serving => self.serving_after_ms = Some(self.since_onset(event)),
            What::Closed { outcome } => (self.closed_at, self.outcome) = (Some(event.wall), Some(*outcome)),
            What::Proposed { .. }
            | What::Decided { .. }
            | What::Lapsed { .. }
            | What::Evidence { .. }
            | What::Judged { .. }
            | What::Withheld { .. }
            | What::Acted { .. }
            | What::Result { .. }
            | What::Ineffective { .. }
            | What::Escalated { .. }
            | What::Examined { .. }
            | What::Advised { .. }
            | What::Learned { .. } => {}
        }
    }

    fn start_seen(&mut self, event: &IncidentEvent) {
        let after = self.since_onset(event);
        self.start_issued_after_ms.get_or_insert(after);
    }

    /// Milliseconds from the onset to an event, by the boot clock; by the wall clock when the machine was booted
    /// in between, which shows in a boot clock that went back.
    #[must_use]
    pub fn since_onset(&self, event: &IncidentEvent) -> u64 {
        if event.mono >= self.opened_mono {
            event.mono.since(self.opened_mono).saturating_add(between(self.onset_at, self.opened_at))
        } else {
            between(self.onset_at, event.wall)
        }
    }
}

fn between(from: Wall, to: Wall) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0)
}
