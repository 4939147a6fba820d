//! Would the gateway start with this config, and will it work?
//!
//! Invariant: checking changes nothing; without [`Around::schema`] nothing was ever run for it. Findings hold no value
//! of the config. A finding of severity error means that OpenClaw would refuse to start. Start at [`check`].

mod excerpt;
mod finding;
mod places;
mod resilience;
mod rules;
mod source;
#[cfg(test)]
mod tests;
mod variables;

pub use excerpt::{excerpt, is_harmless};
pub use finding::{Excerpt, Finding, Severity};
pub use places::Places;

use super::include::Includes;
use super::schema::{Kind, Schema, Violation};
use super::{fingerprint::Fingerprint, parse};
use crate::openclaw::discovery::Home;
use clawmend_core::generation::KeyPath;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What is known besides the file.
pub struct Around<'a> {
    /// Answers like the environment of the gateway.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// It really is the gateway's environment, not just ours.
    pub env_known: bool,
    /// The installed version's own schema.
    pub schema: Option<&'a Schema>,
    /// The installed version.
    pub version: Option<&'a str>,
}

/// A checked config.
#[derive(Debug)]
pub struct Checked {
    /// What was found, worst first, then by place.
    pub findings: Vec<Finding>,
    /// The config with its includes, when it could be read.
    pub value: Option<Value>,
    /// Every file that it consists of, the config first.
    pub files: Vec<PathBuf>,
}

impl Checked {
    /// The gateway would start with it, as far as can be seen.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    /// The finding to be told when there is room for one.
    #[must_use]
    pub fn worst(&self) -> Option<&Finding> {
        self.findings.first().filter(|finding| finding.severity == Severity::Error)
    }
}

/// Checks the config of `home`.
#[must_use]
pub fn check(home: &Home, around: &Around<'_>) -> Checked {
    check_source(source::read(&home.config_path), home, around)
}

/// Checks these bytes as if they were the config of `home`.
#[must_use]
pub fn check_bytes(bytes: Vec<u8>, home: &Home, around: &Around<'_>) -> Checked {
    check_source(source::decode(bytes, Vec::new()), home, around)
}

fn check_source(source: Result<source::Source, Box<Finding>>, home: &Home, around: &Around<'_>) -> Checked {
    let path = &home.config_path;
    let failed = |finding: Finding| Checked {
        findings: vec![Finding { file: Some(path.clone()), ..finding }],
        value: None,
        files: vec![path.clone()],
    };
    let source = match source {
        Ok(source) => source,
        Err(finding) => return failed(*finding),
    };
    let parsed = match parse::parse(&source.text) {
        Ok(parsed) => parsed,
        Err(problem) => {
            let mut finding = Finding::new(Severity::Error, "syntax", problem.message);
            (finding.line, finding.column) = (problem.line, problem.column);
            finding.excerpt = excerpt(&source.text, problem.line, problem.column);
            let mut checked = failed(finding);
            checked.findings.extend(source.findings);
            return checked;
        }
    };
    let mut checked = Checked { findings: source.findings, value: None, files: vec![path.clone()] };
    let mut duplicates = parsed.duplicates;
    let (mut fingerprint, folder) = (Fingerprint::new(), path.parent().unwrap_or_else(|| Path::new(".")));
    let mut includes = Includes {
        roots: super::roots(folder, home, around.env),
        fingerprint: &mut fingerprint,
        files: Vec::new(),
        duplicates: &mut duplicates,
        instead: None,
    };
    let resolved = includes.resolve(parsed.value, folder, 0);
    checked.files.append(&mut includes.files);
    for key in duplicates {
        let message = format!("{key} occurs twice; OpenClaw silently takes the last one");
        let at = KeyPath::new(key.split('.'));
        checked.findings.push(Finding::new(Severity::Warning, "duplicate_key", message).at(at));
    }
    match resolved {
        Ok(value) => {
            checked.findings.extend(look_at(&value, home, around));
            checked.value = Some(value);
        }
        Err(problem) => {
            let at = KeyPath::new(["$include"]);
            checked.findings.push(Finding::new(Severity::Error, "include", problem.message).at(at));
        }
    }
    locate(&mut checked, &source.text);
    checked.findings.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.line.cmp(&b.line)).then(a.path.cmp(&b.path)));
    checked
}

/// The findings about a config that could be read, without places: for the file on disk, and for one that is only
/// planned.
#[must_use]
pub fn look_at(config: &Value, home: &Home, around: &Around<'_>) -> Vec<Finding> {
    let mut out = Vec::new();
    rules::mode(config, &mut out);
    rules::old_forms(config, &mut out);
    match around.schema {
        Some(schema) => {
            for violation in schema.violations(config) {
                if !out.iter().any(|other: &Finding| other.path.as_ref() == Some(&violation.path)) {
                    out.push(of_schema(violation));
                }
            }
        }
        None => rules::small_table(config, around.version, &mut out),
    }
    rules::bind(config, around.env, &mut out);
    rules::channels(config, around.env, &mut out);
    resilience::notes(config, &mut out);
    variables::unresolved(config, around.env, around.env_known, &home.user_home, &mut out);
    out
}

fn of_schema(violation: Violation) -> Finding {
    let path = violation.path;
    let (code, message, hint) = match violation.kind {
        Kind::UnknownKey { known } => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let near =
                path.last().and_then(|key| rules::nearest(key, &known)).map(|near| format!("did you mean {near}?"));
            ("unknown_key", format!("{path} is not a key that OpenClaw knows"), near)
        }
        Kind::WrongType { expected, found } => {
            ("wrong_type", format!("{path} must be a {expected}, but is a {found}"), None)
        }
        Kind::MissingKey => ("missing_key", format!("{path} is missing"), None),
        Kind::WrongValue { expected } => ("wrong_value", format!("{path} must be {expected}"), None),
    };
    let mut finding = Finding::new(Severity::Error, code, message).at(path);
    finding.hint = hint;
    finding
}

/// Gives findings their places: in the config itself, else in a file that it includes as a whole.
fn locate(checked: &mut Checked, text: &str) {
    let mut texts = vec![(checked.files.first().cloned(), text.to_owned(), Places::of(text))];
    if checked.findings.iter().any(|finding| finding.path.is_some()) {
        for file in checked.files.iter().skip(1) {
            if let Ok(source) = source::read(file) {
                let places = Places::of(&source.text);
                texts.push((Some(file.clone()), source.text, places));
            }
        }
    }
    for finding in &mut checked.findings {
        finding.file = checked.files.first().cloned();
        let Some(path) = &finding.path else { continue };
        let found = texts.iter().find_map(|(file, text, places)| Some((file, text, places.find(text, path)?)));
        if let Some((file, text, (line, column))) = found {
            finding.file.clone_from(file);
            (finding.line, finding.column) = (line, column);
            finding.excerpt = excerpt(text, line, column);
        }
    }
}
