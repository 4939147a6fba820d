//! From evidence to causes, in order, with the lines that decided it. Abstains when the evidence does not say.
//!
//! Invariants: the same evidence gives the same answer; a hint alone is never a cause; what a case explains
//! ([`Case::beats`]) does not stand beside it. Start at [`diagnose`].

use super::case::{Case, Fact, Strength};
use super::record::Standing;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Below this nothing is claimed.
pub const THRESHOLD: f64 = 0.5;
/// Likeness can never be as sure as a signature.
const LIKENESS_CAP: f64 = 0.7;
/// Deciding lines that are kept per case.
const MAX_LINES: usize = 5;

/// A line that counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenLine {
    /// Where it was read.
    pub source: String,
    /// Its number there, from 1.
    pub number: u64,
    /// Its text, cleaned.
    pub text: String,
}

/// Everything that a log said about one case.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    signs: BTreeSet<usize>,
    count: u64,
    times: VecDeque<i64>,
    often_enough: bool,
    lines: Vec<SeenLine>,
    detail: Option<String>,
    last: u64,
    /// Where the line stands that was counted last.
    counted: Option<(String, u64)>,
}

/// What was found, to be weighed.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    seen: BTreeMap<usize, Seen>,
    lines: u64,
    /// Facts beside the log, each with the words for people.
    pub facts: Vec<(Fact, String)>,
    /// A person points at these lines: how often they came does not matter.
    pub pointed_at: bool,
}

/// One line that matched a sign.
#[derive(Debug)]
pub struct Match<'a> {
    /// The case's place in the library.
    pub case: usize,
    /// The sign's place in the case.
    pub sign: usize,
    /// When the line was written, in milliseconds since 1970.
    pub at_ms: Option<i64>,
    /// What its first group caught.
    pub detail: Option<&'a str>,
}

impl Findings {
    /// Adds a match. One line that bears several signs of a case is one line: it is counted and shown once.
    pub fn add(&mut self, case: &Case, found: &Match<'_>, line: SeenLine) {
        let seen = self.seen.entry(found.case).or_default();
        self.lines += 1;
        seen.last = self.lines;
        let known =
            seen.counted.as_ref().is_some_and(|(source, number)| *number == line.number && *source == line.source);
        if !known {
            seen.counted = Some((line.source.clone(), line.number));
            seen.count = seen.count.saturating_add(1);
            seen.note_time(case.needs.count, case.needs.within_s, found.at_ms);
        }
        let fresh = seen.signs.insert(found.sign) && !known;
        if seen.detail.is_none() {
            seen.detail = found.detail.map(str::to_owned);
        }
        // The first line of every sign tells most; later ones only that it went on.
        if fresh && seen.lines.len() < MAX_LINES {
            seen.lines.push(line);
        }
    }

    /// Nothing was found at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.facts.is_empty()
    }

    /// The cases that any line matched.
    pub fn cases(&self) -> impl Iterator<Item = usize> {
        self.seen.keys().copied()
    }
}

impl Seen {
    fn note_time(&mut self, count: u32, within_s: u32, at_ms: Option<i64>) {
        let count = usize::try_from(count.clamp(1, 1000)).unwrap_or(1);
        let Some(at) = at_ms.filter(|_| within_s > 0) else {
            self.often_enough |= self.count >= count as u64;
            return;
        };
        self.times.push_back(at);
        if self.times.len() > count {
            self.times.pop_front();
        }
        let span = self.times.front().map_or(0, |first| at.saturating_sub(*first));
        self.often_enough |= self.times.len() >= count && span <= i64::from(within_s) * 1000;
    }
}

/// A cause that the evidence supports.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The case's place in the library.
    pub case: usize,
    /// 0 to 1.
    pub confidence: f64,
    /// What decided it, from logs.
    pub lines: Vec<SeenLine>,
    /// What decided it, from elsewhere.
    pub facts: Vec<String>,
    /// What the signature caught: a channel, a key.
    pub detail: Option<String>,
    /// Its remedies may act alone: it does not keep failing, and a signature or fact says it, not a likeness.
    pub may_act: bool,
}

