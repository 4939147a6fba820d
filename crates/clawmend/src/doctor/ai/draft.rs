//! A case out of an AI's answer whose repair was verified: a draft, for a person to look over.
//!
//! Pure. Invariant: a draft has passed [`Case::check`] and never acts by itself: no step of it is automatic.

use super::evidence::{Evidence, Source};
use clawmend_core::diagnosis::advice::{Advice, Hypothesis};
use clawmend_core::diagnosis::case::{
    Case, CaseError, Level, Needs, Remedy, RemedyAction, SCHEMA, Said, Sign, Strength, Symptoms, Undo, Verification,
};
use clawmend_core::diagnosis::class::{CauseCode, Class};

/// Longest text of a case, in bytes.
const MAX_TEXT: usize = 2000;
/// Lines that become signs.
const MAX_SIGNS: usize = 3;
/// Shortest text that tells one failure from others, in bytes.
const MIN_SIGN: usize = 12;
/// Longest sign, in bytes.
const MAX_SIGN: usize = 120;
/// Longest part of the id that comes from a line.
const MAX_SLUG: usize = 36;

/// The draft for the answer's first hypothesis. `engine` answered, and the repair was verified on `day`, such as
/// `2026-09-21`.
///
/// # Errors
/// There is nothing to know the failure by, or no hypothesis.
pub fn case(advice: &Advice, evidence: &Evidence, engine: &str, day: &str) -> Result<Case, CaseError> {
    let hypothesis = advice.hypotheses().first().ok_or(CaseError::Nothing)?;
    let known_by = known_by(hypothesis, evidence);
    let both = |text: &str| Said { en: cut(text, MAX_TEXT).to_owned(), zh: cut(text, MAX_TEXT).to_owned() };
    let steps: Vec<&str> = advice.plan().iter().map(|step| step.why.as_str()).collect();
    let told = if steps.is_empty() { hypothesis.title.clone() } else { steps.join(" ") };
    let remedies = remedies(advice);
    let symptoms: Vec<String> = evidence.symptom().map(|text| cut(text, MAX_TEXT).to_owned()).into_iter().collect();
    let case = Case {
        schema: SCHEMA,
        id: id(hypothesis, known_by.first().map(|(sign, _)| sign.as_str()), day),
        class: hypothesis.class.unwrap_or(Class::Lifecycle),
        cause: hypothesis.cause.unwrap_or(CauseCode::Unknown),
        kind: String::new(),
        // So that it never stands before a case that people have written.
        level: Level::Aside,
        beats: Vec::new(),
        guards: Vec::new(),
        verify: verification(&remedies),
        undo: undo(&remedies),
        source: vec![format!("advice of {engine}, repair verified {day}")],
        lines: known_by.iter().map(|(_, line)| line.clone()).collect(),
        title: both(&hypothesis.title),
        why: both(&hypothesis.why),
        advice: both(&told),
        symptoms: Symptoms { en: symptoms.clone(), zh: symptoms },
        needs: Needs::default(),
        signs: known_by.into_iter().map(|(text, _)| sign(text)).collect(),
        facts: Vec::new(),
        remedies,
    };
    case.check()?;
    Ok(case)
}

/// `(what stays the same in a line, the line)`, for lines of logs that speak for the hypothesis.
fn known_by(hypothesis: &Hypothesis, evidence: &Evidence) -> Vec<(String, String)> {
    let mut known: Vec<(String, String)> = Vec::new();
    for line in hypothesis.evidence.iter().filter_map(|number| evidence.line_of(*number)) {
        let written = matches!(line.source, Source::Log { .. } | Source::Pattern { .. });
        if let Some(text) = constant_part(&line.text).filter(|_| written)
            && known.iter().all(|(sign, _)| sign != text)
            && known.len() < MAX_SIGNS
        {
            known.push((text.to_owned(), cut(&line.text, MAX_TEXT).to_owned()));
        }
    }
    known
}

/// The longest part of a line without figures, quotation marks, and what was hidden.
fn constant_part(line: &str) -> Option<&str> {
    let parts = line.split(|c: char| {
        c.is_ascii_digit() || c.is_control() || matches!(c, '"' | '\'' | '\\' | '*' | '…' | '(' | ')')
    });
    let longest = parts.map(str::trim).max_by_key(|part| part.len())?;
    let part = cut(longest, MAX_SIGN).trim_end();
    (part.len() >= MIN_SIGN).then_some(part)
}

fn sign(text: String) -> Sign {
    Sign { text, regex: None, unless: Vec::new(), strength: Strength::Strong, own: false, start: false }
}

