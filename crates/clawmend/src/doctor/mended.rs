//! What was different when a gateway worked again, for a case drafted from a person's repair.
//!
//! Compares the generation of the config at the time of the fault with the one it recovered with, and takes the error
//! lines of that time that no case knows. Invariant: names of keys only, never values; nothing is changed.

use super::exam::Exam;
use crate::api::types::{IncidentDetail, Time};
use crate::bundle::settings::shown_path;
use crate::generations::{Generation, Room, value_of};
use crate::openclaw::config;
use crate::openclaw::redact::redact;
use clawmend_core::diagnosis::draft::Mended;
use clawmend_core::generation::{Change, Difference, Tree, differences};
use clawmend_core::incident::Outcome;

/// The recovery itself is proven a while after the config was written.
const GRACE_MS: i64 = 60_000;
/// Unknown patterns that are taken.
const TOP_PATTERNS: usize = 8;
/// Longest text of one, in characters.
const MAX_TEXT: usize = 400;

/// Whether a person mended it, as far as the record tells.
#[must_use]
pub fn by_person(detail: &IncidentDetail) -> bool {
    detail.incident.closed_at.is_some()
        && matches!(detail.incident.outcome, Some(Outcome::HumanFixed | Outcome::WaitingForHuman))
}

/// What was different. `exam` has read the log of that time.
#[must_use]
pub fn compare(detail: &IncidentDetail, room: Option<&Room>, exam: &Exam<'_>) -> Mended {
    let incident = &detail.incident;
    let onset = incident.onset_at.0.0;
    let closed = incident.closed_at.unwrap_or(incident.opened_at).0.0;
    let all = room.and_then(|room| room.list().ok()).unwrap_or_default();
    let (fault, recovery) = (at_fault(&all, onset), at_recovery(&all, onset, closed));
    let both = fault.zip(recovery).filter(|(fault, recovery)| fault.id != recovery.id);
    let versions =
        both.and_then(|(fault, recovery)| fault.record.openclaw.clone().zip(recovery.record.openclaw.clone()));
    let patterns = exam.unknown.top(TOP_PATTERNS);
    Mended {
        incident: incident.id.0,
        gateway: incident.gateway.0.clone(),
        day: Time(incident.onset_at.0).timestamp().strftime("%Y-%m-%d").to_string(),
        cause: incident.cause.as_ref().map(|cause| (cause.code.clone(), redact(&cause.detail, MAX_TEXT))),
        keys: room.zip(both).map(|(room, (fault, recovery))| keys(room, &fault.id, &recovery.id)).unwrap_or_default(),
        versions: versions.filter(|(before, after)| before != after),
        patterns: patterns
            .iter()
            .map(|pattern| (redact(&pattern.text(), MAX_TEXT), redact(&pattern.example, MAX_TEXT)))
            .collect(),
    }
}

/// The newest one that was there when the fault began.
fn at_fault(all: &[Generation], onset: i64) -> Option<&Generation> {
    all.iter().filter(|one| one.record.first_seen.0 <= onset).max_by_key(|one| one.record.first_seen)
}

/// The one that was on disk when it was over: a gateway was well on it soon after, else the last that was seen by then.
fn at_recovery(all: &[Generation], onset: i64, closed: i64) -> Option<&Generation> {
    let there = || all.iter().filter(|one| one.record.first_seen.0 <= closed);
    let well = |one: &&Generation| {
        let at = one.record.proven.as_ref().map(|proof| proof.at.0);
        at.is_some_and(|at| (onset..=closed.saturating_add(GRACE_MS)).contains(&at))
    };
    there()
        .filter(well)
        .max_by_key(|one| one.record.first_seen)
        .or_else(|| there().max_by_key(|one| (one.record.last_seen.0.min(closed), one.record.first_seen)))
}

