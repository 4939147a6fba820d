//! What a guard made of a fault: the incident's end, what the doctor names, what a person was told, what was touched.

#![allow(clippy::print_stderr, reason = "a lab tells what it measured")]

use super::guard::Guard;
use super::wait::until_some;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// From the first good answer to the proof of the recovery: 10 s by the default policy, and the start of a new life
/// before that on a loaded machine.
const CLOSE_BOUND: Duration = Duration::from_secs(180);
const NAMED_BOUND: Duration = Duration::from_secs(60);
/// Files of a gateway's home above this size are no work of a person.
const FILE_MAX: u64 = 1 << 20;

impl Guard {
    /// Adds figures to the guard's settings, before it is started: `[policy.override]`.
    ///
    /// # Errors
    /// When its settings cannot be written.
    pub fn set_policy(&self, figures: &[(&str, u64)]) -> Result<()> {
        let mut text = std::fs::read_to_string(self.dirs.config())?;
        text.push_str("\n[policy.override]\n");
        text.extend(figures.iter().map(|(name, value)| format!("{name} = {value}\n")));
        Ok(std::fs::write(self.dirs.config(), text)?)
    }

    /// The newest incident has this cause, was answered by a start, and ends as recovered.
    ///
    /// # Errors
    /// When it has another cause, or ends otherwise.
    pub fn recovered(&self, code: &str) -> Result<Value> {
        let incident = self.ended_as(code, &["recovered"])?;
        ensure!(
            incident["start_issued_after_ms"].is_number() && incident["serving_after_ms"].is_number(),
            "{incident}"
        );
        Ok(incident)
    }

    /// The newest incident names this cause, and is closed with one of these outcomes.
    ///
    /// # Errors
    /// When it has another cause, stays open, or ends otherwise.
    pub fn ended_as(&self, code: &str, outcomes: &[&str]) -> Result<Value> {
        self.named(code, NAMED_BOUND)?;
        let (incident, _) = until_some("the incident to be closed", CLOSE_BOUND, || {
            std::thread::sleep(Duration::from_millis(200));
            Ok(Some(self.last_incident()?).filter(|incident| incident["state"] == json!("closed")))
        })
        .with_context(|| format!("{:?}\n{}", self.last_incident(), self.output_tail()))?;
        ensure!(incident["cause"]["code"] == json!(code), "{incident}");
        ensure!(outcomes.iter().any(|outcome| incident["outcome"] == json!(outcome)), "{incident}");
        Ok(incident)
    }

    /// Starts that the guard has issued so far, by its records.
    ///
    /// # Errors
    /// When the command gives none.
    pub fn starts_issued(&self) -> Result<usize> {
        let incidents = self.incidents()?;
        let actions = incidents.iter().filter_map(|one| one["actions"].as_array()).flatten();
        Ok(actions.filter(|action| is_start(&action["action"])).count())
    }

    /// What a person was told of an incident, once it holds these words.
    ///
    /// # Errors
    /// When it is not told in time; the text has what was told.
    pub fn told(&self, incident: &Value, says: &str, bound: Duration) -> Result<String> {
        let mut all = Vec::new();
        until_some(&format!("a person to be told of {says:?}"), bound, || {
            std::thread::sleep(Duration::from_millis(200));
            let events = self.events(incident)?.into_iter().filter(|event| event["event"] == json!("escalated"));
            all = events.filter_map(|event| event["reason"].as_str().map(str::to_owned)).collect();
            Ok(all.iter().find(|text| text.contains(says)).cloned())
        })
        .map(|(text, _)| text)
        .with_context(|| format!("told: {all:?}\n{}", self.output_tail()))
    }

    /// What `doctor --json` says here and now.
    ///
    /// # Errors
    /// When the command gives nothing.
    pub fn doctor(&self, arguments: &[&str]) -> Result<Value> {
        let answer = self.order(&[&["doctor", "--json"], arguments].concat())?;
        answer.json()
    }

    /// The doctor names this case first.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn doctor_names(&self, case: &str) -> Result<Value> {
        let mut last = Value::Null;
        until_some(&format!("the doctor to name {case} first"), NAMED_BOUND, || {
            std::thread::sleep(Duration::from_millis(500));
            last = self.doctor(&[])?;
            Ok(Some(last["causes"][0].clone()).filter(|first| first["case"] == json!(case)))
        })
        .map(|(first, _)| first)
        .with_context(|| format!("it says: {last}; status: {:?}", self.status()))
    }

    /// Content of what a person put into the gateway's home: config, credentials, workspace. Its databases, locks, logs
    /// and caches are the gateway's own.
    ///
    /// # Errors
    /// When the home cannot be read.
    pub fn users_files(&self) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
        let mut found = BTreeMap::new();
        let (root, mut folders) = (self.home.state_dir(), vec![self.home.state_dir()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?.flatten() {
                let (path, kind) = (entry.path(), entry.file_type()?);
                let inner = path.strip_prefix(&root).unwrap_or(&path).to_path_buf();
                if kind.is_dir() && !of_the_gateway(&inner) {
                    folders.push(path);
                } else if kind.is_file() && !of_the_gateway(&inner) && entry.metadata()?.len() <= FILE_MAX {
                    found.insert(inner, std::fs::read(&path)?);
                }
            }
        }
        Ok(found)
    }
}

fn is_start(action: &Value) -> bool {
    ["spawn", "hasten", "start_unit"].iter().any(|start| *action == json!(start))
}

/// Written by the gateway (OpenClaw 2026.9.6), beside what people write.
fn of_the_gateway(inner: &Path) -> bool {
    let first = inner.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let folders = ["state", "tmp", "logs", "cache", "agents", "media", "identity", "devices", "canvas", "memory"];
    let name = inner.file_name().unwrap_or_default().to_string_lossy();
    first.is_some_and(|first| folders.contains(&first.as_str()))
        || name.contains(".bak")
        || name.contains(".last-good")
        || name.ends_with(".lab")
        || name.ends_with(".tmp")
}
