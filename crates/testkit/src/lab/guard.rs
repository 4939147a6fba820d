//! The `clawmend` program over a real gateway, seen only from outside: its commands, its JSON, its processes.

use super::BOOT_BOUND;
use super::gateway::{openclaw_command, turn};
use super::home::Home;
use super::http::get_json;
use super::permit::Permit;
use super::process::{Life, NONCE_VARIABLE, lives_with_nonce, new_nonce, sweep};
use super::wait::{until, until_some};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a command said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Results.
    pub stdout: String,
    /// Messages.
    pub stderr: String,
}

impl Answer {
    /// Its results as JSON.
    ///
    /// # Errors
    /// When they are something else.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON from the command: {self:?}"))
    }
}

/// Folders of a guard of the lab's own: nothing of the user's own guard is read or written.
#[derive(Debug)]
pub struct GuardDirs {
    folder: TempDir,
}

impl GuardDirs {
    /// Makes them, empty.
    ///
    /// # Errors
    /// When there is no room.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("clawmend-guard-").tempdir()?;
        for name in ["state", "runtime"] {
            let path = folder.path().join(name);
            std::fs::create_dir(&path)?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        }
        Ok(Self { folder })
    }

    /// `CLAWMEND_STATE_DIR`.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// `CLAWMEND_RUNTIME_DIR`.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.folder.path().join("runtime")
    }

    /// `CLAWMEND_CONFIG`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("clawmend.toml")
    }

    /// What the guard wrote to its standard streams.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.folder.path().join("guard-output.txt")
    }
}

/// The variables that a `clawmend` command of a lab gets: nothing of the host but what is named here.
pub fn clawmend_command(permit: &Permit, home: &Home, dirs: &GuardDirs, program: &Path, nonce: &str) -> Command {
    let mut command = openclaw_command(permit, home, program.to_path_buf());
    command
        .env("CLAWMEND_STATE_DIR", dirs.state())
        .env("CLAWMEND_RUNTIME_DIR", dirs.runtime())
        .env("CLAWMEND_CONFIG", dirs.config())
        .env("NO_COLOR", "1")
        .env(NONCE_VARIABLE, nonce);
    command
}

/// A guard, its keeper and its gateway. All are ended when it is dropped.
#[derive(Debug)]
pub struct Guard {
    permit: Permit,
    program: PathBuf,
    /// The gateway's home.
    pub home: Home,
    /// The guard's folders.
    pub dirs: GuardDirs,
    nonce: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    child: Option<Child>,
    predecessors: Vec<Child>,
}

impl Guard {
    /// Prepares a guard that supervises `openclaw gateway run` as a child; [`Guard::start`] starts it.
    ///
    /// # Errors
    /// When its folders cannot be made.
    pub fn over_child(permit: Permit, program: &str, home: Home) -> Result<Self> {
        Self::with_arguments(permit, program, home, &["run", "--", "openclaw", "gateway", "run"])
    }

    /// Prepares a guard with other arguments.
    ///
    /// # Errors
    /// When its folders cannot be made.
    pub fn with_arguments(permit: Permit, program: &str, home: Home, arguments: &[&str]) -> Result<Self> {
        Ok(Self {
            permit,
            program: PathBuf::from(program),
            home,
            dirs: GuardDirs::new()?,
            nonce: new_nonce(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            variables: Vec::new(),
            child: None,
            predecessors: Vec::new(),
        })
    }

    /// One more variable for the guard, its commands and what they start.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Uses another build of the program from the next start on.
    pub fn set_program(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// The lab's permit.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Marks all processes of this lab.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// A `clawmend` command for this guard.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = clawmend_command(&self.permit, &self.home, &self.dirs, &self.program, &self.nonce);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// An `openclaw` command in the gateway's home, with the lab's variables.
    #[must_use]
    pub fn openclaw(&self) -> Command {
        let mut command = openclaw_command(&self.permit, &self.home, self.permit.cache.openclaw());
        command.env(NONCE_VARIABLE, &self.nonce).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the guard; does not wait for anything.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&mut self) -> Result<()> {
        let output = File::options().append(true).create(true).open(self.dirs.output())?;
        let mut command = self.command();
        let child = command
            .args(&self.arguments)
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        self.predecessors.extend(self.child.replace(child));
        Ok(())
    }

    /// The guard's own life.
    ///
    /// # Errors
    /// When it is not running.
    pub fn life(&self) -> Result<Life> {
        Life::of(self.child.as_ref().context("the guard was not started")?.id())
    }

    /// Ends the guard, and only it, by SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the guard was not started")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks the guard, and only it, to end, and returns its exit code.
    ///
    /// # Errors
    /// When it does not end.
    pub fn terminate(&mut self) -> Result<Option<i32>> {
        self.life()?.signal(Signal::TERM)?;
        let mut child = self.child.take().context("the guard was not started")?;
        let ended = until_some("the guard to end after SIGTERM", Duration::from_secs(60), || Ok(child.try_wait()?));
        if ended.is_err() {
            self.child = Some(child);
        }
        Ok(ended?.0.code())
    }

    /// Waits until the guard ends by itself, and returns its exit code.
    ///
    /// # Errors
    /// When it does not end.
    pub fn ended(&mut self, bound: Duration) -> Result<Option<i32>> {
        let child = self.child.as_mut().context("the guard was not started")?;
        let (status, _) = until_some("the guard to end", bound, || Ok(child.try_wait()?))?;
        self.child = None;
        Ok(status.code())
    }

    /// Whether the guard runs.
    pub fn running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    /// Runs one `clawmend` command.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn say(&self, arguments: &[&str]) -> Result<Answer> {
        let output = self.command().args(arguments).output().context("running clawmend")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Ok(Answer { code, stdout: text(output.stdout), stderr: text(output.stderr) })
    }

    /// Runs a `clawmend` command that must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub fn order(&self, arguments: &[&str]) -> Result<Answer> {
        let answer = self.say(arguments)?;
        ensure!(answer.code == 0, "clawmend {} failed: {answer:?}", arguments.join(" "));
        Ok(answer)
    }

