//! A real gateway as a plain process, without any guard.

use super::home::Home;
use super::http::{get_json, request};
use super::permit::Permit;
use super::process::{Life, NONCE_VARIABLE, RUN_VARIABLE, new_nonce, sweep};
use super::wait::{until, until_some};
use super::{BOOT_BOUND, STOP_BOUND};
use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// A running gateway. Ended when it is dropped.
#[derive(Debug)]
pub struct RealGateway {
    child: Child,
    nonce: String,
    port: u16,
    token: String,
    output: PathBuf,
    /// Its life.
    pub life: Life,
}

/// A command of the installed OpenClaw in this home, with a clean environment.
pub(super) fn openclaw_command(permit: &Permit, home: &Home, program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", permit.cache.path_variable())
        .env("HOME", home.path())
        .env("LANG", "C.UTF-8")
        .env("OPENCLAW_NO_AUTO_UPDATE", "1")
        .current_dir(home.path())
        .stdin(std::process::Stdio::null());
    if let Some(mark) = std::env::var_os(RUN_VARIABLE) {
        command.env(RUN_VARIABLE, mark);
    }
    command
}

impl RealGateway {
    /// Starts `openclaw gateway run` in this home; does not wait for its boot.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(permit: &Permit, home: &Home) -> Result<Self> {
        Self::start_with(permit, home, &[])
    }

    /// The same with more variables in its environment.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_with(permit: &Permit, home: &Home, variables: &[(&str, &str)]) -> Result<Self> {
        let nonce = new_nonce();
        let output = home.path().join("gateway-output.txt");
        let file = File::options().append(true).create(true).open(&output)?;
        let child = openclaw_command(permit, home, permit.cache.openclaw())
            .args(["gateway", "run"])
            .env(NONCE_VARIABLE, &nonce)
            .envs(variables.iter().copied())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("starting openclaw")?;
        let life = Life::of(child.id())?;
        Ok(Self { child, nonce, port: home.port, token: home.token.clone(), output, life })
    }

    /// Waits until `/readyz` says ready, and returns how long that took.
    ///
    /// # Errors
    /// When it ends or does not become ready; the text has the end of its output.
    pub fn ready(&mut self) -> Result<Duration> {
        let port = self.port;
        let child = &mut self.child;
        let mut ended = None;
        let waited = until("the gateway's /readyz to say ready", BOOT_BOUND, || {
            ended = child.try_wait().ok().flatten();
            ended.is_some() || get_json(port, "/readyz").is_ok_and(|(_, body)| body["ready"] == json!(true))
        });
        let said = || self.output_tail();
        anyhow::ensure!(ended.is_none(), "the gateway ended with {ended:?} during its boot:\n{}", said());
        waited.with_context(said)
    }

    /// The last lines of what it wrote.
    #[must_use]
    pub fn output_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.output).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Everything that it wrote so far.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Sends a signal to this life.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.life.signal(signal)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `bound`.
    pub fn exited(&mut self, bound: Duration) -> Result<(ExitStatus, Duration)> {
        until_some("the gateway's end", bound, || Ok(self.child.try_wait()?))
    }

    /// SIGTERM, and the end that follows.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        Ok(self.exited(STOP_BOUND)?.0)
    }

    /// Asks for one turn, and waits for the answer's text.
    ///
    /// # Errors
    /// When the answer is not a completion.
    pub fn turn(&self, patience: Duration) -> Result<String> {
        turn(self.port, &self.token, patience)
    }
}

/// One turn over the OpenAI-compatible endpoint of the gateway at this port.
pub(super) fn turn(port: u16, token: &str, patience: Duration) -> Result<String> {
    let body = json!({"model": "openclaw", "user": "lab", "messages": [{"role": "user", "content": "ping"}]});
    let reply = request(port, "POST", "/v1/chat/completions", Some(token), Some(&body), patience)?;
    let json: Value = reply.json()?;
    let text = json["choices"][0]["message"]["content"].as_str();
    Ok(text.with_context(|| format!("status {}: {json}", reply.status))?.to_owned())
}

impl Drop for RealGateway {
    fn drop(&mut self) {
        sweep(&self.nonce);
        let _ = self.child.wait();
    }
}
