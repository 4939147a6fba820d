//! A reply as it comes in: the shape of `docs/ai-reply.schema.json`, nothing checked yet but the fields' names.

use super::error::{AdviceError, Place};
use super::{Hypothesis, MAX_NAME, MAX_REFERENCES, MAX_TITLE, MAX_WHY, Proposal, Step, Topic};
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde::{Deserialize, Serialize};

/// The whole reply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Possible causes.
    pub hypotheses: Vec<ReplyHypothesis>,
    /// Steps.
    pub plan: Vec<ReplyStep>,
}

/// One possible cause, as said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyHypothesis {
    /// See [`Hypothesis::title`].
    pub title: String,
    /// See [`Hypothesis::why`].
    pub why: String,
    /// See [`Hypothesis::cause`].
    #[serde(default)]
    pub cause: Option<String>,
    /// See [`Hypothesis::class`].
    #[serde(default)]
    pub class: Option<String>,
    /// See [`Hypothesis::confidence`].
    pub confidence: f64,
    /// See [`Hypothesis::evidence`].
    pub evidence: Vec<u32>,
}

/// One step, as said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyStep {
    /// Name of an action.
    pub action: String,
    /// For `start_channel`.
    #[serde(default)]
    pub channel: Option<String>,
    /// For `start_channel`; `default` when it is left out.
    #[serde(default)]
    pub account: Option<String>,
    /// For `tell`.
    #[serde(default)]
    pub about: Option<String>,
    /// See [`Step::why`].
    pub why: String,
    /// See [`Step::evidence`].
    #[serde(default)]
    pub evidence: Vec<u32>,
}

impl ReplyHypothesis {
    pub(super) fn of(one: &Hypothesis) -> Self {
        Self {
            title: one.title.clone(),
            why: one.why.clone(),
            cause: one.cause.map(|cause| Word(cause).to_string()),
            class: one.class.map(|class| Word(class).to_string()),
            confidence: one.confidence,
            evidence: one.evidence.clone(),
        }
    }

    pub(super) fn check(self, place: Place) -> Result<Hypothesis, AdviceError> {
        if !(0.0..=1.0).contains(&self.confidence) {
            return Err(AdviceError::Confidence(place));
        }
        if self.evidence.is_empty() {
            return Err(AdviceError::Ungrounded(place));
        }
        Ok(Hypothesis {
            title: text(self.title, place, "title", MAX_TITLE)?,
            why: text(self.why, place, "why", MAX_WHY)?,
            cause: self.cause.map(|name| listed(&name, place, "cause")).transpose()?,
            class: self.class.map(|name| listed(&name, place, "class")).transpose()?,
            confidence: self.confidence,
            evidence: references(self.evidence, place)?,
        })
    }
}

impl ReplyStep {
    pub(super) fn of(one: &Step) -> Self {
        let mut step = Self {
            action: Word(one.proposal.action()).to_string(),
            why: one.why.clone(),
            evidence: one.evidence.clone(),
            ..Self::default()
        };
        match &one.proposal {
            Proposal::StartChannel { channel, account } => {
                step.channel = Some(channel.clone());
                step.account = Some(account.clone());
            }
            Proposal::Tell { about } => step.about = Some(Word(*about).to_string()),
            Proposal::ReloadSecrets
            | Proposal::RestoreConfig
            | Proposal::FreeOwnLogs
            | Proposal::QuarantineLock
            | Proposal::Start
            | Proposal::Restart => {}
        }
        step
    }

    pub(super) fn check(self, place: Place) -> Result<Step, AdviceError> {
        Ok(Step {
            proposal: self.proposal(place)?,
            why: text(self.why, place, "why", MAX_WHY)?,
            evidence: references(self.evidence, place)?,
        })
    }

    fn proposal(&self, place: Place) -> Result<Proposal, AdviceError> {
        let proposal = match self.action.as_str() {
            "start_channel" => {
                let channel = self.channel.as_deref().ok_or(AdviceError::NoChannel(place))?;
                Proposal::StartChannel {
                    channel: name(channel, place, "channel")?,
                    account: name(self.account.as_deref().unwrap_or("default"), place, "account")?,
                }
            }
            "reload_secrets" => Proposal::ReloadSecrets,
            "restore_config" => Proposal::RestoreConfig,
            "free_own_logs" => Proposal::FreeOwnLogs,
            "quarantine_lock" => Proposal::QuarantineLock,
            "start" => Proposal::Start,
            "restart" => Proposal::Restart,
            "tell" => {
                let about = self.about.as_deref().map(|name| listed(name, place, "about")).transpose()?;
                Proposal::Tell { about: about.unwrap_or(Topic::Other) }
            }
            other => return Err(AdviceError::UnknownAction { place, name: shown(other) }),
        };
        let names_a_channel = matches!(proposal, Proposal::StartChannel { .. });
        let speaks = matches!(proposal, Proposal::Tell { .. });
        let needless = [
            ("channel", self.channel.is_some() && !names_a_channel),
            ("account", self.account.is_some() && !names_a_channel),
            ("about", self.about.is_some() && !speaks),
        ];
        if let Some((field, _)) = needless.into_iter().find(|(_, needless)| *needless) {
            return Err(AdviceError::Needless { place, field });
        }
        Ok(proposal)
    }
}

fn text(text: String, place: Place, field: &'static str, limit: usize) -> Result<String, AdviceError> {
    if text.trim().is_empty() || text.chars().count() > limit {
        return Err(AdviceError::Text { place, field, limit });
    }
    Ok(text)
}

/// The name of a value of a closed list.
struct Word<T>(T);

impl<T: Serialize> std::fmt::Display for Word<T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.serialize(out)
    }
}

/// A word of a closed list.
fn listed<'de, T: Deserialize<'de>>(name: &'de str, place: Place, field: &'static str) -> Result<T, AdviceError> {
    let from: StrDeserializer<'de, NameError> = name.into_deserializer();
    T::deserialize(from).map_err(|_| AdviceError::UnknownName { place, field, name: shown(name) })
}

/// Names of channels and accounts, as OpenClaw 2026.9.6 accepts them.
fn name(name: &str, place: Place, field: &'static str) -> Result<String, AdviceError> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(fine) {
        return Err(AdviceError::BadName { place, field });
    }
    Ok(name.to_owned())
}

fn references(mut numbers: Vec<u32>, place: Place) -> Result<Vec<u32>, AdviceError> {
    if numbers.len() > MAX_REFERENCES {
        return Err(AdviceError::TooManyReferences(place));
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_NAME).collect()
}
