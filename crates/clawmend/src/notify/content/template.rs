//! The texts of letters: built in for both languages, and a person's own.
//!
//! Invariants: a template is bounded in size, work and result; one of a person's is checked when it is loaded, by rendering
//! it once with every value that there is; what fails later is replaced by the built-in text.

use crate::openclaw::files;
use crate::settings::Language;
use clawmend_core::alert::notice::Told;
use minijinja::{Environment, Error, Output, State, UndefinedBehavior, Value, context};
use std::fmt::Write as _;
use std::path::Path;

/// Longest template, in bytes.
const MAX_TEMPLATE: u64 = 64 * 1024;
/// Work that one letter may take, in steps of the engine.
const FUEL: u64 = 100_000;
/// Longest result, in bytes.
const MAX_TEXT: usize = 64 * 1024;

macro_rules! built_in {
    ($($name:literal),*) => {
        [$(
            ($name, include_str!(concat!("templates/en/", $name, ".md")), include_str!(concat!("templates/zh-CN/", $name, ".md"))),
        )*]
    };
}

/// Name, English, Chinese.
const BUILT_IN: [(&str, &str, &str); 9] =
    built_in!("alert", "approval", "reminder", "resolved", "many_crashes", "pair", "morning_note", "digest", "test");

/// Which template tells this.
#[must_use]
pub const fn name_of(what: &Told) -> &'static str {
    match what {
        Told::Alert { .. } => "alert",
        Told::Reminder { .. } => "reminder",
        Told::Resolved { .. } => "resolved",
        Told::ManyCrashes { .. } => "many_crashes",
        Told::Approval { .. } => "approval",
        Told::Pair { .. } | Told::PairOver { .. } | Told::Group { .. } | Told::GroupOver { .. } => "pair",
        Told::MorningNote { .. } => "morning_note",
    }
}

/// All texts.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// Names of a person's own.
    own: Vec<&'static str>,
}

/// A template of a person's own is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the template {file}{place} is not used: {why}; the built-in text is used instead")]
pub struct TemplatesError {
    /// Its file.
    pub file: String,
    /// ` line 3`, where it is known.
    pub place: String,
    /// Why.
    pub why: String,
}

impl Default for Templates {
    fn default() -> Self {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(clean);
        for (name, en, zh) in BUILT_IN {
            for (language, text) in [(Language::English, en), (Language::Chinese, zh)] {
                // What is built in is tested; a fault in it is a letter without text, not a dead guard.
                let added = environment.add_template_owned(full_name(language, name), text.to_owned());
                debug_assert!(added.is_ok(), "{added:?}");
            }
        }
        Self { environment, own: Vec::new() }
    }
}

impl Templates {
    /// The built-in ones, and those of a person's in this folder (`alert.md` and so on, for whatever language). Also
    /// says which are not used.
    #[must_use]
    pub fn with_own(folder: &Path) -> (Self, Vec<TemplatesError>) {
        let mut templates = Self::default();
        let mut problems = Vec::new();
        for (name, ..) in BUILT_IN {
            let path = folder.join(format!("{name}.md"));
            if path.exists()
                && let Err(problem) = templates.add_own(name, &path)
            {
                problems.push(problem);
            }
        }
        (templates, problems)
    }

