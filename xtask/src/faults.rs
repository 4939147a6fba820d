//! The page of the faults: which were repaired without a hand, which were handed over, and how long it took.
//!
//! A lab of `lab_matrix` ends with one line, `fault: NAME: repaired in N ms (HOW)` or
//! `fault: NAME: handed over: CAUSE`. A fault without its line was not shown, whatever the reason.

use crate::machine;
use crate::run::capture;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

/// What is repaired without a hand, at the least, of what can be: in percent (requirement B29).
const SHARE_PROMISED: usize = 80;

/// Faults that can be repaired.
const REPAIRED: [&str; 18] = [
    "crash",
    "abort",
    "heap exhausted",
    "freeze",
    "endless spin",
    "listener lost",
    "truncated config",
    "unknown key",
    "wrong type",
    "deleted config",
    "missing mode",
    "half-written config with the gateway killed",
    "disk full then freed",
    "deaf channel",
    "suppressed channels",
    "stale lease",
    "twin instance",
    "port taken then freed",
];

/// Faults that only a person can end.
const HANDED_OVER: [&str; 7] = [
    "port taken for good",
    "bind without auth",
    "unresolved variable",
    "provider down",
    "revoked token for good",
    "newer schema",
    "package half-installed",
];

/// What came of a fault, in one round.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Repaired { ms: u64, how: String },
    HandedOver { cause: String },
}

/// What was seen of all faults.
#[derive(Debug, Default)]
pub struct Seen {
    outcomes: BTreeMap<String, Vec<Outcome>>,
    /// So many of the lines are from a run before this one.
    pub earlier: usize,
}

impl Seen {
    /// Reads the lines of the labs.
    pub fn new(lines: &[String]) -> Self {
        let mut seen = Self::default();
        for (name, outcome) in lines.iter().filter_map(|line| parse(line)) {
            seen.outcomes.entry(name).or_default().push(outcome);
        }
        seen
    }

    /// Enough was repaired, and everything else was named.
    pub fn as_promised(&self) -> bool {
        let handed = HANDED_OVER.iter().filter(|name| self.handed_over(name).is_some()).count();
        self.repaired_count() * 100 >= REPAIRED.len() * SHARE_PROMISED && handed == HANDED_OVER.len()
    }

    fn repaired_count(&self) -> usize {
        REPAIRED.iter().filter(|name| self.repaired(name).is_some()).count()
    }

    /// The slowest of its repairs, if each round repaired it.
    fn repaired(&self, name: &str) -> Option<(u64, &str)> {
        let times = self.outcomes.get(name)?.iter().map(|outcome| match outcome {
            Outcome::Repaired { ms, how } => Some((*ms, how.as_str())),
            Outcome::HandedOver { .. } => None,
        });
        times.collect::<Option<Vec<_>>>()?.into_iter().max_by_key(|(ms, _)| *ms)
    }

    fn handed_over(&self, name: &str) -> Option<&str> {
        let causes = self.outcomes.get(name)?.iter().map(|outcome| match outcome {
            Outcome::HandedOver { cause } => Some(cause.as_str()),
            Outcome::Repaired { .. } => None,
        });
        causes.collect::<Option<Vec<_>>>()?.into_iter().next()
    }
}

fn parse(line: &str) -> Option<(String, Outcome)> {
    if let Some((name, rest)) = line.split_once(": repaired in ") {
        let (ms, how) = rest.split_once(" ms")?;
        let how = how.trim().trim_start_matches('(').trim_end_matches(')').to_owned();
        return Some((name.to_owned(), Outcome::Repaired { ms: ms.parse().ok()?, how }));
    }
    let (name, cause) = line.split_once(": handed over: ")?;
    Some((name.to_owned(), Outcome::HandedOver { cause: cause.to_owned() }))
}

