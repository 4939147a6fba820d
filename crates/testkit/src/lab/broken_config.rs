//! Ways to break a config as OpenClaw refuses it, and the judgement of the restore that follows.
//!
//! Each was refused by OpenClaw 2026.9.6 with exit 78.

use super::guard::Guard;
use super::process::Life;
use super::wait::{until, until_some};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;

/// What bounds a start, its refusal, the restore and the next start on a loaded machine.
const RESTORE_BOUND: Duration = Duration::from_secs(240);
const BOUND: Duration = Duration::from_secs(60);

/// One way to break a config.
#[derive(Clone, Copy, Debug)]
pub struct Breaking {
    /// Its name in the matrix.
    pub name: &'static str,
    /// The broken text; `None`: the file is deleted.
    pub broken: fn(&str) -> Option<String>,
    /// All other keys can still be read, so the restore must keep them.
    pub keeps_others: bool,
}

/// All of them.
pub const BREAKINGS: [Breaking; 5] = [
    Breaking { name: "deleted config", broken: |_| None, keeps_others: false },
    Breaking { name: "truncated config", broken: |text| Some(text[..text.len() / 2].to_owned()), keeps_others: false },
    Breaking {
        name: "unknown key",
        broken: |text| Some(text.replacen("\"port\"", "\"prot\": 1, \"port\"", 1)),
        keeps_others: true,
    },
    Breaking {
        name: "wrong type",
        broken: |text| Some(text.replacen("\"port\":", "\"port\": \"abc\", \"reload\":", 1)),
        keeps_others: true,
    },
    Breaking {
        name: "missing mode",
        broken: |text| Some(text.replacen("\"mode\": \"local\",", "", 1).replacen("\"mode\":\"local\",", "", 1)),
        keeps_others: true,
    },
];

impl Breaking {
    /// Breaks the config of a healthy gateway on disk, ends the gateway by `end`, and waits until the guard has brought
    /// the config back and the gateway serves. Returns the incident.
    ///
    /// # Errors
    /// When the config is not brought back as it should be.
    pub fn restored(&self, guard: &mut Guard, end: impl FnOnce() -> Result<()>) -> Result<Value> {
        until("the present config to be proven", BOUND, || proven(guard).unwrap_or(false))?;
        let path = guard.home.config_path();
        let good = std::fs::read_to_string(&path)?;
        // A change that the restore must keep, where the rest can be read.
        let changed = good.replacen("\"gateway\"", "\"logging\": {\"level\": \"info\"}, \"gateway\"", 1);
        let base = if self.keeps_others && !good.contains("logging") { changed } else { good };
        match (self.broken)(&base) {
            Some(text) => {
                ensure!(text != base, "the config was not broken: {base}");
                guard.home.write_config_text(&text)?;
            }
            None => std::fs::remove_file(&path)?,
        }
        end()?;
        let incident = closed_with_restore(guard)?;
        guard.healthy()?;
        self.judge(guard, &base)?;
        Ok(incident)
    }

    fn judge(&self, guard: &Guard, base: &str) -> Result<()> {
        let now: Value = serde_json::from_str(&std::fs::read_to_string(guard.home.config_path())?)?;
        let mut wanted: Value = serde_json::from_str(base)?;
        // OpenClaw's own notes may have come or gone.
        let plain = |mut value: Value| {
            value.as_object_mut().map(|map| map.remove("meta"));
            value
        };
        if self.name == "wrong type" {
            // The wrong type was put in front of the right value; which of the two keys came back is not the point.
            wanted["gateway"]["port"] = json!(guard.home.port);
        }
        ensure!(plain(now.clone()) == plain(wanted.clone()), "{now} is not {wanted}");
        ensure!(rejected_is_kept(guard)? || self.name == "deleted config", "the rejected file is not kept beside");
        Ok(())
    }
}

/// Ends a life as a person or a service manager would.
///
/// # Errors
/// When it does not end.
pub fn end_in_order(life: Life) -> Result<()> {
    life.signal(Signal::TERM)?;
    life.ended(BOUND)?;
    Ok(())
}

/// The newest incident, once it is closed and a config was restored in it.
///
/// # Errors
/// When it does not come, or does not end as recovered.
pub fn closed_with_restore(guard: &Guard) -> Result<Value> {
    let (incident, _) = until_some("the recovery", RESTORE_BOUND, || {
        std::thread::sleep(Duration::from_millis(200));
        let last = guard.last_incident().unwrap_or_default();
        let ours = last["actions"].as_array().is_some_and(|all| all.iter().any(is_restore));
        Ok(Some(last).filter(|last| ours && last["state"] == json!("closed")))
    })
    .with_context(|| format!("{:?}\n{}", guard.last_incident(), guard.output_tail()))?;
    ensure!(incident["outcome"] == json!("recovered"), "{incident}");
    Ok(incident)
}

/// A file that was replaced lies beside the config.
///
/// # Errors
/// When the folder cannot be read.
pub fn rejected_is_kept(guard: &Guard) -> Result<bool> {
    let mut entries = std::fs::read_dir(guard.home.state_dir())?.flatten();
    Ok(entries.any(|entry| entry.file_name().to_string_lossy().contains("clawmend-rejected-")))
}

/// The config on disk is a proven generation.
///
/// # Errors
/// When the guard does not tell.
pub fn proven(guard: &Guard) -> Result<bool> {
    let answer = guard.say(&["config", "history", "--json"])?.json()?;
    let all = answer["generations"].as_array().cloned().unwrap_or_default();
    Ok(all.iter().any(|one| one["present"] == json!(true) && one["proven_at"].is_string()))
}

fn is_restore(action: &Value) -> bool {
    action["action"].to_string().contains("restore_config")
}