/// The causes, the best first. Empty: the evidence does not say.
#[must_use]
pub fn diagnose(cases: &[Case], findings: &Findings, standings: &BTreeMap<String, Standing>) -> Vec<Ranked> {
    let mut claimed: Vec<Ranked> = (0..cases.len()).filter_map(|case| weigh(cases, case, findings)).collect();
    let beaten: BTreeSet<&str> =
        claimed.iter().flat_map(|ranked| &cases[ranked.case].beats).map(String::as_str).collect();
    claimed.retain(|ranked| !beaten.contains(cases[ranked.case].id.as_str()));
    let standing = |ranked: &Ranked| standings.get(&cases[ranked.case].id).copied().unwrap_or_default();
    for ranked in &mut claimed {
        ranked.may_act = !standing(ranked).demoted();
    }
    claimed.sort_by_key(|ranked| {
        let standing = standing(ranked);
        let case = &cases[ranked.case];
        let last = findings.seen.get(&ranked.case).map_or(0, |seen| seen.last);
        (
            case.level,
            standing.demoted(),
            Reverse(steps(ranked.confidence)),
            Reverse(standing.rate_percent()),
            Reverse(last),
            ranked.case,
        )
    });
    claimed
}

/// Causes by likeness, for when no signature speaks. `like` is what [`super::similar::Known::like`] found.
#[must_use]
pub fn by_likeness(cases: &[Case], like: &[(usize, f64)], standings: &BTreeMap<String, Standing>) -> Vec<Ranked> {
    let mut claimed: Vec<Ranked> = like
        .iter()
        .map(|(case, likeness)| Ranked {
            case: *case,
            confidence: likeness.min(1.0) * LIKENESS_CAP,
            lines: Vec::new(),
            facts: Vec::new(),
            detail: None,
            may_act: false,
        })
        .collect();
    claimed.sort_by_key(|ranked| {
        let standing = standings.get(&cases[ranked.case].id).copied().unwrap_or_default();
        let rate = standing.rate_percent();
        (standing.demoted(), Reverse(steps(ranked.confidence)), cases[ranked.case].level, Reverse(rate), ranked.case)
    });
    claimed
}

fn weigh(cases: &[Case], index: usize, findings: &Findings) -> Option<Ranked> {
    let case = &cases[index];
    let seen = findings.seen.get(&index);
    let mut doubt = 1.0;
    for sign in seen.iter().flat_map(|seen| &seen.signs) {
        doubt *= 1.0 - case.signs.get(*sign).map_or(0.0, |sign| worth(sign.strength));
    }
    let often_enough = findings.pointed_at || seen.is_none_or(|seen| seen.often_enough);
    let mut confidence = if often_enough { 1.0 - doubt } else { (1.0 - doubt) * 0.45 };
    let mut facts = Vec::new();
    for fact in &case.facts {
        if let Some((_, said)) = findings.facts.iter().find(|(found, _)| *found == fact.is) {
            confidence = 1.0 - (1.0 - confidence) * (1.0 - worth(fact.strength));
            facts.push(said.clone());
        }
    }
    confidence = with_exit(case, findings, confidence, &mut facts);
    (confidence >= THRESHOLD).then(|| Ranked {
        case: index,
        confidence,
        lines: seen.map(|seen| seen.lines.clone()).unwrap_or_default(),
        facts,
        detail: seen.and_then(|seen| seen.detail.clone()),
        may_act: true,
    })
}

