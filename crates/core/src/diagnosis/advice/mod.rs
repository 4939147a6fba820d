//! What an AI says of a failure, as data.
//!
//! Invariants: an [`Advice`] is only made by [`Advice::of`], so its steps are from the closed list of [`Proposal`] and
//! its texts and counts are bounded; free text in it is for people to read and becomes no action; it does nothing by
//! itself, [`Proposal::tier`] says what may become of a step, and the check decides over it as over every other plan.
//! Start at [`Advice::of`].

mod error;
mod reply;
#[cfg(test)]
mod tests;
mod tier;

pub use error::{AdviceError, Place};
pub use reply::{Reply, ReplyHypothesis, ReplyStep};
pub use tier::Tier;

use super::case::RemedyAction;
use super::class::{CauseCode, Class};
use serde::{Deserialize, Serialize};

/// Most hypotheses of an answer.
pub const MAX_HYPOTHESES: usize = 5;
/// Most steps of a plan.
pub const MAX_STEPS: usize = 8;
/// Most lines that one hypothesis or step refers to.
pub const MAX_REFERENCES: usize = 16;
/// Longest title, in characters.
pub const MAX_TITLE: usize = 160;
/// Longest explanation, in characters.
pub const MAX_WHY: usize = 800;
/// Longest name of a channel or account, in characters.
pub const MAX_NAME: usize = 64;

/// An answer whose values make sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    hypotheses: Vec<Hypothesis>,
    plan: Vec<Step>,
}

/// One possible cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// In a few words, for people.
    pub title: String,
    /// Why it is thought to be so, for people.
    pub why: String,
    /// The cause, where the closed list has it.
    pub cause: Option<CauseCode>,
    /// The kind of failure, where it is said.
    pub class: Option<Class>,
    /// 0 to 1, as the AI says. Nobody has measured how far it can be believed.
    pub confidence: f64,
    /// Numbers of the lines that speak for it, from 1. At least one.
    pub evidence: Vec<u32>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub proposal: Proposal,
    /// What for, for people. For [`Proposal::Tell`] it is all that there is.
    pub why: String,
    /// Numbers of the lines that speak for it, from 1.
    pub evidence: Vec<u32>,
}

/// What a step would do: the closed list of [`RemedyAction`], each with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// Start one channel.
    StartChannel {
        /// Such as `telegram`.
        channel: String,
        /// Such as `default`.
        account: String,
    },
    /// Have the gateway resolve its secrets again.
    ReloadSecrets,
    /// Put the newest proven config back.
    RestoreConfig,
    /// Delete old logs of OpenClaw and our own.
    FreeOwnLogs,
    /// Set a lock aside whose owner is proven dead.
    QuarantineLock,
    /// Start the gateway.
    Start,
    /// Restart the gateway.
    Restart,
    /// Something that only a person can do.
    Tell {
        /// What it is about.
        about: Topic,
    },
}

/// What a person is told about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Keys, tokens, logins.
    Credentials,
    /// Who may reach the gateway and what it may do.
    Security,
    /// Something would be deleted.
    Deletion,
    /// It lies outside the gateway: the host, another program, a provider.
    Outside,
    /// Anything else.
    #[default]
    Other,
}

impl Proposal {
    /// The action of the closed list.
    #[must_use]
    pub const fn action(&self) -> RemedyAction {
        match self {
            Self::StartChannel { .. } => RemedyAction::StartChannel,
            Self::ReloadSecrets => RemedyAction::ReloadSecrets,
            Self::RestoreConfig => RemedyAction::RestoreConfig,
            Self::FreeOwnLogs => RemedyAction::FreeOwnLogs,
            Self::QuarantineLock => RemedyAction::QuarantineLock,
            Self::Start => RemedyAction::Start,
            Self::Restart => RemedyAction::Restart,
            Self::Tell { .. } => RemedyAction::Tell,
        }
    }
}

impl Advice {
    /// Makes advice of a reply to `lines` numbered lines of evidence; `None` when their number is not known here, and
    /// [`Advice::grounded_in`] is asked later.
    ///
    /// # Errors
    /// The first thing that is not allowed. Then nothing of the reply is used.
    pub fn of(reply: Reply, lines: Option<u32>) -> Result<Self, AdviceError> {
        if reply.hypotheses.len() > MAX_HYPOTHESES {
            return Err(AdviceError::TooManyHypotheses(reply.hypotheses.len()));
        }
        if reply.plan.len() > MAX_STEPS {
            return Err(AdviceError::TooManySteps(reply.plan.len()));
        }
        if reply.hypotheses.is_empty() && !reply.plan.is_empty() {
            return Err(AdviceError::NoHypothesis);
        }
        let hypotheses =
            reply.hypotheses.into_iter().enumerate().map(|(at, said)| said.check(Place::Hypothesis(at + 1)));
        let hypotheses = hypotheses.collect::<Result<Vec<_>, _>>()?;
        let plan = reply.plan.into_iter().enumerate().map(|(at, said)| said.check(Place::Step(at + 1)));
        let advice = Self { hypotheses, plan: plan.collect::<Result<Vec<_>, _>>()? };
        match lines {
            Some(lines) => advice.grounded_in(lines),
            None => Ok(advice),
        }
    }

    /// The same advice, when every line that it refers to is one of the `lines` that were sent.
    ///
    /// # Errors
    /// The first reference to a line that does not exist.
    pub fn grounded_in(self, lines: u32) -> Result<Self, AdviceError> {
        let of_hypotheses =
            self.hypotheses.iter().enumerate().map(|(at, one)| (Place::Hypothesis(at + 1), &one.evidence));
        let of_steps = self.plan.iter().enumerate().map(|(at, one)| (Place::Step(at + 1), &one.evidence));
        for (place, evidence) in of_hypotheses.chain(of_steps) {
            if let Some(number) = evidence.iter().copied().find(|number| *number == 0 || *number > lines) {
                return Err(AdviceError::NoSuchEvidence { place, number, lines });
            }
        }
        Ok(self)
    }

    /// As a reply that says the same: for a record, from which [`Advice::of`] makes it again.
    #[must_use]
    pub fn to_reply(&self) -> Reply {
        Reply {
            hypotheses: self.hypotheses.iter().map(ReplyHypothesis::of).collect(),
            plan: self.plan.iter().map(ReplyStep::of).collect(),
        }
    }

    /// The possible causes, in the AI's order. Empty when it does not know either.
    #[must_use]
    pub fn hypotheses(&self) -> &[Hypothesis] {
        &self.hypotheses
    }

    /// The steps, in the AI's order.
    #[must_use]
    pub fn plan(&self) -> &[Step] {
        &self.plan
    }
}
