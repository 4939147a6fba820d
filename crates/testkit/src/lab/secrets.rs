//! The made-up secrets of a lab: in its config, its environment, its `.env` and its gateway's log. One set a process.
//!
//! Invariant: a guard that puts one of them anywhere fails its lab, when it is dropped; see [`super::Guard`]. Tokens of
//! gateways are apart: each home has its own.

use super::process::Life;
use crate::canary::{self, Canary};
use anyhow::{Context, Result};
use serde_json::json;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The mock Bot API, for messages.
pub const TELEGRAM: &str = "the mock Bot API";
/// The mock model.
pub const MODEL: &str = "the mock model";
/// The guard, its commands and their children have it in their environment.
pub const VARIABLE: &str = "LAB_VAULT_TOKEN";

/// Each in the format of a real one.
pub struct Secrets {
    /// OpenClaw's bot at the mock Bot API.
    pub bot: String,
    /// The key of the mock model.
    pub model: String,
    /// Of [`VARIABLE`].
    pub environment: String,
    env_file: String,
    logged: String,
}

/// Those of this process.
pub fn secrets() -> &'static Secrets {
    static SECRETS: OnceLock<Secrets> = OnceLock::new();
    let seed = |what: &str, service, text: &str| canary::register(Canary::random(what, service, text));
    SECRETS.get_or_init(|| Secrets {
        bot: seed("the bot's token of the config", Some(TELEGRAM), &canary::bot_token(100_000_001)),
        model: seed("the model's key of the config", Some(MODEL), &canary::model_key()),
        environment: seed("the secret of the environment", None, &canary::service_token()),
        env_file: seed("the secret of the .env", None, &canary::service_token()),
        logged: seed("the secret in the gateway's log", None, &canary::repository_token()),
    })
}

impl Secrets {
    /// What OpenClaw's own `.env` has.
    pub fn env_file(&self) -> String {
        format!("LAB_BACKUP_PASSWORD={}\n", self.env_file)
    }

    /// Has the gateway say it, as its keeper and the log file hear it: on its standard output, if a keeper holds that,
    /// and in the file that all gateways of this user share, in OpenClaw's format (2026.9.6).
    ///
    /// # Errors
    /// When there is no such log.
    pub fn log(&self, runtime: &Path, state_dir: &Path, life: Life) -> Result<()> {
        let said = format!("lab: pid {} pushed {}/notes with {}", life.pid, state_dir.display(), self.logged);
        if let Some(fifo) = output_fifo(runtime) {
            let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits())?;
            let mut fifo = std::fs::OpenOptions::new().write(true).custom_flags(nonblocking).open(fifo)?;
            fifo.write_all(format!("[lab] {said}\n").as_bytes())?;
        }
        let Some(log) = newest_log() else { return Ok(()) };
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3f+00:00").to_string();
        let name = json!({"subsystem": "lab"}).to_string();
        let meta = json!({"runtime": "node", "date": now, "logLevelId": 3, "logLevelName": "INFO", "name": name});
        let line = json!({"0": name, "1": said, "_meta": meta, "time": now, "message": said});
        let mut log = std::fs::OpenOptions::new().append(true).open(log)?;
        log.write_all(format!("{line}\n").as_bytes()).context("the gateway's log")
    }
}

/// Below the runtime folder, by gateway.
fn output_fifo(runtime: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(runtime).ok()?.flatten();
    folders.map(|folder| folder.path().join("output.fifo")).find(|path| path.exists())
}

fn newest_log() -> Option<PathBuf> {
    let paths = std::fs::read_dir("/tmp/openclaw").ok()?.flatten().map(|entry| entry.path());
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("openclaw-2") && name.ends_with(".log")
    };
    paths.filter(named).max()
}
