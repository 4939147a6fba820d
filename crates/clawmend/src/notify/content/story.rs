//! What the events of one incident tell, so far.
//!
//! Invariant: bounded, whatever is told: the beginning and the latest are kept.

use clawmend_core::diagnosis::Cause;
use clawmend_core::directive::{Action, ActionResult, DirectiveId, IncidentId};
use clawmend_core::incident::{IncidentEvent, Named, Outcome, What};
use clawmend_core::time::Wall;

/// Attempts that are kept.
const MAX_TRIED: usize = 12;

/// One incident.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// Which.
    pub incident: IncidentId,
    /// When the fault began.
    pub onset: Option<Wall>,
    /// When all was last seen to be well.
    pub last_good: Option<Wall>,
    /// The latest cause.
    pub cause: Option<Cause>,
    /// What the doctor makes of it, the most likely first.
    pub named: Vec<Named>,
    /// What was tried.
    pub tried: Vec<Tried>,
    /// Attempts that are not listed.
    pub tried_more: u32,
    /// When it was over, and how.
    pub closed: Option<(Wall, Outcome)>,
    /// When it served again.
    pub serving: Option<Wall>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    directive: DirectiveId,
    /// When.
    pub at: Wall,
    /// What.
    pub action: Action,
    /// How it ended, once it has.
    pub result: Option<ActionResult>,
    /// It was seen not to help.
    pub ineffective: bool,
}

impl Story {
    /// Takes an event; one of another incident begins a new story.
    pub fn note(&mut self, event: &IncidentEvent) {
        if event.incident != self.incident {
            *self = Self { incident: event.incident, ..Self::default() };
        }
        match &event.what {
            What::Opened { onset, onset_uncertainty_ms, .. } => {
                self.onset = Some(*onset);
                let before = i64::try_from(*onset_uncertainty_ms).unwrap_or(i64::MAX);
                self.last_good = Some(Wall(onset.0.saturating_sub(before)));
            }
            What::Diagnosed { cause } => self.cause = Some(cause.clone()),
            What::Examined { causes } => self.named.clone_from(causes),
            What::Acted { directive, action, .. } => self.acted(*directive, event.wall, action),
            What::Result { directive, result } => {
                if let Some(tried) = self.tried.iter_mut().find(|tried| tried.directive == *directive) {
                    tried.result = Some(result.clone());
                }
            }
            What::Ineffective { action, .. } => {
                if let Some(tried) = self.tried.iter_mut().rfind(|tried| tried.action == *action) {
                    tried.ineffective = true;
                }
            }
            What::Serving => self.serving = Some(event.wall),
            What::Closed { outcome } => self.closed = Some((event.wall, *outcome)),
            What::Evidence { .. }
            | What::Judged { .. }
            | What::Withheld { .. }
            | What::Started { .. }
            | What::Escalated { .. }
            | What::Advised { .. }
            | What::Learned { .. }
            | What::Proposed { .. }
            | What::Decided { .. }
            | What::Lapsed { .. } => {}
        }
    }

    fn acted(&mut self, directive: DirectiveId, at: Wall, action: &Action) {
        if self.tried.iter().any(|tried| tried.directive == directive) {
            return;
        }
        if self.tried.len() == MAX_TRIED {
            // The first attempt and the latest ones say most.
            self.tried.remove(1);
            self.tried_more = self.tried_more.saturating_add(1);
        }
        self.tried.push(Tried { directive, at, action: action.clone(), result: None, ineffective: false });
    }
}