    fn add_own(&mut self, name: &'static str, path: &Path) -> Result<(), TemplatesError> {
        let wrong = |place: String, why: String| TemplatesError { file: path.display().to_string(), place, why };
        let bytes = files::read_bounded(path, MAX_TEMPLATE).map_err(|error| wrong(String::new(), error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong(String::new(), "it is not UTF-8 text".to_owned()))?;
        let said = |error: &Error| {
            let place = error.line().map_or_else(String::new, |line| format!(", line {line}"));
            wrong(place, error.detail().map_or_else(|| error.kind().to_string(), str::to_owned))
        };
        self.environment.add_template_owned(own_name(name), text).map_err(|error| said(&error))?;
        let tried = self.try_render(&own_name(name), &sample(name));
        if let Err(error) = tried {
            self.environment.remove_template(&own_name(name));
            return Err(said(&error));
        }
        self.own.push(name);
        Ok(())
    }

    /// The text.
    #[must_use]
    pub fn render(&self, language: Language, name: &str, values: &Value) -> String {
        if self.own.contains(&name) {
            match self.try_render(&own_name(name), values) {
                Ok(text) => return text,
                Err(error) => tracing::warn!(template = name, %error, "a template failed; the built-in text is used"),
            }
        }
        self.try_render(&full_name(language, name), values).unwrap_or_else(|error| {
            tracing::error!(template = name, %error, "a built-in template failed");
            format!("# OpenClaw: {name}\n`clawmend status`\n")
        })
    }

    fn try_render(&self, name: &str, values: &Value) -> Result<String, Error> {
        let text = self.environment.get_template(name)?.render(values)?;
        Ok(text
            .chars()
            .scan(0, |bytes, c| {
                *bytes += c.len_utf8();
                (*bytes <= MAX_TEXT).then_some(c)
            })
            .collect())
    }
}

fn full_name(language: Language, name: &str) -> String {
    let language = match language {
        Language::English => "en",
        Language::Chinese => "zh-CN",
    };
    format!("{language}/{name}")
}

fn own_name(name: &str) -> String {
    format!("own/{name}")
}

/// Values are single lines that cannot fence anything off.
fn clean(out: &mut Output<'_>, _state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = value.to_string().replace("```", "'''");
    for c in text.chars() {
        out.write_char(if c.is_control() { ' ' } else { c })
            .map_err(|_| Error::new(minijinja::ErrorKind::WriteFailure, "the text could not be put together"))?;
    }
    Ok(())
}

/// Every value that there is, for the check of a template.
fn sample(name: &str) -> Value {
    let letter = context! { time => "2026-02-28 03:30:00 CST", level => "error", title => "default: it crashed" };
    let repaired = context! {
        gateway => "default", incident => 12, at => "2026-02-28 03:30:00 CST", cause => "it crashed",
        outcome => "mended by the guard, and proven", took => "12 s",
    };
    let plain = context! {
        host => "nas", time => "2026-02-28 03:30:00 CST", version => "0.1.0", count => 1, more => 0,
        repaired => vec![repaired], letters => vec![letter],
    };
    match name {
        "morning_note" | "digest" | "test" => plain,
        "pair" => context! {
            icon => "🚨", level => "CRITICAL", host => "vps", gateway => "default", kind => "took_over",
            title => "vps has taken over", what => "The primary did not answer.", time => "2026-02-28 03:30:00 CST",
            since => "2026-02-28 03:29:30 CST", lasted => "30 s", version => "0.1.0",
            facts => vec![context! { label => "Files", value => "brought" }], advice => vec!["Look at the primary."],
            commands => vec!["clawmend standby status"],
        },
        _ => context! {
            icon => "🚨", level => "CRITICAL", host => "nas", gateway => "default", incident => 12,
            headline => "it crashed", cause => "crashed", detail => "signal 9", reason => "it has not been well for 30 min",
            since => "2026-02-28 02:55:00 CST", lasted => "35 min", time => "2026-02-28 03:30:00 CST",
            last_good => "2026-02-28 02:54:59 CST", crashes => 7, named => true, tried_more => 0,
            doctor => context! { title => "t", why => "w", advice => "a", sure => 90, case => "c", evidence => vec!["e"] },
            tried => vec![context! { at => "03:00:00", what => "start the gateway", result => "done" }],
            outcome => "mended by a person", next => "the guard goes on", commands => vec!["clawmend status"],
            log => vec!["a line"], version => "0.1.0", action => "start the gateway", why => "because", pid => 100,
            until => "2026-02-28 04:30:00 CST", proposal => 3, code => "1234 5678",
            approve => "clawmend approve 3", deny => "clawmend deny 3",
        },
    }
}
