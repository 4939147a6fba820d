//! Goes through logs and collects what speaks for a case.
//!
//! Invariant: a text that other programs write, too, counts only near lines that a gateway wrote ([`NEAR`] lines), or
//! when whoever asks says that this is a gateway's log. Memory is constant.

use super::automaton::{Automaton, Scan};
use super::line;
use super::log::{Account, Log};
use crate::openclaw::redact::redact;
use clawmend_core::diagnosis::case::Case;
use clawmend_core::diagnosis::rank::{Findings, Match, SeenLine};
use clawmend_core::diagnosis::template::Patterns;
use std::collections::VecDeque;

/// So far from a gateway's line a text that others write, too, still counts.
const NEAR: u64 = 2000;
/// Texts that wait for a gateway's line.
const MAX_WAITING: usize = 128;
/// What is kept of a line for people.
const MAX_SHOWN: usize = 400;

/// One examination, over as many logs as there are.
pub struct Exam<'a> {
    cases: &'a [Case],
    automaton: Automaton<'a>,
    /// What speaks for which case.
    pub findings: Findings,
    /// Errors that no case knows.
    pub unknown: Patterns,
    /// What was read.
    pub accounts: Vec<(String, Account)>,
    /// Some line was a gateway's.
    pub saw_gateway: bool,
    /// The logs are a gateway's: whoever asks says so, or they were found in a gateway's place.
    pub told: bool,
}

/// A match that waits for a line which proves that a gateway writes here.
struct Waiting {
    case: usize,
    sign: usize,
    at_ms: Option<i64>,
    detail: Option<String>,
    line: SeenLine,
}

/// Where the reading of one log stands.
struct Place<'n> {
    name: &'n str,
    last_ours: Option<u64>,
    waiting: VecDeque<Waiting>,
    unknown: VecDeque<(u64, String)>,
}

impl<'a> Exam<'a> {
    /// Begins. `told`: the logs are a gateway's, whoever asks says so.
    ///
    /// # Errors
    /// The library is too large.
    pub fn new(cases: &'a [Case], told: bool) -> Result<Self, String> {
        Ok(Self {
            cases,
            automaton: Automaton::new(cases)?,
            findings: Findings::default(),
            unknown: Patterns::default(),
            accounts: Vec::new(),
            saw_gateway: false,
            told,
        })
    }

    /// Reads a log to its end.
    pub fn read(&mut self, log: Log) {
        self.read_ours(log, |_| true);
    }

    /// Reads a log to its end; only lines for which `ours` holds count.
    pub fn read_ours(&mut self, log: Log, ours: impl Fn(&[u8]) -> bool) {
        let name = log.name().to_owned();
        let mut place = Place { name: &name, last_ours: None, waiting: VecDeque::new(), unknown: VecDeque::new() };
        let mut scan = Scan::default();
        let account = log.read(|number, line| {
            if ours(line) {
                self.take(&mut place, number, line, &mut scan);
            }
        });
        self.accounts.push((name, account));
    }

    fn take(&mut self, place: &mut Place<'_>, number: u64, line: &[u8], scan: &mut Scan) {
        self.automaton.scan(line, scan);
        if scan.signs.is_empty() && !scan.error {
            if scan.ours {
                self.settle(place, number);
            }
            return;
        }
        let text = String::from_utf8_lossy(line);
        let message = line::parse(&text);
        let mut known = false;
        let mut found = Vec::new();
        for (case, sign) in &scan.signs {
            if let Some(detail) = self.automaton.confirm(*case, *sign, &message.text) {
                known = true;
                let own = self.cases.get(*case).and_then(|case| case.signs.get(*sign)).is_some_and(|sign| sign.own);
                scan.ours |= own;
                found.push((*case, *sign, detail));
            }
        }
        if scan.ours {
            self.settle(place, number);
        }
        let near = self.told || place.last_ours.is_some_and(|last| number - last <= NEAR);
        for (case, sign, detail) in found {
            let line = SeenLine { source: place.name.to_owned(), number, text: redact(&message.text, MAX_SHOWN) };
            let waiting = Waiting { case, sign, at_ms: message.at_ms, detail, line };
            if near {
                self.count(waiting);
            } else if place.waiting.len() < MAX_WAITING {
                place.waiting.push_back(waiting);
            }
        }
        if scan.error && !known {
            if near {
                self.unknown.add(number, &redact(&message.text, MAX_SHOWN));
            } else if place.unknown.len() < MAX_WAITING {
                place.unknown.push_back((number, redact(&message.text, MAX_SHOWN)));
            }
        }
    }

    /// A gateway writes here: what waited nearby counts after all.
    fn settle(&mut self, place: &mut Place<'_>, number: u64) {
        self.saw_gateway = true;
        place.last_ours = Some(number);
        for waiting in std::mem::take(&mut place.waiting) {
            if number - waiting.line.number <= NEAR {
                self.count(waiting);
            }
        }
        for (at, text) in std::mem::take(&mut place.unknown) {
            if number - at <= NEAR {
                self.unknown.add(at, &text);
            }
        }
    }

    fn count(&mut self, found: Waiting) {
        let Waiting { case: place, sign, at_ms, detail, line } = found;
        if let Some(case) = self.cases.get(place) {
            let detail = detail.as_deref();
            self.findings.add(case, &Match { case: place, sign, at_ms, detail }, line);
        }
    }
}
