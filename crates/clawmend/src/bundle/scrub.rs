//! Hides secrets in everything that goes into a bundle.
//!
//! Two layers: the values of this gateway's own secrets (of its config, of earlier configs, of its environment) are
//! replaced wherever they stand, whatever they look like; and [`redact`] masks what looks like a secret of anybody
//! else. Invariant: the values are held as automaton patterns only, never shown and never in `Debug`.

use crate::openclaw::config::check::is_harmless;
use crate::openclaw::redact::{plain, redact};
use aho_corasick::{AhoCorasick, MatchKind};
use clawmend_core::generation::{KeyPath, Tree, is_secret};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// What stands in for a secret.
const MASK: &str = "***";
/// Shorter values are words or figures that stand everywhere.
const MIN_SECRET: usize = 6;
/// Most values that are looked for.
const MAX_SECRETS: usize = 4_000;
/// Longest value that is looked for; a longer one is found by its beginning.
const MAX_SECRET: usize = 4_096;
/// Longest line of a text, and longest text of a JSON value, in characters.
const MAX_LINE: usize = 4_000;
/// Deepest JSON that is gone into.
const MAX_DEPTH: usize = 64;

/// What is hidden.
#[derive(Default)]
pub struct Scrub {
    known: Option<AhoCorasick>,
    instead: Vec<String>,
}

impl std::fmt::Debug for Scrub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrub of {} texts", self.instead.len())
    }
}

impl Scrub {
    /// Hides these values besides what looks like a secret, and writes `home` as `~`.
    #[must_use]
    pub fn new(secrets: &[SecretString], home: Option<&Path>) -> Self {
        let mut patterns: BTreeSet<String> = BTreeSet::new();
        for secret in secrets.iter().take(MAX_SECRETS) {
            let secret: String = secret.expose_secret().trim().chars().take(MAX_SECRET).collect();
            if secret.len() >= MIN_SECRET && !is_harmless(&secret) {
                patterns.extend(forms(&secret));
            }
        }
        let mut instead = vec![MASK.to_owned(); patterns.len()];
        let mut patterns: Vec<String> = patterns.into_iter().collect();
        if let Some(home) = home.and_then(Path::to_str).filter(|home| home.len() > 1) {
            patterns.push(format!("{}/", home.trim_end_matches('/')));
            instead.push("~/".to_owned());
        }
        // The longest first: a secret that begins like another one is hidden whole.
        let known = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns).ok();
        Self { known, instead }
    }

    /// One line.
    #[must_use]
    pub fn line(&self, text: &str) -> String {
        let body = text.trim_start_matches(' ');
        let indent = (text.len() - body.len()).min(40);
        format!("{:indent$}{}", "", self.hidden(body))
    }

    /// A text, line by line.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        text.lines().flat_map(|line| [self.line(line), "\n".to_owned()]).collect()
    }

    /// A JSON value: every text in it, and whatever stands under the name of a secret.
    #[must_use]
    pub fn value(&self, value: Value) -> Value {
        self.below(value, 0)
    }

    fn below(&self, value: Value, depth: usize) -> Value {
        match value {
            _ if depth > MAX_DEPTH => Value::from("…"),
            Value::String(text) => Value::from(self.hidden(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.below(item, depth + 1)).collect(),
            Value::Object(map) => {
                let hide = |key: &str, value: Value| {
                    if is_secret(&KeyPath::new([key])) { masked(value) } else { self.below(value, depth + 1) }
                };
                map.into_iter().map(|(key, value)| (self.line(&key), hide(&key, value))).collect()
            }
            other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
        }
    }

    /// Cleaned first, since escape sequences and spaces may stand inside of a secret; then the known values, before the
    /// masking of what only looks like a secret leaves parts of them; and once more, should that have joined parts.
    fn hidden(&self, text: &str) -> String {
        let clean = one_space(&plain(text));
        self.without_known(&redact(&self.without_known(&clean), MAX_LINE))
    }

    fn without_known(&self, text: &str) -> String {
        match &self.known {
            Some(known) => known.replace_all(text, &self.instead),
            None => text.to_owned(),
        }
    }
}

