//! What survives a restart of the guard.

use crate::approval::Proposal;
use crate::budget::{Pace, Window};
use crate::diagnosis::Cause;
use crate::directive::IncidentId;
use crate::gateway::Incarnation;
use crate::health::Boots;
use crate::health::reasons::Reason;
use crate::health::weight::Weights;
use crate::incident::{Incident, Outcome};
use crate::plan::{Refusal, Restored};
use crate::time::{Now, Wall};
use crate::wish::Standing;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Budgets, lessons, wishes and the open incident. Small: a few KiB as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Standing wishes.
    pub standing: Standing,
    /// Starts.
    pub pace: Pace,
    /// Unclean ends, by whatever hand.
    pub unclean: Window,
    /// Earlier starts.
    pub boots: Boots,
    /// What earlier lives have taken of memory.
    pub weights: Weights,
    /// The incident that is open.
    pub incident: Option<Incident>,
    /// Why it refused to start, while it does.
    pub refusal: Option<Refusal>,
    /// What was tried with its config since it was last well.
    pub restored: Restored,
    /// A person stopped the unit through the service manager since it was last started.
    pub unit_stopped: bool,
    /// Restarts of a silent gateway in a row that did not help.
    pub futile_restarts: u32,
    /// The last end was by the gateway's own fault.
    pub own_fault: bool,
    /// When the last stop was asked for, on both clocks of this boot.
    pub stopped: Option<Now>,
    /// A person asked for a restart that has not happened yet.
    pub restart_wished: bool,
    /// A person asked for a start that has not happened yet.
    pub start_wished: bool,
    /// A start of ours overtook a person's stop and has to be taken back.
    pub revived_by_us: bool,
    /// The newest life that was seen: its start is in the pace. Its end may come while no guard looks.
    pub living: Option<Incarnation>,
    /// The last life whose end is in the budgets: a keeper may tell of it again to the next guard.
    pub counted: Option<Incarnation>,
    /// Lives before that one whose ends are in the budgets, oldest first. At most [`Memory::COUNTED_MAX`].
    pub counted_before: VecDeque<Incarnation>,
    /// What answers of its model have shown, while that is a trouble: the next guard asks only after a while.
    pub synthetic: Option<Reason>,
    /// The last incident that ended in a recovery.
    pub last_recovery: Option<Recovery>,
    /// What waits, or waited, for a person in the open incident.
    pub proposals: Vec<Proposal>,
    /// Last proposal id used.
    pub last_proposal: u64,
    /// Last directive id used.
    pub last_directive: u64,
    /// Last incident id used.
    pub last_incident: u64,
    /// When this was written down; with the boot clock of that boot.
    pub saved: Option<Now>,
}

impl Memory {
    /// More lives than can end within the breaker's window at the pace of our starts.
    pub const COUNTED_MAX: usize = 24;

    /// The end of this life is in the budgets.
    #[must_use]
    pub fn has_counted(&self, life: &Incarnation) -> bool {
        self.counted.as_ref() == Some(life) || self.counted_before.contains(life)
    }

    /// The end of the newest life is in the budgets now.
    pub(super) fn note_counted(&mut self, life: Incarnation) {
        if let Some(before) = self.counted.replace(life)
            && self.counted.as_ref() != Some(&before)
        {
            self.note_counted_before(before);
        }
    }

    /// The same for a life before it.
    pub(super) fn note_counted_before(&mut self, life: Incarnation) {
        if self.counted_before.len() >= Self::COUNTED_MAX {
            self.counted_before.pop_front();
        }
        self.counted_before.push_back(life);
    }

    /// Carries budgets over a reboot, whose boot clock began anew.
    #[must_use]
    pub fn after_reboot(mut self, now: Now) -> Self {
        if let Some(saved) = self.saved {
            self.pace.rebase(saved, now);
            self.unclean.rebase(saved, now);
            if let Some(refusal) = &mut self.refusal {
                refusal.at = now.mono;
            }
        }
        // The reboot ended it, and that is nobody's fault.
        self.living = None;
        self.stopped = None;
        self.proposals.clear();
        if let Some(incident) = &mut self.incident {
            incident.opened = now.mono;
            incident.onset = now.mono;
            incident.incarnation = None;
        }
        self.saved = Some(now);
        self
    }
}

/// A recovery, for `status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// Its incident.
    pub incident: IncidentId,
    /// Its cause.
    pub cause: Option<Cause>,
    /// When the fault began.
    pub onset_at: Wall,
    /// How far back that may lie.
    pub onset_uncertainty_ms: u64,
    /// From onset to the first suspicion.
    pub detected_after_ms: Option<u64>,
    /// From onset to the start.
    pub start_issued_after_ms: Option<u64>,
    /// From onset to the first good answer.
    pub serving_after_ms: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
}