/// The plan's actions, for a person to take; `tell` is always among them.
fn remedies(advice: &Advice) -> Vec<Remedy> {
    let mut actions: Vec<RemedyAction> = advice.plan().iter().map(|step| step.proposal.action()).collect();
    actions.push(RemedyAction::Tell);
    actions.sort_unstable();
    actions.dedup();
    actions.into_iter().map(|action| Remedy { action, auto: false }).collect()
}

fn verification(remedies: &[Remedy]) -> Verification {
    match remedies.first().map(|remedy| remedy.action) {
        Some(RemedyAction::StartChannel) => Verification::ChannelReady,
        Some(RemedyAction::FreeOwnLogs) => Verification::DiskRoom,
        Some(RemedyAction::Tell) | None => Verification::Person,
        Some(
            RemedyAction::ReloadSecrets
            | RemedyAction::RestoreConfig
            | RemedyAction::QuarantineLock
            | RemedyAction::Start
            | RemedyAction::Restart,
        ) => Verification::Serving,
    }
}

fn undo(remedies: &[Remedy]) -> Undo {
    let has = |action| remedies.iter().any(|remedy| remedy.action == action);
    if has(RemedyAction::RestoreConfig) {
        Undo::PutConfigBack
    } else if has(RemedyAction::QuarantineLock) {
        Undo::PutLockBack
    } else if has(RemedyAction::StartChannel) {
        Undo::StopChannel
    } else {
        Undo::Nothing
    }
}

/// `ai-2026-09-21-cannot-open-the-index`.
fn id(hypothesis: &Hypothesis, sign: Option<&str>, day: &str) -> String {
    let mut slug = String::new();
    for c in sign.unwrap_or(&hypothesis.title).chars() {
        if slug.len() >= MAX_SLUG {
            break;
        }
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let slug = slug.trim_matches('-');
    let slug = if slug.is_empty() { "draft" } else { slug };
    format!("ai-{day}-{slug}")
}

/// At most `max` bytes, in whole characters.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::doctor::ai::hidden::Hidden;
    use crate::doctor::ai::reply;
    use crate::doctor::{Library, trial};
    use std::path::Path;

    fn evidence() -> Evidence {
        let mut evidence = Evidence::new(Hidden::default().mask());
        evidence.say("机器人不回话");
        evidence.add(Source::Fact, "the guard says: not_ready");
        evidence.add_last(
            Path::new("gateway.log"),
            "[vector] index shard 17 rebuild pending for \"main\": quorum of replicas absent",
        );
        evidence
    }

    fn advice(plan: &str) -> Advice {
        let text = format!(
            r#"{{"hypotheses":[{{"title":"The index is rebuilt","why":"{}","cause":"not_ready","class":"sqlite",
            "confidence":0.7,"evidence":[1,2,3]}}],"plan":[{plan}]}}"#,
            "索".repeat(800)
        );
        reply::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_verified_answer_becomes_a_case_that_finds_its_line_and_never_acts() {
        let plan = r#"{"action":"restart","why":"takes up the new index"},{"action":"reload_secrets","why":"first"}"#;
        let case = case(&advice(plan), &evidence(), "claude", "2026-09-21").unwrap();
        assert_eq!(case.id, "ai-2026-09-21-quorum-of-replicas-absent");
        assert_eq!(case.signs[0].text, ": quorum of replicas absent");
        let actions: Vec<_> = case.remedies.iter().map(|remedy| remedy.action).collect();
        assert_eq!(actions, [RemedyAction::ReloadSecrets, RemedyAction::Restart, RemedyAction::Tell]);
        assert!(case.remedies.iter().all(|remedy| !remedy.auto));
        assert!(case.why.zh.len() <= MAX_TEXT);
        let mut library = Library::built_in();
        let text = toml::to_string_pretty(&case).unwrap();
        let place = library.put(crate::doctor::library::parse(&text).unwrap());
        assert_eq!(trial::failure(&library, place), None, "{text}");
    }

    #[test]
    fn without_anything_to_know_it_by_there_is_no_case() {
        let empty = reply::parse(br#"{"hypotheses":[],"plan":[]}"#).unwrap();
        assert_eq!(case(&empty, &evidence(), "claude", "2026-09-21"), Err(CaseError::Nothing));
        let mut facts = Evidence::new(Hidden::default().mask());
        facts.add(Source::Fact, "the guard says: not_ready, whatever that means");
        assert_eq!(case(&advice(""), &facts, "claude", "2026-09-21"), Err(CaseError::Nothing));
    }
}
