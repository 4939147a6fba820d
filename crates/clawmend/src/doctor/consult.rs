//! From what was found to an answer: exact signatures first, then likeness, else none.

use super::exam::Exam;
use super::library::Library;
use super::log::Log;
use crate::openclaw::redact::redact;
use clawmend_core::diagnosis::rank::{Ranked, by_likeness, diagnose};
use clawmend_core::diagnosis::record::Standing;
use std::collections::BTreeMap;

/// Least likeness of a description to what people call a case.
const SYMPTOM_LIKENESS: f64 = 0.5;
/// The same for a text that was copied from a log: its words are a program's, not a person's.
const COPIED_LIKENESS: f64 = 0.8;
/// Least likeness of an unknown line to a case's line.
const LINE_LIKENESS: f64 = 0.85;
/// Unknown patterns that are compared with the cases' lines, and shown.
const TOP_PATTERNS: usize = 8;
/// Most causes of an answer.
const MAX_CAUSES: usize = 8;

/// Errors of a log that no case knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPattern {
    /// How many lines.
    pub count: u64,
    /// With `<*>` for what differs.
    pub pattern: String,
    /// The first line.
    pub example: String,
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// The best first; empty when it abstains.
    pub causes: Vec<Ranked>,
    /// What no case knows, the most frequent first.
    pub unknown: Vec<UnknownPattern>,
    /// How many patterns there are beside these.
    pub more_unknown: usize,
}

/// Weighs what `exam` found, and `symptom`, what a person says.
#[must_use]
pub fn consult(
    library: &Library,
    exam: &Exam<'_>,
    symptom: Option<&str>,
    standings: &BTreeMap<String, Standing>,
) -> Diagnosis {
    let mut causes = diagnose(&library.cases, &exam.findings, standings);
    let top = exam.unknown.top(TOP_PATTERNS);
    if causes.is_empty()
        && let Some(symptom) = symptom
    {
        causes = from_text(library, symptom, standings);
    }
    if causes.is_empty() && !top.is_empty() {
        let lines = library.lines();
        let like = top.iter().flat_map(|pattern| lines.like(&pattern.example, LINE_LIKENESS)).collect();
        causes = by_likeness(&library.cases, &best_of(like), standings);
    }
    causes.truncate(MAX_CAUSES);
    let unknown = top
        .iter()
        .map(|pattern| UnknownPattern {
            count: pattern.count,
            pattern: redact(&pattern.text(), 300),
            example: pattern.example.clone(),
        })
        .collect();
    Diagnosis { causes, unknown, more_unknown: exam.unknown.len().saturating_sub(top.len()) }
}

/// What a person says: a line that was copied, or a description.
fn from_text(library: &Library, text: &str, standings: &BTreeMap<String, Standing>) -> Vec<Ranked> {
    if let Ok(mut exam) = Exam::new(&library.cases, true) {
        exam.findings.pointed_at = true;
        exam.read(Log::of_text("the description", text));
        let causes = diagnose(&library.cases, &exam.findings, standings);
        if !causes.is_empty() {
            return causes;
        }
    }
    let least = if looks_copied(text) { COPIED_LIKENESS } else { SYMPTOM_LIKENESS };
    let mut like = library.symptoms().like(text, least);
    like.truncate(3);
    by_likeness(&library.cases, &like, standings)
}

/// People write words; programs write brackets, equals signs, paths, and figures that belong to units.
fn looks_copied(text: &str) -> bool {
    let figures = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        digits > 0 && (digits > 5 || digits < word.len())
    };
    text.contains(['=', '(', '[', '{', '<', '/', '\\', '_'])
        || text.contains(": ")
        || text.split_whitespace().any(figures)
}

fn best_of(like: Vec<(usize, f64)>) -> Vec<(usize, f64)> {
    let mut best: BTreeMap<usize, f64> = BTreeMap::new();
    for (case, likeness) in like {
        let entry = best.entry(case).or_default();
        *entry = entry.max(likeness);
    }
    best.into_iter().collect()
}
