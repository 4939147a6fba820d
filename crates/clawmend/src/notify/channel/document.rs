//! A letter as a document for machines, and templates that a person writes instead.
//!
//! The document is stable: `docs/notifications.md` describes it; members may be added, none changes its meaning within a
//! `schema` number. A template gets the members of its `data`. In a template that gives JSON every expression is written
//! as a JSON value, its quotes included, so that no text can break out of its place.
//!
//! Invariants: a document is at most [`MAX_BODY`] long; rendering a template ends within its fuel.

use crate::notify::render::{self, PLAIN, Unit};
use crate::notify::{Kind, Letter, Part};
use clawmend_core::alert::Level;
use clawmend_core::time::Wall;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Value, json};

/// Longest body, in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// Longest text in it, in bytes.
const MAX_TEXT: usize = 16 * 1024;
/// All texts of its parts together, in bytes.
const MAX_PARTS: usize = 32 * 1024;
/// Longest template, in bytes.
const MAX_TEMPLATE: usize = 64 * 1024;
/// Steps of a template.
const FUEL: u64 = 100_000;

/// The body of a webhook without a template.
pub fn body(letter: &Letter) -> String {
    json!({"type": kind(letter.kind).0, "timestamp": timestamp(letter.at), "data": data(letter)}).to_string()
}

/// What the letter says, for machines and templates.
fn data(letter: &Letter) -> Value {
    let (parts, whole) = front(&letter.parts);
    let line = |text: &str| render::line(text, render::as_it_is, Unit::Bytes, 1024);
    json!({
        "schema": 1,
        "key": letter.key,
        "subject": letter.subject_key,
        "kind": kind(letter.kind).1,
        "level": letter.level.name(),
        "at": timestamp(letter.at),
        "host": line(&letter.host),
        "title": line(&letter.title),
        "text": render::page(&letter.parts, &PLAIN, Unit::Bytes, MAX_TEXT),
        "parts": parts,
        "shortened": !whole,
    })
}

/// As the type of an event, and as a member.
const fn kind(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Alert => ("clawmend.alert", "alert"),
        Kind::Reminder => ("clawmend.reminder", "reminder"),
        Kind::Resolved => ("clawmend.resolved", "resolved"),
        Kind::Digest => ("clawmend.digest", "digest"),
        Kind::MorningNote => ("clawmend.morning_note", "morning_note"),
        Kind::Test => ("clawmend.test", "test"),
    }
}

fn timestamp(at: Wall) -> Value {
    jiff::Timestamp::from_millisecond(at.0).map_or(Value::Null, |at| json!(at.to_string()))
}

/// As many parts as fit, and whether these are all.
fn front(parts: &[Part]) -> (Vec<Value>, bool) {
    let mut room = MAX_PARTS;
    let mut out = Vec::new();
    for part in parts {
        let length = match part {
            Part::Heading(text) | Part::Text(text) | Part::Item(text) => text.len(),
            Part::Fact { label, value } => label.len() + value.len(),
            Part::Code(lines) => lines.iter().map(|line| line.len() + 3).sum(),
        };
        // Its frame counts, too.
        let Some(left) = room.checked_sub(length + 32) else { return (out, false) };
        room = left;
        out.push(member(part));
    }
    (out, true)
}

fn member(part: &Part) -> Value {
    let clean = |text: &str| text.chars().map(render::visible).collect::<String>();
    match part {
        Part::Heading(text) => json!({"kind": "heading", "text": clean(text)}),
        Part::Text(text) => json!({"kind": "text", "text": clean(text)}),
        Part::Fact { label, value } => json!({"kind": "fact", "label": clean(label), "value": clean(value)}),
        Part::Item(text) => json!({"kind": "item", "text": clean(text)}),
        Part::Code(lines) => {
            json!({"kind": "code", "lines": lines.iter().map(|line| clean(line)).collect::<Vec<_>>()})
        }
    }
}

/// A template that was compiled and rendered once.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    text: String,
    gives_json: bool,
}

impl Template {
    /// Checked with a letter whose texts are as bad as texts can be.
    pub fn checked(text: String, gives_json: bool) -> Result<Self, String> {
        if text.len() > MAX_TEMPLATE {
            return Err(format!("the template is longer than {MAX_TEMPLATE} bytes"));
        }
        let template = Self { text, gives_json };
        template.render(&sample())?;
        Ok(template)
    }

    pub fn render(&self, letter: &Letter) -> Result<String, String> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let gives_json = self.gives_json;
        environment.set_auto_escape_callback(move |_| if gives_json { AutoEscape::Json } else { AutoEscape::None });
        let context = minijinja::Value::from(minijinja::value::Serde(data(letter)));
        let body = environment
            .template_from_str(&self.text)
            .and_then(|template| template.render(context))
            .map_err(|error| format!("the template fails: {error}"))?;
        if body.len() > MAX_BODY {
            return Err(format!("the template gives more than {MAX_BODY} bytes"));
        }
        if self.gives_json && serde_json::from_str::<serde::de::IgnoredAny>(&body).is_err() {
            return Err("the template does not give JSON; write {{ title }} without quotes around it, they are added"
                .to_owned());
        }
        Ok(body)
    }
}

/// Every kind of part, with every character that could break a document.
fn sample() -> Letter {
    let hostile = "\" ' \\ < & > { } [ ] {{ x }} % \u{2028} é 龙 😀".to_owned();
    Letter {
        key: "sample/1".to_owned(),
        subject_key: "sample".to_owned(),
        kind: Kind::Alert,
        level: Level::Error,
        at: Wall(0),
        host: hostile.clone(),
        title: hostile.clone(),
        parts: vec![
            Part::Heading(hostile.clone()),
            Part::Text(hostile.clone()),
            Part::Fact { label: hostile.clone(), value: hostile.clone() },
            Part::Item(hostile.clone()),
            Part::Code(vec![hostile]),
        ],
        answers: None,
        choices: Vec::new(),
    }
}