/// Everything as one page.
///
/// # Errors
/// When the date cannot be asked for.
pub fn page(seen: &Seen, loads: &[String; 2], took: Duration, rounds: u32) -> Result<String> {
    let today = capture(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let repaired = seen.repaired_count();
    let handed = HANDED_OVER.iter().filter(|name| seen.handed_over(name).is_some()).count();
    let share = repaired * 100 / REPAIRED.len();
    let [before, after] = loads;
    let earlier = match seen.earlier {
        0 => String::new(),
        lines => format!("; {lines} of the lines below were seen by the run before this one"),
    };
    let mut text = format!(
        "# Faults\n\n\
         Written by `cargo xtask matrix --faults` on {} in {} s, {rounds} round(s){}. Each fault was injected into a real \
         {} under the guard, as a child, in a home of its own.\n\n\
         Machine: {}. Load averages before: {before}; after: {after}.\n\n\
         **Repaired without a hand: {repaired} of {} ({share} %). Handed over with the cause named: {handed} of {}.**\n\n\
         The time is from onset to the first good answer, of the slowest round; a boot of the gateway is part of it \
         wherever it had ended.\n\n\
         | fault | what came of it | time | cause and outcome |\n|---|---|---|---|\n",
        today.trim(),
        took.as_secs(),
        earlier,
        openclaw(),
        machine::machine(),
        REPAIRED.len(),
        HANDED_OVER.len(),
    );
    for name in REPAIRED {
        match seen.repaired(name) {
            Some((ms, how)) => writeln!(text, "| {name} | repaired | {:.1} s | {how} |", seconds(ms))?,
            None => writeln!(text, "| {name} | **not shown** | | |")?,
        }
    }
    for name in HANDED_OVER {
        match seen.handed_over(name) {
            Some(cause) => writeln!(text, "| {name} | handed over | | {cause} |")?,
            None => writeln!(text, "| {name} | **not shown** | | |")?,
        }
    }
    others(seen, &mut text)?;
    Ok(text)
}

/// What the labs judge.
#[cfg(target_os = "linux")]
fn openclaw() -> String {
    use clawmend_testkit::lab::{NODE_VERSION, OPENCLAW_VERSION};
    format!("OpenClaw {OPENCLAW_VERSION} on Node {NODE_VERSION}")
}

/// What the labs judge. There are none on this system.
#[cfg(not(target_os = "linux"))]
fn openclaw() -> String {
    "OpenClaw".to_owned()
}

/// Variations that stand beside the promised list, and do not count in its share.
fn others(seen: &Seen, text: &mut String) -> Result<()> {
    let listed = |name: &str| REPAIRED.contains(&name) || HANDED_OVER.contains(&name);
    let names: Vec<&str> = seen.outcomes.keys().map(String::as_str).filter(|name| !listed(name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    text.push_str(
        "\nVariations beside the list:\n\n| fault | what came of it | time | cause and outcome |\n|---|---|---|---|\n",
    );
    for name in names {
        match (seen.repaired(name), seen.handed_over(name)) {
            (Some((ms, how)), _) => writeln!(text, "| {name} | repaired | {:.1} s | {how} |", seconds(ms))?,
            (None, Some(cause)) => writeln!(text, "| {name} | handed over | | {cause} |")?,
            (None, None) => writeln!(text, "| {name} | **differs from round to round** | | |")?,
        }
    }
    Ok(())
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all() -> Vec<String> {
        let repaired = REPAIRED.iter().map(|name| format!("{name}: repaired in 1500 ms (crashed, recovered)"));
        repaired.chain(HANDED_OVER.iter().map(|name| format!("{name}: handed over: why: because"))).collect()
    }

    #[test]
    fn the_share_counts_what_each_round_repaired() {
        let mut lines = all();
        assert!(Seen::new(&lines).as_promised());
        lines.push("crash: repaired in 2500 ms (crashed, recovered)".to_owned());
        assert_eq!(Seen::new(&lines).repaired("crash"), Some((2500, "crashed, recovered")));
        lines.push("crash: handed over: what".to_owned());
        assert_eq!(Seen::new(&lines).repaired_count(), 17, "one round did not repair it");
    }

    #[test]
    fn what_is_not_shown_is_not_counted() {
        let lines = all();
        let without = |gone: &[&str]| {
            let kept = |line: &&String| !gone.iter().any(|name| line.starts_with(*name));
            Seen::new(&lines.iter().filter(kept).cloned().collect::<Vec<_>>())
        };
        assert!(!without(&["newer schema"]).as_promised(), "each of the others must be named");
        assert!(without(&["crash", "abort", "freeze"]).as_promised(), "15 of 18");
        assert!(!without(&["crash", "abort", "freeze", "deaf"]).as_promised(), "14 of 18");
        let text = page(&without(&["crash"]), &["1".into(), "2".into()], Duration::from_secs(9), 1).unwrap();
        assert!(text.contains("17 of 18 (94 %)") && text.contains("| crash | **not shown** | | |"), "{text}");
        assert!(text.contains("| newer schema | handed over | | why: because |"), "{text}");
        assert!(!text.contains("Variations"), "{text}");
        let more = [all(), vec!["a twin: repaired in 2000 ms (kept)".to_owned()]].concat();
        let text = page(&Seen::new(&more), &["1".into(), "2".into()], Duration::from_secs(9), 1).unwrap();
        assert!(
            text.contains("18 of 18 (100 %)") && text.ends_with("| a twin | repaired | 2.0 s | kept |\n"),
            "{text}"
        );
    }
}
