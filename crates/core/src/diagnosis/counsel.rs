//! What an AI proposes for one incident, in terms that the state machine can use.
//!
//! Invariant: it is a machine's guess. Its texts are for people to read and never become an action; of its steps only
//! those that can be taken back and stay within the gateway ([`Tier::Green`]) are tried by themselves, only where a
//! person has allowed that, each once, and through the same check as every other step.

use super::advice::{Advice, Proposal, Tier};
use super::case::RemedyAction;
use crate::directive::{Action, IncidentId};
use serde::{Deserialize, Serialize};

/// The AI's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counsel {
    /// The incident that it was asked about.
    pub incident: IncidentId,
    /// What it takes it for, in its words, redacted; empty when it does not know either.
    pub guess: String,
    /// What it would do, in order.
    pub steps: Vec<CounselStep>,
}

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounselStep {
    /// What.
    pub action: RemedyAction,
    /// Who decides on it.
    pub tier: Tier,
    /// Channel and account, where it is about one.
    pub channel: Option<(String, String)>,
    /// What for, in its words, redacted.
    pub why: String,
}

impl Counsel {
    /// From advice. `serving`: the gateway answers now. `clean` makes the AI's words fit for a record.
    #[must_use]
    pub fn of(incident: IncidentId, advice: &Advice, serving: bool, clean: impl Fn(&str) -> String) -> Self {
        let step = |step: &super::advice::Step| CounselStep {
            action: step.proposal.action(),
            tier: step.proposal.tier(serving),
            channel: match &step.proposal {
                Proposal::StartChannel { channel, account } => Some((clean(channel), clean(account))),
                Proposal::ReloadSecrets
                | Proposal::RestoreConfig
                | Proposal::FreeOwnLogs
                | Proposal::QuarantineLock
                | Proposal::Start
                | Proposal::Restart
                | Proposal::Tell { .. } => None,
            },
            why: clean(&step.why),
        };
        let guess = advice.hypotheses().first().map_or_else(String::new, |first| clean(&first.title));
        Self { incident, guess, steps: advice.plan().iter().map(step).collect() }
    }
}

impl CounselStep {
    /// The action of a step that may run alone; `refused`: the config over which the gateway refuses to start. `None`:
    /// it is not for us, or the ladder does it anyway.
    #[must_use]
    pub fn action(&self, auto_heal: bool, refused: Option<u64>) -> Option<Action> {
        if !self.tier.runs_alone(auto_heal) {
            return None;
        }
        match self.action {
            RemedyAction::StartChannel => {
                let (channel, account) = self.channel.clone()?;
                Some(Action::StartChannel { channel, account })
            }
            RemedyAction::ReloadSecrets => Some(Action::ReloadSecrets),
            RemedyAction::FreeOwnLogs => Some(Action::FreeLogs),
            RemedyAction::RestoreConfig => refused.map(|rejected| Action::RestoreConfig { rejected }),
            RemedyAction::QuarantineLock | RemedyAction::Start | RemedyAction::Restart | RemedyAction::Tell => None,
        }
    }
}
