//! `config.json`: the earlier doctor's settings as a piece of `clawmend.toml`, for a person to take or leave.
//!
//! Two forms are read: the watchdog's of the four-level document (`check_interval`, `escalation_time`, `notify`), and
//! that of the published skill (`watchdog`, `alert`, `similarity_threshold`). Invariants: nothing is applied; every
//! setting is named, either with what became of it or as not understood; addresses of alerts are never shown.

use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Most settings that are named.
const MAX_NAMED: usize = 200;

/// What the setting means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A figure in seconds that is a setting in milliseconds.
    Seconds {
        /// In `[policy.override]`.
        name: &'static str,
        /// What it is in the preset `four-level`, in milliseconds.
        preset: u64,
        /// Least and most that it may be.
        range: (u64, u64),
    },
    /// It is so, or not needed, without a setting.
    Without(&'static str),
    /// It has no counterpart.
    Nothing(&'static str),
    /// The address of an alert.
    Secret,
}

use Meaning::{Nothing, Seconds, Secret, Without};

const PROBE: Meaning = Seconds { name: "probe_interval_ms", preset: 180_000, range: (100, 3_600_000) };
const ESCALATE: Meaning = Seconds { name: "escalate_after_ms", preset: 1_800_000, range: (1_000, 86_400_000) };
const BACKOFF: Meaning = Seconds { name: "backoff_max_ms", preset: 600_000, range: (1_000, 86_400_000) };
const NEVER_GIVES_UP: Meaning =
    Without("Clawmend never gives up after a number of restarts: it waits longer, and a person hears of it");
const FOUND: Meaning = Without("the gateway and its port are found by themselves");
const ALERTS: Meaning = Nothing("alerts are not settings of this file; set them up with the guard's own alerts");
const REPORTS: Meaning = Nothing("there are no such files here; `clawmend incidents` and `clawmend bundle` tell");

/// Every setting that is known, by its path.
pub const KNOWN: [(&str, Meaning); 25] = [
    ("check_interval", PROBE),
    ("watchdog.check_interval", PROBE),
    ("escalation_time", ESCALATE),
    ("watchdog.max_backoff", BACKOFF),
    ("max_restarts", NEVER_GIVES_UP),
    ("crash_window", Without("crashes are counted over 10 minutes, an hour and six hours")),
    ("watchdog.crash_threshold", NEVER_GIVES_UP),
    ("watchdog.enabled", Without("`clawmend pause` and `clawmend resume` switch the guard off and on")),
    ("gateway_url", FOUND),
    ("similarity_threshold", Nothing("likeness has a fixed threshold here, and never acts")),
    ("auto_heal", Nothing("which remedies may run by themselves is decided case by case")),
    ("max_records", Without("the newest 2000 outcomes are kept")),
    ("auto_archive", Without("old records are thinned out by themselves")),
    ("enable_bat_generation", REPORTS),
    ("enable_txt_report", REPORTS),
    ("notify.enabled", ALERTS),
    ("notify.platform", ALERTS),
    ("notify.escalation_only", ALERTS),
    ("alert.enabled", ALERTS),
    ("alert.dingtalk_webhook", Secret),
    ("alert.lark_webhook", Secret),
    ("alert.discord_webhook", Secret),
    ("iflow_memory.enabled", Nothing("the case library and the experience are kept in the state folder")),
    ("iflow_memory.save_repair_records", Without("outcomes of repairs are always recorded")),
    ("iflow_memory.memory_path", Nothing("the case library and the experience are kept in the state folder")),
];

/// Settings that say nothing.
const SILENT: [&str; 3] = ["version", "created_at", "last_updated"];

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// A piece of `clawmend.toml`.
    pub toml: String,
    /// Settings that were understood, each with what became of it.
    pub understood: Vec<String>,
    /// Settings that were not taken, each with the reason.
    pub left: Vec<String>,
}