/// An exit code that fits makes surer, one that does not fit makes doubt.
fn with_exit(case: &Case, findings: &Findings, confidence: f64, facts: &mut Vec<String>) -> f64 {
    if case.needs.exit_codes.is_empty() || confidence <= 0.0 {
        return confidence;
    }
    let exit = findings.facts.iter().find_map(|(fact, said)| match fact {
        Fact::ExitCode(code) => Some((*code, said)),
        Fact::ExitSignal(_)
        | Fact::Config(_)
        | Fact::DiskFull
        | Fact::Stopped
        | Fact::Spinning
        | Fact::NotListening
        | Fact::ChannelDown
        | Fact::Hang(_) => None,
    });
    match exit {
        Some((code, said)) if case.needs.exit_codes.contains(&code) => {
            facts.push(said.clone());
            1.0 - (1.0 - confidence) * 0.6
        }
        Some(_) => confidence * 0.6,
        None => confidence,
    }
}

const fn worth(strength: Strength) -> f64 {
    match strength {
        Strength::Hint => 0.4,
        Strength::Strong => 0.8,
        Strength::Proof => 0.95,
    }
}

/// Confidence in steps of 5 %: a smaller difference orders nothing.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn steps(confidence: f64) -> u32 {
    (confidence.clamp(0.0, 1.0) * 20.0) as u32
}

#[cfg(test)]
mod tests {
    use super::super::case::{FactSign, Level, Needs, Remedy, RemedyAction, Said, Sign, Symptoms, Undo, Verification};
    use super::super::class::{CauseCode, Class};
    use super::super::record::{Repair, standings};
    use super::*;

    fn case(id: &str, strengths: &[Strength]) -> Case {
        let said = Said { en: "x".into(), zh: "x".into() };
        let sign = |strength: &Strength| Sign {
            text: "something".into(),
            regex: None,
            unless: Vec::new(),
            strength: *strength,
            own: true,
            start: false,
        };
        Case {
            schema: 1,
            id: id.into(),
            class: Class::Config,
            cause: CauseCode::Unknown,
            kind: String::new(),
            level: Level::Root,
            beats: Vec::new(),
            guards: Vec::new(),
            verify: Verification::Serving,
            undo: Undo::Nothing,
            source: vec!["x".into()],
            lines: vec!["something".into()],
            title: said.clone(),
            why: said.clone(),
            advice: said,
            symptoms: Symptoms::default(),
            needs: Needs::default(),
            signs: strengths.iter().map(sign).collect(),
            facts: Vec::new(),
            remedies: vec![Remedy { action: RemedyAction::Tell, auto: false }],
        }
    }

    /// On a line of its own.
    fn hit(findings: &mut Findings, cases: &[Case], case: usize, sign: usize, at_ms: Option<i64>) {
        let number = findings.lines + 1;
        let line = SeenLine { source: "log".into(), number, text: "something".into() };
        findings.add(&cases[case], &Match { case, sign, at_ms, detail: None }, line);
    }

    fn names(cases: &[Case], findings: &Findings) -> Vec<String> {
        diagnose(cases, findings, &BTreeMap::new()).iter().map(|ranked| cases[ranked.case].id.clone()).collect()
    }

    #[test]
    fn a_hint_alone_claims_nothing_and_two_do() {
        let cases = [case("hinted", &[Strength::Hint, Strength::Hint])];
        let mut findings = Findings::default();
        assert!(names(&cases, &findings).is_empty());
        hit(&mut findings, &cases, 0, 0, None);
        hit(&mut findings, &cases, 0, 0, None);
        assert!(names(&cases, &findings).is_empty(), "the same hint twice is one hint");
        hit(&mut findings, &cases, 0, 1, None);
        assert_eq!(names(&cases, &findings), ["hinted"]);
    }

    #[test]
    fn causes_come_before_effects_and_explain_what_they_beat() {
        let effect = Case { level: Level::Effect, ..case("effect", &[Strength::Proof]) };
        let general = case("general", &[Strength::Proof]);
        let special = Case { beats: vec!["general".into()], ..case("special", &[Strength::Strong]) };
        let cases = [effect, general, special];
        let mut findings = Findings::default();
        (0..3).for_each(|index| hit(&mut findings, &cases, index, 0, None));
        assert_eq!(names(&cases, &findings), ["special", "effect"]);
    }

