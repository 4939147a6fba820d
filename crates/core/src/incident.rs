//! The record of what went wrong and what was done, event by event.
//!
//! Invariant: an incident is opened by the first suspicious evidence, and closed only by proof of recovery, by a
//! person's wish, or because it was planned. Times "after" are counted from its onset.

use crate::approval::{Proposal, ProposalId};
use crate::diagnosis::Cause;
use crate::diagnosis::advice::Tier;
use crate::diagnosis::case::RemedyAction;
use crate::diagnosis::class::CauseCode;
use crate::directive::{Action, ActionResult, DirectiveId, IncidentId};
use crate::gateway::Incarnation;
use crate::health::Verdict;
use crate::time::{Moment, Wall};
use serde::{Deserialize, Serialize};

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Our remedy worked, proven.
    Recovered,
    /// It came back without us.
    SelfRecovered,
    /// A person mended it.
    HumanFixed,
    /// It was a planned restart or stop.
    Planned,
    /// Our remedies did not work, and the incident ended otherwise (stopped by a person, for example).
    Ineffective,
    /// Only a person can end it; still so when the record was closed.
    WaitingForHuman,
    /// A person refused the remedy.
    Denied,
}

/// One event of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentEvent {
    /// Which incident.
    pub incident: IncidentId,
    /// When, on the guard's boot clock.
    pub mono: Moment,
    /// When, for people.
    pub wall: Wall,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// It began.
    Opened {
        /// When the fault began, as well as can be told.
        onset: Wall,
        /// How far back the onset may lie.
        onset_uncertainty_ms: u64,
        /// From onset to the first suspicion, which may have come before it was worth a record.
        #[serde(default)]
        detected_after_ms: u64,
        /// The life concerned.
        incarnation: Option<Incarnation>,
    },
    /// Evidence worth keeping, in words.
    Evidence {
        /// One line, redacted.
        text: String,
    },
    /// The verdict changed.
    Judged {
        /// To this.
        verdict: Verdict,
    },
    /// The cause was named, or named better.
    Diagnosed {
        /// The cause.
        cause: Cause,
    },
    /// The doctor looked at it.
    Examined {
        /// What it makes of it, the most likely first; empty when it abstains.
        causes: Vec<Named>,
    },
    /// An action was refused by the check.
    Withheld {
        /// Which.
        action: Action,
        /// Why.
        reason: String,
    },
    /// An action was issued.
    Acted {
        /// Its directive.
        directive: DirectiveId,
        /// What.
        action: Action,
        /// Why.
        reason: String,
    },
    /// An action ended.
    Result {
        /// Its directive.
        directive: DirectiveId,
        /// How.
        result: ActionResult,
    },
    /// A new life began.
    Started {
        /// It.
        incarnation: Incarnation,
    },
    /// It serves again.
    Serving,
    /// A step did not help.
    Ineffective {
        /// Which.
        action: Action,
        /// How that was seen.
        reason: String,
    },
    /// A person must know.
    Escalated {
        /// What to tell.
        reason: String,
    },
    /// An AI was asked.
    Advised {
        /// What it takes it for, in its words, redacted; empty when it does not know either.
        guess: String,
        /// What it would do.
        steps: Vec<Proposed>,
    },
    /// A step waits for a person.
    Proposed {
        /// What is shown to them.
        proposal: Proposal,
    },
    /// A person has decided.
    Decided {
        /// On which proposal.
        proposal: ProposalId,
        /// They want it.
        approved: bool,
        /// Who, and how that was proven.
        by: String,
        /// Why it does nothing, where it does not.
        void: Option<String>,
    },
    /// Nobody has decided in time.
    Lapsed {
        /// On which proposal.
        proposal: ProposalId,
    },
    /// Whether the remedy of a known case has helped.
    Learned {
        /// Which case.
        case: String,
        /// It did.
        worked: bool,
    },
    /// It ended.
    Closed {
        /// How.
        outcome: Outcome,
    },
}

/// A step that an AI would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// What.
    pub action: RemedyAction,
    /// Who decides on it.
    pub tier: Tier,
    /// What for, in its words, redacted.
    pub why: String,
}

/// A case that the doctor names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The case's id.
    pub case: String,
    /// Its cause.
    pub cause: CauseCode,
    /// How sure, in percent.
    pub sure_percent: u8,
    /// The lines and facts that decided it, redacted.
    pub evidence: Vec<String>,
}

/// An incident's figures, kept current while it is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Name.
    pub id: IncidentId,
    /// First suspicious evidence.
    pub opened: Moment,
    /// The same, for people.
    pub opened_wall: Wall,
    /// When the fault began.
    pub onset: Moment,
    /// How far back the onset may lie.
    pub onset_uncertainty_ms: u64,
    /// The life in which its cause was last seen.
    pub incarnation: Option<Incarnation>,
    /// Best cause so far.
    pub cause: Option<Cause>,
    /// From onset to the first suspicion.
    pub detected_after_ms: Option<u64>,
    /// From onset to the first start that was issued by us or seen.
    pub start_issued_after_ms: Option<u64>,
    /// From onset to the first good answer of a new life.
    pub serving_after_ms: Option<u64>,
    /// Actions issued so far.
    pub actions: u32,
    /// A person was told.
    pub escalated: bool,
    /// The verdict that was recorded last.
    #[serde(default)]
    pub judged: Option<Verdict>,
    /// Verdicts and evidence recorded so far.
    #[serde(default)]
    pub remarks: u32,
}
