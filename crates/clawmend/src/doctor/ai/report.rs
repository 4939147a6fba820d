//! An AI's answer as scripts see it. `docs/json.md` describes it.

use super::evidence::Evidence;
use super::{Answer, AskError};
use crate::doctor::report::name;
use crate::settings::Engine;
use clawmend_core::diagnosis::advice::{Hypothesis, Proposal, Step, Tier};
use serde::Serialize;

/// `ai` of `doctor --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AiReport {
    /// `answered`, `not_needed`, `failed`.
    pub state: &'static str,
    /// Its name in the settings.
    pub engine: &'static str,
    /// Why there is no advice.
    pub error: Option<String>,
    /// What to do then.
    pub hint: Option<String>,
    /// The likeliest first; empty when it does not know either.
    pub hypotheses: Vec<HypothesisReport>,
    /// What it proposes. Nothing of it was done.
    pub plan: Vec<StepReport>,
    /// Every line that was sent.
    pub sent: Vec<SentLine>,
    /// Lines that did not fit.
    pub left_out: usize,
    /// Where the engine tells it.
    pub cost_usd: Option<f64>,
    /// How long it took; null when nobody answered.
    pub took_ms: Option<u64>,
}

/// One hypothesis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HypothesisReport {
    /// In a few words.
    pub title: String,
    /// Why it is thought so.
    pub why: String,
    /// Cause code, or null.
    pub cause: Option<String>,
    /// Kind of failure, or null.
    pub class: Option<String>,
    /// As the AI says, two digits.
    pub confidence: f64,
    /// Numbers of `sent`.
    pub evidence: Vec<u32>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepReport {
    /// Of the closed list.
    pub action: String,
    /// For `start_channel`.
    pub channel: Option<String>,
    /// For `start_channel`.
    pub account: Option<String>,
    /// For `tell`.
    pub about: Option<String>,
    /// `green`, `yellow`, `red`.
    pub tier: Tier,
    /// What for.
    pub why: String,
    /// Numbers of `sent`.
    pub evidence: Vec<u32>,
}

/// One line that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SentLine {
    /// From 1.
    pub number: usize,
    /// Where it comes from.
    pub source: String,
    /// As it was sent.
    pub text: String,
}

impl AiReport {
    fn of(state: &'static str, engine: Engine) -> Self {
        Self {
            state,
            engine: engine.name(),
            error: None,
            hint: None,
            hypotheses: Vec::new(),
            plan: Vec::new(),
            sent: Vec::new(),
            left_out: 0,
            cost_usd: None,
            took_ms: None,
        }
    }

    /// Nobody was asked, because the cause is known.
    #[must_use]
    pub fn not_needed(engine: Engine) -> Self {
        Self::of("not_needed", engine)
    }

    /// There is no advice.
    #[must_use]
    pub fn failed(engine: Engine, error: &AskError) -> Self {
        Self { error: Some(error.to_string()), hint: Some(error.hint()), ..Self::of("failed", engine) }
    }

    /// There is advice. `serving`: see [`Proposal::tier`].
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "millionths of dollars of one call")]
    pub fn answered(answer: &Answer, serving: bool) -> Self {
        Self {
            hypotheses: answer.advice.hypotheses().iter().map(hypothesis).collect(),
            plan: answer.advice.plan().iter().map(|one| step(one, serving)).collect(),
            sent: sent(&answer.evidence),
            left_out: answer.evidence.left_out(),
            cost_usd: answer.cost_micro_usd.map(|cost| cost as f64 / 1e6),
            took_ms: Some(answer.took_ms),
            ..Self::of("answered", answer.engine)
        }
    }
}

fn sent(evidence: &Evidence) -> Vec<SentLine> {
    let line = |(at, line): (usize, &super::evidence::Line)| SentLine {
        number: at + 1,
        source: line.source.to_string(),
        text: line.text.clone(),
    };
    evidence.lines().enumerate().map(line).collect()
}

fn hypothesis(one: &Hypothesis) -> HypothesisReport {
    HypothesisReport {
        title: one.title.clone(),
        why: one.why.clone(),
        cause: one.cause.as_ref().map(name),
        class: one.class.as_ref().map(name),
        confidence: (one.confidence * 100.0).round() / 100.0,
        evidence: one.evidence.clone(),
    }
}

fn step(one: &Step, serving: bool) -> StepReport {
    let (channel, account, about) = match &one.proposal {
        Proposal::StartChannel { channel, account } => (Some(channel.clone()), Some(account.clone()), None),
        Proposal::Tell { about } => (None, None, Some(name(about))),
        Proposal::ReloadSecrets
        | Proposal::RestoreConfig
        | Proposal::FreeOwnLogs
        | Proposal::QuarantineLock
        | Proposal::Start
        | Proposal::Restart => (None, None, None),
    };
    StepReport {
        action: name(&one.proposal.action()),
        channel,
        account,
        about,
        tier: one.proposal.tier(serving),
        why: one.why.clone(),
        evidence: one.evidence.clone(),
    }
}
