//! The answer as scripts see it. `docs/json.md` describes it.

use super::consult::Diagnosis;
use super::library::Library;
use crate::api::types::{CauseReport, SCHEMA};
use crate::openclaw::redact::redact;
use clawmend_core::diagnosis::case::{Case, Said};
use clawmend_core::diagnosis::class::Class;
use clawmend_core::diagnosis::rank::Ranked;
use clawmend_core::health::Verdict;
use serde::Serialize;

/// Longest detail.
const MAX_DETAIL: usize = 240;

/// In which language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tongue {
    /// English.
    #[default]
    English,
    /// Chinese.
    Chinese,
}

impl Tongue {
    /// The text in this language.
    #[must_use]
    pub fn of(self, said: &Said) -> &str {
        match self {
            Self::English => &said.en,
            Self::Chinese => &said.zh,
        }
    }
}

/// `doctor --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DoctorReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The best first.
    pub causes: Vec<FoundCause>,
    /// Nothing is claimed.
    pub abstained: bool,
    /// Errors that no case knows, grouped.
    pub unknown: Vec<UnknownReport>,
    /// What became of `--ai`; left out without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ai: Option<super::ai::report::AiReport>,
    /// What became of `--fix`; left out without it, and when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<FixReport>,
}

/// What `--fix` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FixReport {
    /// The step; null when there was nothing to do.
    pub action: Option<String>,
    /// It was carried out.
    pub done: bool,
    /// What the guard believed afterwards.
    pub verdict: Option<Verdict>,
}

/// One cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundCause {
    /// Why.
    pub cause: CauseReport,
    /// The kind of failure.
    pub class: Class,
    /// 0 to 1, two digits.
    pub confidence: f64,
    /// The case.
    pub case: String,
    /// In a few words.
    pub title: String,
    /// Why it happens.
    pub why: String,
    /// What a person does.
    pub advice: String,
    /// What decided it.
    pub evidence: Vec<EvidenceReport>,
    /// What can be done, in order.
    pub remedy: Vec<RemedyReport>,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvidenceReport {
    /// `log`, or `fact`.
    pub kind: &'static str,
    /// The file; null for a fact.
    pub file: Option<String>,
    /// Its line, from 1; null for a fact.
    pub line: Option<u64>,
    /// What it says, redacted.
    pub text: String,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemedyReport {
    /// Which.
    pub action: String,
    /// It may be done without asking.
    pub auto: bool,
}

/// Errors that look alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownReport {
    /// How many lines.
    pub count: u64,
    /// With `<*>` for what differs.
    pub pattern: String,
    /// The first line.
    pub example: String,
}

/// The report of a diagnosis.
#[must_use]
pub fn report(library: &Library, diagnosis: &Diagnosis, tongue: Tongue) -> DoctorReport {
    let found = |ranked: &Ranked| library.cases.get(ranked.case).map(|case| cause(case, ranked, tongue));
    let causes: Vec<FoundCause> = diagnosis.causes.iter().filter_map(found).collect();
    let unknown = diagnosis.unknown.iter().map(|unknown| UnknownReport {
        count: unknown.count,
        pattern: unknown.pattern.clone(),
        example: unknown.example.clone(),
    });
    DoctorReport {
        schema: SCHEMA,
        abstained: causes.is_empty(),
        causes,
        unknown: unknown.collect(),
        ai: None,
        fix: None,
    }
}

fn cause(case: &Case, ranked: &Ranked, tongue: Tongue) -> FoundCause {
    let lines = ranked.lines.iter().map(|line| EvidenceReport {
        kind: "log",
        file: Some(line.source.clone()),
        line: Some(line.number),
        text: line.text.clone(),
    });
    let facts =
        ranked.facts.iter().map(|fact| EvidenceReport { kind: "fact", file: None, line: None, text: fact.clone() });
    FoundCause {
        cause: CauseReport { code: code(case), detail: detail(case, ranked) },
        class: case.class,
        confidence: (ranked.confidence * 100.0).round() / 100.0,
        case: case.id.clone(),
        title: tongue.of(&case.title).to_owned(),
        why: tongue.of(&case.why).to_owned(),
        advice: tongue.of(&case.advice).to_owned(),
        evidence: facts.chain(lines).collect(),
        remedy: remedies(case, ranked.may_act),
    }
}

/// The steps of a case; none is automatic unless the case may act.
#[must_use]
pub fn remedies(case: &Case, may_act: bool) -> Vec<RemedyReport> {
    let step = |remedy: &clawmend_core::diagnosis::case::Remedy| RemedyReport {
        action: name(&remedy.action),
        auto: remedy.auto && may_act,
    };
    case.remedies.iter().map(step).collect()
}

/// The stable name of a value from a closed list.
#[must_use]
pub fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(_) | Err(_) => String::new(),
    }
}

fn code(case: &Case) -> String {
    name(&case.cause)
}

/// `config: gateway.port`: the kind, what the signature caught, or the line itself.
fn detail(case: &Case, ranked: &Ranked) -> String {
    let said = ranked.detail.clone().or_else(|| ranked.lines.first().map(|line| line.text.clone()));
    let said = said.unwrap_or_else(|| ranked.facts.first().cloned().unwrap_or_default());
    let text = match (case.kind.is_empty(), said.is_empty()) {
        (true, _) => said,
        (false, true) => case.kind.clone(),
        (false, false) => format!("{}: {said}", case.kind),
    };
    redact(&text, MAX_DETAIL)
}