fn one_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Only the shape stays.
fn masked(value: Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(value) => Value::from(value),
        Value::Number(_) | Value::String(_) => Value::from(MASK),
        Value::Array(items) => Value::from(format!("({} entries)", items.len())),
        Value::Object(map) => Value::from(format!("({} keys)", map.len())),
    }
}

/// A value as it is, as JSON writes it (also inside of a JSON text), and as an address carries it.
fn forms(secret: &str) -> Vec<String> {
    let json = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
    };
    let once = json(secret);
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let address: String = secret
        .bytes()
        .map(|byte| if safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    // A text is searched line by line, cleaned.
    let lines = secret.lines().map(|line| one_space(&plain(line))).filter(|line| line.len() >= MIN_SECRET);
    let forms: Vec<String> = [one_space(&plain(secret)), json(&once), once, address].into_iter().chain(lines).collect();
    forms.into_iter().filter(|form| form.len() >= MIN_SECRET).collect()
}

/// The values of a config that are secrets by the names of their keys.
#[must_use]
pub fn of_tree(tree: &Tree) -> Vec<SecretString> {
    let mut found = Vec::new();
    walk(&KeyPath::default(), tree, &mut found);
    found
}

fn walk(path: &KeyPath, tree: &Tree, found: &mut Vec<SecretString>) {
    match tree {
        Tree::Map(map) => map.iter().for_each(|(key, below)| walk(&path.child(key), below, found)),
        Tree::List(items) => items.iter().for_each(|item| walk(path, item, found)),
        Tree::Text(text) | Tree::Number(text) if is_secret(path) => found.push(SecretString::from(text.clone())),
        // `https://user:password@host`
        Tree::Text(text) => found.extend(user_of(text)),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) => {}
    }
}

fn user_of(text: &str) -> Option<SecretString> {
    let (_, rest) = text.split_once("://")?;
    let (user, _) = rest.split(['/', '?', '#']).next()?.rsplit_once('@')?;
    let (_, password) = user.split_once(':').unwrap_or(("", user));
    Some(SecretString::from(password.to_owned()))
}

/// The same of a config that cannot be parsed: whatever stands in quotation marks behind the name of a secret, up to
/// the end of its list or object.
#[must_use]
pub fn of_broken(text: &str) -> Vec<SecretString> {
    let mut found = Vec::new();
    let mut key = String::new();
    // How deep inside of a secret's list or object.
    let mut depth = 0_usize;
    let mut after_name = false;
    for token in tokens(text) {
        match token {
            Token::Text(text) if depth > 0 || after_name => {
                found.push(SecretString::from(text.clone()));
                (key, after_name) = (text, false);
            }
            Token::Text(text) => key = text,
            Token::Mark(':') => after_name = is_secret(&KeyPath::new([key.as_str()])),
            Token::Mark('{' | '[') if after_name || depth > 0 => (depth, after_name) = (depth + 1, false),
            Token::Mark('}' | ']') => (depth, after_name) = (depth.saturating_sub(1), false),
            Token::Mark(',') => after_name = false,
            Token::Mark(_) => {}
        }
    }
    found
}

enum Token {
    Text(String),
    Mark(char),
}

