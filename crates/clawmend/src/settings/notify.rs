//! `[notify]`: what people are told, and when. Where it goes stands in a file of its own, because that holds secrets:
//! see [`crate::notify::file`].

use clawmend_core::alert::Level;
use clawmend_core::alert::policy::{AlertPolicy, Minute, Quiet};
use serde::{Deserialize, Deserializer, de::Error as _};

/// `[notify]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Said")]
pub struct NotifySettings {
    /// Anybody is told anything.
    pub enabled: bool,
    /// Where OpenClaw's own channels lead is used, too.
    pub take_over: bool,
    /// What, and when.
    pub policy: AlertPolicy,
}

impl Default for NotifySettings {
    fn default() -> Self {
        Self { enabled: true, take_over: true, policy: AlertPolicy::default() }
    }
}

/// The section as it stands in the file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Said {
    enabled: Option<bool>,
    take_over: Option<bool>,
    escalation_only: Option<bool>,
    at_least: Option<Level>,
    #[serde(deserialize_with = "hours")]
    quiet: Option<(Minute, Minute)>,
    quiet_broken_by: Option<Level>,
    #[serde(deserialize_with = "remind")]
    remind_after_ms: Option<u64>,
    #[serde(deserialize_with = "note")]
    morning_note: Option<Option<Minute>>,
    crashes_per_hour: Option<u32>,
}

impl TryFrom<Said> for NotifySettings {
    type Error = String;

    fn try_from(said: Said) -> Result<Self, String> {
        let usual = AlertPolicy::default();
        let quiet =
            said.quiet.map(|(from, to)| Quiet { from, to, broken_by: said.quiet_broken_by.unwrap_or(Level::Critical) });
        if quiet.is_none() && said.quiet_broken_by.is_some() {
            return Err("quiet_broken_by is set, but quiet is not".to_owned());
        }
        Ok(Self {
            enabled: said.enabled.unwrap_or(true),
            take_over: said.take_over.unwrap_or(true),
            policy: AlertPolicy {
                escalation_only: said.escalation_only.unwrap_or(usual.escalation_only),
                at_least: said.at_least.unwrap_or(usual.at_least),
                quiet,
                remind_after_ms: said.remind_after_ms.unwrap_or(usual.remind_after_ms),
                morning_note: said.morning_note.unwrap_or(usual.morning_note),
                crashes_per_hour: said.crashes_per_hour.unwrap_or(usual.crashes_per_hour),
                critical_after_ms: usual.critical_after_ms,
            },
        })
    }
}

/// `08:30`.
fn minute(text: &str) -> Option<Minute> {
    let (hour, minute) = text.trim().split_once(':')?;
    if hour.len() > 2 || minute.len() != 2 {
        return None;
    }
    Minute::new(hour.parse().ok()?, minute.parse().ok()?)
}

/// `23:00-07:30`.
fn hours<'de, D: Deserializer<'de>>(from: D) -> Result<Option<(Minute, Minute)>, D::Error> {
    let text = String::deserialize(from)?;
    let both = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
    both.filter(|(from, to)| from != to)
        .map(Some)
        .ok_or_else(|| D::Error::custom("expected hours of the local day such as \"23:00-07:30\""))
}

/// `08:30`, or `off`.
#[allow(clippy::option_option, reason = "not said, said to be off, or said to be then")]
fn note<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Minute>>, D::Error> {
    let text = String::deserialize(from)?;
    if text == "off" {
        return Ok(Some(None));
    }
    let at =
        minute(&text).ok_or_else(|| D::Error::custom("expected a time of the local day such as \"08:30\", or \"off\""));
    at.map(|at| Some(Some(at)))
}

fn remind<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let figure = u64::deserialize(from)?;
    if figure == 0 || (60_000..=604_800_000).contains(&figure) {
        Ok(Some(figure))
    } else {
        Err(D::Error::custom(format!("{figure} is out of range, expected 60000 to 604800000, or 0 for never")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::parse;
    use std::path::Path;

    fn read(text: &str) -> Result<NotifySettings, String> {
        let text = format!("[notify]\n{text}\n");
        parse(Path::new("clawmend.toml"), &text).map(|settings| settings.notify).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_has_to_be_set() {
        assert_eq!(read("").unwrap(), NotifySettings::default());
    }

    #[test]
    fn a_whole_section_is_understood() {
        let text = r#"
            enabled = true
            take_over = false
            escalation_only = false
            at_least = "warning"
            quiet = "23:00-07:30"
            quiet_broken_by = "error"
            remind_after_ms = 0
            morning_note = "off"
            crashes_per_hour = 2
        "#;
        let at = |hour, minute| Minute::new(hour, minute).unwrap();
        let policy = AlertPolicy {
            escalation_only: false,
            at_least: Level::Warning,
            quiet: Some(Quiet { from: at(23, 0), to: at(7, 30), broken_by: Level::Error }),
            remind_after_ms: 0,
            morning_note: None,
            crashes_per_hour: 2,
            ..AlertPolicy::default()
        };
        assert_eq!(read(text).unwrap(), NotifySettings { enabled: true, take_over: false, policy });
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_was_expected() {
        for (line, expected) in [
            ("quiet = \"23:00\"", "23:00-07:30"),
            ("quiet = \"24:00-07:00\"", "23:00-07:30"),
            ("quiet = \"07:00-07:00\"", "23:00-07:30"),
            ("quiet_broken_by = \"error\"", "quiet is not"),
            ("morning_note = \"half past eight\"", "08:30"),
            ("remind_after_ms = 5", "60000"),
            ("at_least = \"loud\"", "critical"),
            ("feishu = true", "unknown field"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
