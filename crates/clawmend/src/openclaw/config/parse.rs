//! Reads JSON5 as OpenClaw does, twice: by the grammar's own parser, and by one that knows places.
//!
//! Invariant: a text is accepted only when both parsers accept it, so that a quirk of one never calls a broken
//! config good. No value of the config appears in a problem's message.

use jsonc_parser::ast::Value as Node;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Value;

/// At most this many duplicate keys are reported.
const MAX_DUPLICATES: usize = 16;

/// A text that parsed.
pub(super) struct Parsed {
    /// Its value; the last of duplicate keys counts, as in the gateway.
    pub(super) value: Value,
    /// Keys that occur more than once in one object. The gateway accepts them silently.
    pub(super) duplicates: Vec<String>,
}

/// Why and where a text does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// 1-based; zero where no place applies.
    pub line: u32,
    /// 1-based; zero where no place applies.
    pub column: u32,
    /// One sentence without any value of the config.
    pub message: String,
}

impl Problem {
    pub(super) fn without_place(message: impl Into<String>) -> Self {
        Self { line: 0, column: 0, message: message.into() }
    }
}

pub(super) fn parse(text: &str) -> Result<Parsed, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // This one first: it bounds the depth of nesting.
    let tree = parse_to_ast(text, &CollectOptions::default(), &grammar())
        .map_err(|error| at(text, error.line_display(), error.column_display(), &error.kind().to_string()))?;
    let value = json5::from_str::<Value>(text).map_err(|error| place_json5(text, &error))?;
    let mut duplicates = Vec::new();
    if let Some(root) = &tree.value {
        collect_duplicates(root, &mut String::new(), &mut duplicates);
    }
    Ok(Parsed { value, duplicates })
}

pub(super) fn grammar() -> ParseOptions {
    ParseOptions { allow_missing_commas: false, ..ParseOptions::default() }
}

fn place_json5(text: &str, error: &json5::Error) -> Problem {
    let Some(code) = error.code() else { return Problem::without_place("it is no JSON5") };
    let message = code.to_string();
    match error.position() {
        // The parser gives the beginning of what is not closed; the gateway names the end of the text.
        _ if message.starts_with("EOF") => {
            let (line, column) = end_of(text);
            at(text, line, column, "the text ends too early")
        }
        Some(place) => at(text, place.line + 1, place.column + 1, &message),
        None => Problem::without_place(message),
    }
}

fn end_of(text: &str) -> (usize, usize) {
    let line = text.split('\n').count();
    let column = text.rsplit('\n').next().map_or(1, |last| last.chars().count() + 1);
    (line, column)
}

fn at(text: &str, line: usize, column: usize, what: &str) -> Problem {
    let near = key_on_line(text, line).map_or_else(String::new, |key| format!(" near `{key}`"));
    let to_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Problem { line: to_u32(line), column: to_u32(column), message: format!("not valid JSON5: {what}{near}") }
}

/// The key that a line begins with, if it looks like one. Values are never shown.
fn key_on_line(text: &str, line: usize) -> Option<String> {
    let content = text.lines().nth(line.checked_sub(1)?)?.trim_start_matches(['{', ',', ' ', '\t']);
    let (key, _) = content.split_once(':')?;
    let key = key.trim().trim_matches(['"', '\'']);
    let plausible = !key.is_empty() && key.len() <= 40 && key.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    plausible.then(|| key.to_owned())
}

fn collect_duplicates(node: &Node<'_>, path: &mut String, found: &mut Vec<String>) {
    match node {
        Node::Object(object) => {
            let mut seen = std::collections::BTreeSet::new();
            for property in &object.properties {
                let name = property.name.as_str();
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                if !seen.insert(name.to_owned()) && found.len() < MAX_DUPLICATES {
                    found.push(path.clone());
                }
                collect_duplicates(&property.value, path, found);
                path.truncate(length);
            }
        }
        Node::Array(array) => {
            for element in &array.elements {
                collect_duplicates(element, path, found);
            }
        }
        Node::StringLit(_) | Node::NumberLit(_) | Node::BooleanLit(_) | Node::NullKeyword(_) => {}
    }
}