    /// The gateway's part of `status --json`.
    ///
    /// # Errors
    /// When the command gives none.
    pub fn status(&self) -> Result<Value> {
        let json = self.say(&["status", "--json"])?.json()?;
        ensure!(json["schema"] == json!(1), "status --json has no schema 1: {json}");
        Ok(json["gateways"].get(0).with_context(|| format!("no gateway in the status: {json}"))?.clone())
    }

    /// All incidents of `incidents --json`, newest or oldest first as they come.
    ///
    /// # Errors
    /// When the command gives none.
    pub fn incidents(&self) -> Result<Vec<Value>> {
        let json = self.say(&["incidents", "--json"])?.json()?;
        Ok(json["incidents"].as_array().with_context(|| format!("no incidents in: {json}"))?.clone())
    }

    /// The incident with the greatest id.
    ///
    /// # Errors
    /// When there is none.
    pub fn last_incident(&self) -> Result<Value> {
        let number = |incident: &Value| {
            let id = &incident["id"];
            id.as_str().map_or_else(|| id.as_u64(), |text| text.parse().ok()).unwrap_or(0)
        };
        self.incidents()?.into_iter().max_by_key(number).context("there is no incident")
    }

    /// Waits for a verdict.
    ///
    /// # Errors
    /// When it does not come; the text has the last status.
    pub fn verdict(&self, wanted: &str, bound: Duration) -> Result<Duration> {
        let mut last = Value::Null;
        let mut next = Instant::now();
        let seen = until(&format!("the verdict {wanted}"), bound, || {
            // One CLI process per 100 ms at most: the lab must not starve what it measures.
            if Instant::now() < next {
                return false;
            }
            next = Instant::now() + Duration::from_millis(100);
            last = self.status().unwrap_or_else(|error| json!(format!("{error:#}")));
            last["verdict"] == json!(wanted)
        });
        seen.with_context(|| format!("last status: {last}\n{}", self.output_tail()))
    }

    /// Waits until the gateway is ready and the guard says healthy; returns the gateway's life.
    ///
    /// # Errors
    /// When it does not come so far.
    pub fn healthy(&mut self) -> Result<Life> {
        let port = self.home.port;
        until_some("the gateway's /readyz to say ready", BOOT_BOUND, || {
            ensure!(self.running(), "the guard has ended");
            Ok(get_json(port, "/readyz").is_ok_and(|(_, body)| body["ready"] == json!(true)).then_some(()))
        })
        .with_context(|| self.output_tail())?;
        self.verdict("healthy", Duration::from_secs(30))?;
        self.home.gateway()
    }

    /// Waits for a life of the gateway that is not `old`, found by the nonce, long before it writes its lock.
    ///
    /// # Errors
    /// When none comes.
    pub fn replacement(&self, old: Life, bound: Duration) -> Result<(Life, Duration)> {
        until_some("a replacement of the gateway", bound, || Ok(self.gateways().into_iter().find(|life| *life != old)))
            .with_context(|| self.output_tail())
    }

    /// Live gateway processes of this lab: what was started as `openclaw … gateway`, without their helpers.
    #[must_use]
    pub fn gateways(&self) -> Vec<Life> {
        let candidates: Vec<Life> =
            lives_with_nonce(&self.nonce).into_iter().filter(|life| is_gateway(life.pid)).collect();
        let pids: Vec<u32> = candidates.iter().map(|life| life.pid).collect();
        candidates.into_iter().filter(|life| life.parent().is_none_or(|parent| !pids.contains(&parent))).collect()
    }

    /// One turn through the gateway.
    ///
    /// # Errors
    /// When no completion comes.
    pub fn turn(&self, patience: Duration) -> Result<String> {
        turn(self.home.port, &self.home.token, patience)
    }

    /// The last lines of what the guard wrote.
    #[must_use]
    pub fn output_tail(&self) -> String {
        let text = std::fs::read_to_string(self.dirs.output()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("the guard's last lines:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"))
    }
}

/// By its command line: OpenClaw rewrites it to `openclaw-gateway` when it is up (2026.9.6, `gateway run`), before that
/// it is `node …/openclaw gateway run`. The guard's and keeper's own lines hold these words, too, after their own name.
fn is_gateway(pid: u32) -> bool {
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let arguments: Vec<String> =
        line.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    let program = arguments.first().map(String::as_str).unwrap_or_default();
    if program.starts_with("openclaw-gateway") {
        return true;
    }
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    matches!(name, "node" | "openclaw" | "env" | "MainThread") && arguments.iter().any(|argument| argument == "gateway")
}

impl Drop for Guard {
    fn drop(&mut self) {
        sweep(&self.nonce);
        for child in self.child.iter_mut().chain(&mut self.predecessors) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
