//! A throwaway home with a minimal OpenClaw config and a token of its own. Every secret in it is a canary.

use super::http::free_port;
use super::process::Life;
use super::secrets::secrets;
use crate::canary::{self, Canary};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the config of a home has besides the minimum.
#[derive(Clone, Copy, Debug, Default)]
pub struct HomeOptions {
    /// Port of a mock Bot API: the telegram channel is on and talks to it.
    pub telegram: Option<u16>,
    /// Port of a mock model: turns work, and `/v1/chat/completions` is on.
    pub model: Option<u16>,
    /// `logging.level` is `debug`.
    pub chatty: bool,
}

#[derive(Debug)]
enum Folder {
    /// Removed with the home.
    Own(TempDir),
    /// Another part of the lab removes it.
    Lent(PathBuf),
}

/// A home folder; one of its own is removed when it is dropped.
#[derive(Debug)]
pub struct Home {
    folder: Folder,
    /// The gateway's port by the config.
    pub port: u16,
    /// The gateway's token.
    pub token: String,
}

impl Home {
    /// Makes a home whose config a gateway accepts.
    ///
    /// # Errors
    /// When the folder cannot be made or no port is free.
    pub fn new(options: HomeOptions) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("clawmend-lab-").tempdir().context("a throwaway home")?;
        Self::make(Folder::Own(folder), options)
    }

    /// Makes a home of a folder that somebody else removes.
    ///
    /// # Errors
    /// When it cannot be written or no port is free.
    pub fn at(folder: &Path, options: HomeOptions) -> Result<Self> {
        Self::make(Folder::Lent(folder.to_path_buf()), options)
    }

    fn make(folder: Folder, options: HomeOptions) -> Result<Self> {
        let token = canary::register(Canary::random("the gateway's token", None, &canary::gateway_token()));
        let home = Self { folder, port: free_port()?, token };
        std::fs::create_dir_all(home.state_dir())?;
        std::fs::write(home.state_dir().join(".env"), secrets().env_file())?;
        home.write_config(&home.config(options))?;
        Ok(home)
    }

    /// The minimal config that boots (OpenClaw 2026.9.6), with the options' parts.
    #[must_use]
    pub fn config(&self, options: HomeOptions) -> Value {
        let auth = json!({"mode": "token", "token": self.token});
        let mut config = json!({"gateway": {"mode": "local", "port": self.port, "bind": "loopback", "auth": auth}});
        if let Some(port) = options.telegram {
            config["channels"] = json!({"telegram": {
                "enabled": true,
                "botToken": secrets().bot,
                "apiRoot": format!("http://127.0.0.1:{port}"),
                "dmPolicy": "open",
                "allowFrom": ["*"],
            }});
        }
        if let Some(port) = options.model {
            config["models"] = json!({"providers": {"mock": {
                "baseUrl": format!("http://127.0.0.1:{port}/v1"),
                "apiKey": secrets().model,
                "api": "openai-completions",
                "request": {"allowPrivateNetwork": true},
                "models": [{"id": "mock-1", "name": "Mock 1", "contextWindow": 200_000, "maxTokens": 1024}],
            }}});
            config["agents"] = json!({"defaults": {"model": {"primary": "mock/mock-1"}}});
            config["gateway"]["http"] = json!({"endpoints": {"chatCompletions": {"enabled": true}}});
        }
        if options.chatty {
            config["logging"] = json!({"level": "debug"});
        }
        config
    }

    /// A second view of the same home, for another thread.
    #[must_use]
    pub fn view(&self) -> Self {
        Self { folder: Folder::Lent(self.path().to_path_buf()), port: self.port, token: self.token.clone() }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.folder {
            Folder::Own(folder) => folder.path(),
            Folder::Lent(folder) => folder,
        }
    }

    /// `~/.openclaw`.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.path().join(".openclaw")
    }

    /// `~/.openclaw/openclaw.json`.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.state_dir().join("openclaw.json")
    }

    /// The config on disk.
    ///
    /// # Errors
    /// When it is not plain JSON.
    pub fn read_config(&self) -> Result<Value> {
        Ok(serde_json::from_str(&std::fs::read_to_string(self.config_path())?)?)
    }

    /// Replaces the config in one step.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_config(&self, config: &Value) -> Result<()> {
        self.write_config_text(&serde_json::to_string_pretty(config)?)
    }

    /// Replaces the config with any text, good or bad, in one step.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_config_text(&self, text: &str) -> Result<()> {
        let next = self.state_dir().join("openclaw.json.lab");
        std::fs::write(&next, text)?;
        std::fs::rename(&next, self.config_path()).context("replacing the config")
    }

    /// Changes one part of the config.
    ///
    /// # Errors
    /// When the config is not plain JSON or cannot be written.
    pub fn edit_config(&self, edit: impl FnOnce(&mut Value)) -> Result<()> {
        let mut config = self.read_config()?;
        edit(&mut config);
        self.write_config(&config)
    }

    /// Edits the config every two seconds until told to stop: a hot key that the gateway takes up and logs. Counts.
    pub fn chat(&self, over: &AtomicBool, edits: &AtomicU32) {
        while !over.load(Ordering::Relaxed) {
            let number = edits.fetch_add(1, Ordering::Relaxed);
            let level = if number.is_multiple_of(2) { "trace" } else { "debug" };
            let _ = self.edit_config(|config| config["logging"] = json!({"level": level}));
            let next = Instant::now() + Duration::from_secs(2);
            while Instant::now() < next && !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// The live gateway of this home: pid and start time by its lock file, checked against the kernel.
    ///
    /// # Errors
    /// When there is no lock, or it names a process that has ended.
    pub fn gateway(&self) -> Result<Life> {
        let locks = self.state_dir().join(format!("tmp/openclaw-{}", rustix::process::getuid().as_raw()));
        let path = locks.join("gateway.state.lock");
        let text = std::fs::read(&path).with_context(|| format!("no lock {}", path.display()))?;
        let lock: Value = serde_json::Deserializer::from_slice(&text)
            .into_iter()
            .next()
            .context("the lock is empty")?
            .context("the lock is not JSON")?;
        let number =
            |name: &str| lock.get(name).and_then(Value::as_u64).with_context(|| format!("no {name} in the lock"));
        let locked = Life { pid: u32::try_from(number("pid")?)?, start: number("startTime")? };
        if !locked.alive() {
            bail!("the lock names {locked:?}, which has ended");
        }
        Ok(locked)
    }
}
