//! Finds the signs of all cases in a line, in one pass.
//!
//! One Aho-Corasick automaton holds the texts of all signs; only where a text was found is that sign's expression
//! tried. Invariant: time is linear in the length of the log, whatever the expressions say (they are automata too,
//! with a bounded size), and no capital letters matter in texts.

use aho_corasick::{AhoCorasick, MatchKind};
use clawmend_core::diagnosis::case::{Case, Sign};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::cell::OnceCell;

/// Largest automaton of one expression.
const MAX_REGEX_BYTES: usize = 512 * 1024;

/// Texts that only stand in the log of a gateway, or beside one.
const OURS: [&str; 18] = [
    "openclaw-gateway",
    "openclaw.json",
    ".openclaw/",
    ".openclaw\\",
    "/tmp/openclaw",
    "[openclaw]",
    "openclaw gateway",
    "openclaw doctor",
    "node_modules/openclaw/",
    "openclaw.mjs",
    "[\"openclaw\"]",
    "[agent/embedded]",
    "[health-monitor]",
    "\u{21c4} res",
    "[gateway] loading configuration",
    "[gateway] http server listening",
    "[gateway] shutdown budget",
    "[provider-transport-fetch]",
];
/// Words of lines that may be errors.
const ERRORS: [&str; 8] = ["error", "fatal", "fail", "exception", "refus", "denied", "cannot", "panic"];

/// What one text stands for.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    Sign { case: usize, sign: usize },
    Ours,
    Error,
}

/// All signs of a library.
pub struct Automaton<'a> {
    cases: &'a [Case],
    texts: AhoCorasick,
    meanings: Vec<Meaning>,
    regexes: Vec<Vec<OnceCell<Option<Regex>>>>,
}

/// What one line holds.
#[derive(Debug, Default)]
pub struct Scan {
    /// Signs whose text is there: case and sign.
    pub signs: Vec<(usize, usize)>,
    /// It can only come from a gateway.
    pub ours: bool,
    /// It may be an error.
    pub error: bool,
}

impl<'a> Automaton<'a> {
    /// For these cases.
    ///
    /// # Errors
    /// The texts together are too large for an automaton.
    pub fn new(cases: &'a [Case]) -> Result<Self, String> {
        let mut texts: Vec<&str> = Vec::new();
        let mut meanings = Vec::new();
        for (case, of) in cases.iter().enumerate() {
            for (sign, of) in of.signs.iter().enumerate() {
                texts.push(&of.text);
                meanings.push(Meaning::Sign { case, sign });
            }
        }
        texts.extend(OURS);
        meanings.extend(OURS.map(|_| Meaning::Ours));
        texts.extend(ERRORS);
        meanings.extend(ERRORS.map(|_| Meaning::Error));
        let texts = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(texts)
            .map_err(|error| error.to_string())?;
        let regexes = cases.iter().map(|case| case.signs.iter().map(|_| OnceCell::new()).collect()).collect();
        Ok(Self { cases, texts, meanings, regexes })
    }

    /// Looks at one line as it was read.
    pub fn scan(&self, line: &[u8], into: &mut Scan) {
        into.signs.clear();
        into.ours = false;
        into.error = false;
        for found in self.texts.find_overlapping_iter(line) {
            match self.meanings.get(found.pattern().as_usize()) {
                Some(Meaning::Sign { case, sign }) if !into.signs.contains(&(*case, *sign)) => {
                    into.signs.push((*case, *sign));
                }
                Some(Meaning::Ours) => into.ours = true,
                Some(Meaning::Error) => into.error = true,
                Some(Meaning::Sign { .. }) | None => {}
            }
        }
    }

    /// Whether the message bears the sign out. `Some` holds what its groups caught, if it has any.
    #[must_use]
    pub fn confirm(&self, case: usize, sign: usize, message: &str) -> Option<Option<String>> {
        let of: &Sign = self.cases.get(case)?.signs.get(sign)?;
        let holds = |text: &str| message.len() >= text.len() && contains_ignoring_case(message, text);
        if of.unless.iter().any(|text| holds(text)) {
            return None;
        }
        if of.start {
            let body = super::line::body(message);
            if !body.get(..of.text.len()).is_some_and(|start| start.eq_ignore_ascii_case(&of.text)) {
                return None;
            }
        }
        let Some(pattern) = &of.regex else { return Some(None) };
        let cell = self.regexes.get(case)?.get(sign)?;
        let regex = cell.get_or_init(|| compile(pattern).ok()).as_ref()?;
        let mut captures = regex.create_captures();
        regex.captures(message.as_bytes(), &mut captures);
        if !captures.is_match() {
            return None;
        }
        let caught: Vec<&str> = (1..captures.group_len())
            .filter_map(|group| captures.get_group(group))
            .filter_map(|span| message.get(span.range()))
            .collect();
        Some((!caught.is_empty()).then(|| caught.join("/")))
    }
}

fn contains_ignoring_case(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// Compiles an expression of a case: bytes, without Unicode classes, bounded.
///
/// # Errors
/// What is wrong with it.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let config =
        Regex::config().nfa_size_limit(Some(MAX_REGEX_BYTES)).hybrid_cache_capacity(MAX_REGEX_BYTES).utf8_empty(false);
    Regex::builder()
        .syntax(syntax::Config::new().unicode(false).utf8(false).nest_limit(50))
        .configure(config)
        .build(pattern)
        .map_err(|error| match error.syntax_error() {
            Some(error) => error.to_string().lines().last().unwrap_or_default().to_owned(),
            None => error.to_string(),
        })
}