    #[test]
    fn what_is_normal_now_and_then_must_come_often() {
        let often =
            Case { needs: Needs { count: 3, within_s: 60, ..Needs::default() }, ..case("often", &[Strength::Proof]) };
        let cases = [often];
        let seen = |times: &[i64]| {
            let mut findings = Findings::default();
            times.iter().for_each(|at| hit(&mut findings, &cases, 0, 0, Some(*at * 1000)));
            names(&cases, &findings)
        };
        assert!(seen(&[0, 10]).is_empty());
        assert!(seen(&[0, 100, 200]).is_empty());
        assert_eq!(seen(&[0, 500, 510, 520]), ["often"]);
        let mut findings = Findings { pointed_at: true, ..Findings::default() };
        hit(&mut findings, &cases, 0, 0, Some(1));
        assert_eq!(names(&cases, &findings), ["often"]);
    }

    #[test]
    fn one_line_with_two_signs_is_counted_and_shown_once() {
        let often = Case {
            needs: Needs { count: 2, within_s: 60, ..Needs::default() },
            ..case("often", &[Strength::Proof; 2])
        };
        let cases = [often];
        let on = |findings: &mut Findings, source: &str, number: u64, sign: usize| {
            let line = SeenLine { source: source.into(), number, text: "something".into() };
            findings.add(&cases[0], &Match { case: 0, sign, at_ms: Some(1_000), detail: None }, line);
        };
        let mut findings = Findings::default();
        on(&mut findings, "log", 7, 0);
        on(&mut findings, "log", 7, 1);
        assert!(names(&cases, &findings).is_empty(), "once is not often");
        on(&mut findings, "other log", 7, 1);
        let found = diagnose(&cases, &findings, &BTreeMap::new());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].lines.len(), 1, "the other line bears no sign that was not seen: {:?}", found[0].lines);
    }

    #[test]
    fn exit_codes_and_facts_speak_for_and_against() {
        let strict = Case {
            needs: Needs { exit_codes: vec![78], ..Needs::default() },
            facts: vec![FactSign { is: Fact::DiskFull, strength: Strength::Strong }],
            ..case("strict", &[Strength::Strong])
        };
        let cases = [strict];
        let confidence = |facts: &[Fact]| {
            let mut findings = Findings::default();
            hit(&mut findings, &cases, 0, 0, None);
            findings.facts = facts.iter().map(|fact| (*fact, "fact".to_owned())).collect();
            diagnose(&cases, &findings, &BTreeMap::new()).first().map_or(0.0, |ranked| ranked.confidence)
        };
        let plain = confidence(&[]);
        assert!(confidence(&[Fact::ExitCode(78)]) > plain);
        assert!(confidence(&[Fact::ExitCode(1)]) < plain);
        assert!(confidence(&[Fact::DiskFull]) > plain);
    }

    #[test]
    fn experience_orders_equals_and_demotes_failures() {
        let cases = [case("first", &[Strength::Proof]), case("second", &[Strength::Proof])];
        let mut findings = Findings::default();
        (0..2).for_each(|index| hit(&mut findings, &cases, index, 0, None));
        let order = |repairs: &[(&str, bool)]| {
            let repairs: Vec<Repair> =
                repairs.iter().map(|(case, worked)| Repair { case: (*case).into(), worked: *worked }).collect();
            let ranked = diagnose(&cases, &findings, &standings(&repairs));
            ranked.iter().map(|ranked| (cases[ranked.case].id.clone(), ranked.may_act)).collect::<Vec<_>>()
        };
        let worked = order(&[("first", true)]);
        assert_eq!(worked[0], ("first".to_owned(), true));
        let failed = order(&[("second", false), ("second", false), ("second", false)]);
        assert_eq!(failed, [("first".to_owned(), true), ("second".to_owned(), false)]);
    }
}