/// Reads the settings.
///
/// # Errors
/// It is no JSON object, for people.
pub fn read(text: &str) -> Result<Taken, String> {
    let Ok(Value::Object(map)) = serde_json::from_str(text) else {
        return Err("it is no config.json of the iflow doctor".to_owned());
    };
    let mut taken = Taken { toml: String::new(), understood: Vec::new(), left: Vec::new() };
    let mut figures: Vec<(&'static str, u64)> = Vec::new();
    for (path, value) in leaves(&map).into_iter().take(MAX_NAMED) {
        let Some((_, meaning)) = KNOWN.iter().find(|(name, _)| *name == path) else {
            if !SILENT.contains(&path.as_str()) {
                taken.left.push(format!("{}: not understood", plain(&path)));
            }
            continue;
        };
        match (*meaning, value) {
            (Seconds { name, preset, range }, value) => match seconds(value, range) {
                Some(ms) if ms == preset => taken.understood.push(format!("{path}: as in the preset")),
                Some(ms) => {
                    figures.retain(|(other, _)| *other != name);
                    figures.push((name, ms));
                    taken.understood.push(format!("{path}: {name} = {ms}"));
                }
                None => taken.left.push(format!(
                    "{path}: not a number of seconds between {} and {}",
                    range.0.div_ceil(1000),
                    range.1 / 1000
                )),
            },
            (Without(why), _) => taken.understood.push(format!("{path}: {why}")),
            (Nothing(why), _) => taken.left.push(format!("{path}: {why}")),
            (Secret, Value::String(text)) if text.is_empty() => {}
            (Secret, _) => taken
                .left
                .push(format!("{path}: an address of an alert, not shown; keep it for the guard's own alerts")),
        }
    }
    taken.toml = toml(&figures);
    Ok(taken)
}

fn toml(figures: &[(&str, u64)]) -> String {
    let mut text = "[policy]\npreset = \"four-level\"\n".to_owned();
    if !figures.is_empty() {
        text.push_str("\n[policy.override]\n");
    }
    for (name, ms) in figures {
        let _ = writeln!(text, "{name} = {ms}");
    }
    text
}

/// `watchdog.enabled` and its like, one level deep.
fn leaves(map: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (key, value) in map {
        match value {
            Value::Object(inner) => found.extend(inner.iter().map(|(name, value)| (format!("{key}.{name}"), value))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                found.push((key.clone(), value));
            }
        }
    }
    found
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn seconds(value: &Value, (least, most): (u64, u64)) -> Option<u64> {
    let seconds = value.as_f64().filter(|seconds| (0.0..=1e9).contains(seconds))?;
    let ms = (seconds * 1000.0).round() as u64;
    (least..=most).contains(&ms).then_some(ms)
}

fn plain(path: &str) -> String {
    crate::openclaw::redact::redact(path, 80)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parses(toml: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clawmend.toml");
        std::fs::write(&path, toml).unwrap();
        crate::settings::load(&path).unwrap();
    }

    #[test]
    fn the_documents_own_settings_are_the_preset() {
        let text = r#"{"gateway_url":"http://localhost:18789","check_interval":180,"max_restarts":5,"crash_window":600,
            "escalation_time":1800,"notify":{"enabled":true,"platform":"both","escalation_only":true}}"#;
        let taken = read(text).unwrap();
        assert_eq!(taken.toml, "[policy]\npreset = \"four-level\"\n");
        assert_eq!((taken.understood.len(), taken.left.len()), (5, 3), "{taken:?}");
        parses(&taken.toml);
    }

    #[test]
    fn the_published_form_keeps_its_figures_and_gives_no_address_away() {
        let text = r#"{"version":"1.0.0","similarity_threshold":0.85,"watchdog":{"enabled":true,"check_interval":1,"max_backoff":300,
            "crash_threshold":5},"alert":{"enabled":true,"lark_webhook":"https://open.feishu.cn/hook/abc","dingtalk_webhook":""},
            "escalation_time":-5,"strange":{"a":1},"other":[1]}"#;
        let taken = read(text).unwrap();
        assert_eq!(
            taken.toml,
            "[policy]\npreset = \"four-level\"\n\n[policy.override]\nprobe_interval_ms = 1000\nbackoff_max_ms = 300000\n"
        );
        parses(&taken.toml);
        let all = format!("{taken:?}");
        assert!(!all.contains("feishu.cn") && all.contains("alert.lark_webhook"), "{all}");
        for named in ["strange.a: not understood", "other: not understood", "escalation_time: not a number of seconds"]
        {
            assert!(taken.left.iter().any(|left| left.starts_with(named)), "{named}: {all}");
        }
        assert!(read("[]").is_err());
    }
}
