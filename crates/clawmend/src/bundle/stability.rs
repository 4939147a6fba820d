//! Headlines of OpenClaw's own stability bundles: what it wrote down when it failed.
//!
//! `STATE/logs/stability/openclaw-stability-TIME-PID-REASON.json` (OpenClaw 2026.9.6). Only their plain values near
//! the top are taken, bounded; the rest may hold anything.

use crate::openclaw::discovery::Home;
use crate::openclaw::files::read_bounded;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Newest ones that are looked at.
const MAX_FILES: usize = 5;
/// Most files of the folder that are listed.
const MAX_LISTED: usize = 1_000;
/// Largest one that is read.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Most values of one, and of one object in it.
const MAX_VALUES: usize = 24;
/// Longest text, in characters.
const MAX_TEXT: usize = 400;

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Headline {
    /// Its name.
    pub file: String,
    /// The plain values at its top, and those of the objects there.
    pub says: Map<String, Value>,
    /// Why there are none.
    pub unreadable: Option<String>,
}

/// The newest ones of a home, newest first.
#[must_use]
pub fn headlines(home: &Home) -> Vec<Headline> {
    let folder = home.state_dir.join("logs").join("stability");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    // Their names begin with the time.
    let names: BTreeSet<String> = entries
        .flatten()
        .take(MAX_LISTED)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("openclaw-stability-") && name.ends_with(".json"))
        .collect();
    names.into_iter().rev().take(MAX_FILES).map(|name| headline(folder.join(&name), name)).collect()
}

fn headline(path: PathBuf, file: String) -> Headline {
    let read = read_bounded(&path, MAX_BYTES)
        .map_err(|error| error.to_string())
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).map_err(|error| error.to_string()));
    match read {
        Ok(Value::Object(map)) => Headline { file, says: top(map), unreadable: None },
        Ok(_) => Headline { file, says: Map::new(), unreadable: Some("it is no JSON object".to_owned()) },
        Err(why) => Headline { file, says: Map::new(), unreadable: Some(why) },
    }
}

fn top(map: Map<String, Value>) -> Map<String, Value> {
    let plain = |value: Value| match value {
        Value::String(text) => Some(Value::from(text.chars().take(MAX_TEXT).collect::<String>())),
        value @ (Value::Null | Value::Bool(_) | Value::Number(_)) => Some(value),
        Value::Array(items) => Some(Value::from(format!("({} entries)", items.len()))),
        Value::Object(_) => None,
    };
    map.into_iter()
        .take(MAX_VALUES)
        .map(|(key, value)| {
            let Value::Object(inner) = value else { return (key, plain(value).unwrap_or(Value::Null)) };
            let inner = inner.into_iter().take(MAX_VALUES);
            let inner: Map<String, Value> = inner.filter_map(|(key, value)| Some((key, plain(value)?))).collect();
            (key, Value::Object(inner))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openclaw::discovery::discover;

    #[test]
    fn the_newest_are_told_in_a_few_values() {
        let dir = tempfile::tempdir().unwrap();
        let home = discover(|_| None, dir.path()).remove(0);
        assert_eq!(headlines(&home), []);
        let folder = home.state_dir.join("logs/stability");
        std::fs::create_dir_all(&folder).unwrap();
        for day in 1..=7 {
            let text = serde_json::json!({"reason": "breaker", "day": day, "error": {"message": "x".repeat(900), "deep": {}},
                "events": [1, 2]});
            let name = format!("openclaw-stability-2026-11-0{day}T00-00-00-000Z-1-breaker.json");
            std::fs::write(folder.join(name), text.to_string()).unwrap();
        }
        std::fs::write(folder.join("openclaw-stability-2026-11-09-x.json"), "{half").unwrap();
        std::fs::write(folder.join("other.json"), "{}").unwrap();
        let told = headlines(&home);
        assert_eq!(told.len(), MAX_FILES);
        assert!(told[0].unreadable.is_some());
        assert_eq!(told[1].says["day"], 7);
        assert_eq!(told[1].says["error"]["message"].as_str().unwrap().len(), MAX_TEXT);
        assert_eq!(told[1].says["error"].get("deep"), None);
        assert_eq!(told[1].says["events"], "(2 entries)");
    }
}
