//! `records.json`: what became of the earlier doctor's repairs.
//!
//! `{"records":[{"id","error_signature","error_code","description","success","last_occurred_at","case_id"?}]}`, as its
//! versions 1.0 and 1.1 write it. A record names no case, but what went wrong: it counts for the case that this doctor
//! finds in that text, by signature or near-literal likeness, and for none otherwise. A record of many occurrences
//! tells the last outcome only, so it counts once.

use crate::api::types::Time;
use crate::doctor::exam::Exam;
use crate::doctor::experience::Earlier;
use crate::doctor::{Library, consult};
use crate::openclaw::redact::redact;
use clawmend_core::diagnosis::record::Repair;
use clawmend_core::time::Wall;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Most records of a file; the earlier doctor keeps 100.
const MAX_RECORDS: usize = 2_000;
/// Longest text of a record that is looked at, in characters.
const MAX_TEXT: usize = 2_000;
/// Least confidence: a signature has more, a likeness only when it is nearly literal.
const SURE: f64 = 0.63;

#[derive(Deserialize)]
struct OldFile {
    records: Vec<OldRecord>,
}

#[derive(Deserialize)]
struct OldRecord {
    #[serde(default)]
    id: Option<String>,
    #[serde(default, alias = "case")]
    case_id: Option<String>,
    #[serde(default)]
    error_signature: Option<String>,
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default, alias = "error")]
    description: Option<String>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(default, alias = "timestamp")]
    last_occurred_at: Option<String>,
}

/// What is taken over, and what is not, with the reason.
///
/// # Errors
/// It is no such file, for people.
pub fn read(text: &str, library: &Library) -> Result<(Vec<Earlier>, Vec<String>), String> {
    let file: OldFile =
        serde_json::from_str(text).map_err(|error| format!("it is no records.json of the iflow doctor: {error}"))?;
    if file.records.len() > MAX_RECORDS {
        return Err(format!("more than {MAX_RECORDS} records"));
    }
    let (mut taken, mut left_out) = (Vec::new(), Vec::new());
    for (number, record) in file.records.iter().enumerate() {
        let name = record.id.as_deref().map_or_else(|| format!("record {}", number + 1), |id| redact(id, 40));
        let Some(worked) = record.success else {
            left_out.push(format!("{name}: it does not say whether the repair worked"));
            continue;
        };
        match case_of(record, library) {
            Some(case) => {
                let at = record.last_occurred_at.as_deref().and_then(time).unwrap_or(Time(Wall(0)));
                taken.push(Earlier { at, repair: Repair { case, worked }, from: format!("records.json {name}") });
            }
            None => {
                let said = redact(record.description.as_deref().unwrap_or_default(), 80);
                left_out.push(format!("{name}: no case is known for `{said}`"));
            }
        }
    }
    Ok((taken, left_out))
}

fn case_of(record: &OldRecord, library: &Library) -> Option<String> {
    let known = |id: String| library.find(&id).map(|_| id);
    if let Some(id) = &record.case_id {
        let plain: String =
            id.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        return known(plain.clone()).or_else(|| known(format!("imported-{plain}")));
    }
    // A case that was imported carries the signature that the earlier doctor knew it by.
    let signatures = [&record.error_signature, &record.error_code];
    let mut signatures = signatures.into_iter().flatten().filter(|text| text.len() >= 6);
    let carries = |text: &String| library.cases.iter().find(|case| case.symptoms.en.contains(text));
    if let Some(case) = signatures.find_map(carries) {
        return Some(case.id.clone());
    }
    let text: String = record.description.as_deref()?.chars().take(MAX_TEXT).collect();
    let exam = Exam::new(&library.cases, true).ok()?;
    let found = consult(library, &exam, Some(&text), &BTreeMap::new());
    let best = found.causes.first().filter(|best| best.confidence >= SURE)?;
    library.cases.get(best.case).map(|case| case.id.clone())
}

/// `2026-02-28 03:30:00` by the host's own clock, or RFC 3339.
fn time(text: &str) -> Option<Time> {
    let local = || {
        let at: jiff::civil::DateTime = text.replace(' ', "T").parse().ok()?;
        Some(at.to_zoned(jiff::tz::TimeZone::system()).ok()?.timestamp())
    };
    let at = text.parse::<jiff::Timestamp>().ok().or_else(local)?;
    Some(Time(Wall(at.as_millisecond())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_counts_for_the_case_that_its_text_names() {
        let library = Library::built_in();
        let text = r#"{"version":"1.0.0","records":[
            {"id":"a1","error_signature":"0123456789abcdef","description":"Gateway failed to start: listen EADDRINUSE: address already in use 127.0.0.1:18789",
             "solution":"pkill -9 node","success":true,"first_occurred_at":"2026-02-28 03:30:00","last_occurred_at":"2026-02-28 03:40:00","occurrence_count":3},
            {"id":"a2","description":"the printer is on fire","success":false},
            {"id":"a3","description":"killed","case_id":"KILLED","success":false,"last_occurred_at":"2026-03-01T00:00:00Z"},
            {"id":"a4","description":"killed"}]}"#;
        let (taken, left_out) = read(text, &library).unwrap();
        let cases: Vec<(&str, bool)> = taken.iter().map(|one| (one.repair.case.as_str(), one.repair.worked)).collect();
        assert_eq!(cases.len(), 2, "{cases:?} {left_out:?}");
        assert!(cases[0].0.starts_with("port-taken") && cases[0].1, "{cases:?}");
        assert_eq!(cases[1], ("killed", false));
        assert!(taken[0].at < taken[1].at && taken[0].from == "records.json a1");
        assert_eq!(left_out.len(), 2);
        assert!(left_out[0].contains("printer") && left_out[1].contains("a4"), "{left_out:?}");
    }

    #[test]
    fn what_is_no_such_file_is_said() {
        let library = Library::built_in();
        assert!(read("{\"records\": 3}", &library).is_err());
        assert!(read("{half", &library).is_err());
        assert_eq!(read("{\"records\": []}", &library).unwrap(), (Vec::new(), Vec::new()));
    }
}