/// The keys that differ, each with how. A config that cannot be read has none to compare.
fn keys(room: &Room, fault: &str, recovery: &str) -> Vec<String> {
    let tree = |id: &str| -> Option<Tree> { Some(config::tree(&value_of(&room.load(id).ok()?.snapshot).ok()?)) };
    let Some(before) = tree(fault) else { return vec!["the config could not be read before".to_owned()] };
    let Some(after) = tree(recovery) else { return Vec::new() };
    let said = |one: &Difference| {
        let how = match one.change {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        };
        format!("{} ({how})", shown_path(&one.path))
    };
    // OpenClaw's own notes change with every write.
    let own = |one: &&Difference| one.path.segments().first().is_none_or(|first| first != "meta");
    differences(&before, &after).0.iter().filter(own).map(said).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::doctor::Library;
    use crate::doctor::log::Log;
    use crate::generations::Snapshot;
    use clawmend_core::diagnosis::draft::draft;
    use clawmend_core::gateway::GatewayId;
    use clawmend_core::time::Wall;

    fn detail(closed: bool, outcome: Option<&str>) -> IncidentDetail {
        let mut value: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/incident.json")).unwrap();
        value["incident"]["onset_at"] = "2026-11-25T10:00:00.000Z".into();
        value["incident"]["opened_at"] = "2026-11-25T10:00:00.000Z".into();
        value["incident"]["closed_at"] =
            if closed { "2026-11-25T10:10:00.000Z".into() } else { serde_json::Value::Null };
        value["incident"]["outcome"] = outcome.map_or(serde_json::Value::Null, Into::into);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn only_what_a_person_ended_is_drafted() {
        assert!(by_person(&detail(true, Some("human_fixed"))));
        assert!(by_person(&detail(true, Some("waiting_for_human"))));
        assert!(!by_person(&detail(true, Some("recovered"))));
        assert!(!by_person(&detail(false, Some("waiting_for_human"))));
    }

    #[test]
    fn the_difference_is_between_the_config_of_the_fault_and_that_of_the_recovery() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("openclaw.json");
        let room = Room::open(dir.path(), &GatewayId("default".into())).unwrap();
        let at = |text: &str| Wall(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let keep = |text: &str, when: &str, version: &str| {
            let snapshot = Snapshot::of_file(&path, text.as_bytes().to_vec());
            let about = |record: &mut crate::generations::Record| record.openclaw = Some(version.to_owned());
            room.keep(&snapshot, at(when), about).unwrap();
        };
        let good = r#"{"gateway":{"mode":"local","auth":{"token":"secret-one"}},"meta":{"n":1}}"#;
        keep(good, "2026-11-20T00:00:00Z", "2026.9.6");
        keep(
            r#"{"gateway":{"mode":"local","auth":{"token":"secret-two"},"prot":1},"meta":{"n":2}}"#,
            "2026-11-25T09:59:00Z",
            "2026.9.6",
        );
        keep(good, "2026-11-25T10:09:00Z", "2026.9.7");
        // What came later is another story.
        keep("{\"later\":1}", "2026-11-25T11:00:00Z", "2026.9.8");
        let library = Library::built_in();
        let mut exam = Exam::new(&library.cases, true).unwrap();
        exam.read(Log::of_text("log", "error: proxy 7 of the office gave up\nerror: proxy 8 of the office gave up\n"));
        let mended = compare(&detail(true, Some("human_fixed")), Some(&room), &exam);
        assert_eq!(mended.keys, ["gateway.auth.token (changed)", "gateway.prot (removed)"]);
        assert_eq!(mended.versions, Some(("2026.9.6".to_owned(), "2026.9.7".to_owned())));
        assert_eq!(mended.day, "2026-11-25");
        let case = draft(&mended);
        assert_eq!(case.check(), Ok(()));
        let text = toml::to_string_pretty(&case).unwrap();
        assert!(!text.contains("secret-"), "{text}");
        assert_eq!(case.signs[0].text, "of the office gave up");
        let mut library = library;
        let place = library.put(case);
        assert_eq!(super::super::trial::failure(&library, place), None);
    }

    #[test]
    fn without_generations_the_log_still_speaks() {
        let library = Library::built_in();
        let exam = Exam::new(&library.cases, true).unwrap();
        let mended = compare(&detail(true, Some("human_fixed")), None, &exam);
        assert!(mended.keys.is_empty() && mended.patterns.is_empty());
        assert_eq!(draft(&mended).check(), Ok(()));
    }
}