/// Quoted texts, words and marks. A text that is not closed ends with its line.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' => {
                let mut inner = String::new();
                while let Some(next) = chars.next_if(|next| *next != c && *next != '\n') {
                    if next == '\\' {
                        inner.extend(chars.next());
                    } else {
                        inner.push(next);
                    }
                }
                chars.next_if_eq(&c);
                tokens.push(Token::Text(inner));
            }
            '{' | '}' | '[' | ']' | ':' | ',' => tokens.push(Token::Mark(c)),
            c if c.is_whitespace() => {}
            c => {
                let mut word = String::from(c);
                let stops = |c: &char| c.is_whitespace() || matches!(c, '{' | '}' | '[' | ']' | ':' | ',' | '"' | '\'');
                while let Some(next) = chars.next_if(|next| !stops(next)) {
                    word.push(next);
                }
                tokens.push(Token::Text(word));
            }
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(secrets: &[&str]) -> Scrub {
        let secrets: Vec<SecretString> = secrets.iter().map(|text| SecretString::from((*text).to_owned())).collect();
        Scrub::new(&secrets, Some(Path::new("/home/ana")))
    }

    fn exposed(secrets: &[SecretString]) -> Vec<&str> {
        secrets.iter().map(|secret| secret.expose_secret()).collect()
    }

    #[test]
    fn known_values_are_hidden_however_they_are_written() {
        let scrub = scrub(&["hunter", "hunter two", "a\"b\\c/d", "token", "abc"]);
        assert_eq!(scrub.line("  login hunter two, hunter failed"), "  login ***, *** failed");
        assert_eq!(scrub.line(r#"{"x":"a\"b\\c/d"} {\"x\":\"a\\\"b\\\\c/d\"}"#), r#"{"x":"***"} {\"x\":\"***\"}"#);
        assert_eq!(scrub.line("GET /?q=a%22b%5Cc%2Fd"), "GET /?q=***");
        assert_eq!(scrub.line("auth mode token abc stays"), "auth mode token abc stays");
        assert_eq!(scrub.line("open /home/ana/.openclaw/x, /home/anatol"), "open ~/.openclaw/x, /home/anatol");
        assert_eq!(scrub.line("hun\u{1b}[1mter and hunter \u{7}  two"), "*** and ***");
        assert!(!format!("{scrub:?}").contains("hunter"));
    }

    #[test]
    fn names_of_secrets_hide_whatever_stands_under_them() {
        let value = serde_json::json!({"botToken": "short", "pin": {"password": 1234}, "list": ["hunter"], "n": 5,
            "headers": {"x": "y"}});
        let told = scrub(&["hunter"]).value(value);
        let wanted = serde_json::json!({"botToken": "***", "pin": {"password": "***"}, "list": ["***"], "n": 5,
            "headers": "(1 keys)"});
        assert_eq!(told, wanted);
    }

    #[test]
    fn a_broken_config_gives_its_secrets_away_to_the_scrub_only() {
        let text = "{ gateway: { auth: { mode: 'token', token: \"tok-1\" } }, // x\n channels: { irc: { password: 'p w', \
            nick: 'ana', headers: { a: \"h1\", b: ['h2'] }, room: 'r' } }, env: { X: \"open";
        let all = of_broken(text);
        let found = exposed(&all);
        for wanted in ["tok-1", "p w", "h1", "h2", "open"] {
            assert!(found.contains(&wanted), "{wanted} is not in {found:?}");
        }
        for other in ["ana", "r"] {
            assert!(!found.contains(&other), "{other} is in {found:?}");
        }
        let all = of_broken("\"a\\\"b\": 1, apiKey: 'x\\'y'");
        assert_eq!(exposed(&all), ["x'y"]);
    }

    #[test]
    fn a_whole_config_gives_them_by_the_paths_of_its_keys() {
        let value = serde_json::json!({"models": {"providers": {"p": {"apiKey": ["k1", "k2"], "baseUrl": "http://u:pw@h/"}}},
            "env": {"A": "e"}, "logging": {"level": "info"}});
        let tree = crate::openclaw::config::tree(&value);
        let mut found: Vec<String> = of_tree(&tree).iter().map(|one| one.expose_secret().to_owned()).collect();
        found.sort();
        assert_eq!(found, ["e", "k1", "k2", "pw"]);
    }
}
