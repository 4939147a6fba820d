//! Whether a case finds what it says it finds.

use super::exam::Exam;
use super::library::Library;
use super::log::Log;
use clawmend_core::diagnosis::rank::diagnose;
use std::collections::BTreeMap;

/// Each of its lines, taken as a gateway's, must lead to this case, and no case may be surer. What is wrong, for
/// people.
#[must_use]
pub fn failure(library: &Library, place: usize) -> Option<String> {
    let case = library.cases.get(place)?;
    case.lines.iter().find_map(|line| {
        let mut exam = Exam::new(&library.cases, true).ok()?;
        exam.findings.pointed_at = true;
        exam.read(Log::of_text("line", line));
        let found = diagnose(&library.cases, &exam.findings, &BTreeMap::new());
        let name = |at: usize| library.cases.get(at).map_or("?", |case| case.id.as_str());
        let Some(own) = found.iter().find(|ranked| ranked.case == place) else {
            let others: Vec<&str> = found.iter().map(|ranked| name(ranked.case)).collect();
            let instead = if others.is_empty() { "nothing".to_owned() } else { others.join(", ") };
            return Some(format!("{}: found {instead} in its line: {line}", case.id));
        };
        let better = found.iter().find(|ranked| ranked.confidence > own.confidence + 0.001)?;
        let level = |at: usize| library.cases.get(at).map(|case| case.level);
        (level(better.case) <= level(place))
            .then(|| format!("{}: {} is surer of its line: {line}", case.id, name(better.case)))
    })
}
