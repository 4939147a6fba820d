//! What a guard and its gateway look like from outside: JSON, processes, HTTP.

use super::BOOT_BOUND;
use super::gateway::turn;
use super::guard::{Guard, Manager};
use super::http::get_json;
use super::process::{Life, lives_with_nonce};
use super::wait::{until, until_some};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

impl Guard {
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

    /// Everything that was recorded of an incident, in order.
    ///
    /// # Errors
    /// When the command gives none.
    pub fn events(&self, incident: &Value) -> Result<Vec<Value>> {
        let id = &incident["id"];
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let json = self.say(&["incidents", "show", &id, "--json"])?.json()?;
        Ok(json["events"].as_array().with_context(|| format!("no events in: {json}"))?.clone())
    }

    /// How long after the end of the child before it the keeper had this child executed, by the keeper's own clock.
    ///
    /// # Errors
    /// When the keeper does not tell.
    pub fn executed_after_end(&self, life: Life) -> Result<Duration> {
        let (record, _) = until_some("the keeper's record of a child", Duration::from_secs(10), || {
            let record = keepers_record(&self.dirs.runtime()).context("no record")?;
            Ok(Some(record["child"].clone()).filter(|child| child["incarnation"]["pid"] == life.pid))
        })?;
        record["after_end_us"].as_u64().map(Duration::from_micros).with_context(|| format!("no time in {record}"))
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
        let life = self.home.gateway()?;
        self.say_a_secret(life)?;
        Ok(life)
    }

    /// Waits for a life of the gateway that is not `old`, found by the nonce, long before it writes its lock.
    ///
    /// # Errors
    /// When none comes.
    pub fn replacement(&self, old: Life, bound: Duration) -> Result<(Life, Duration)> {
        until_some("a replacement of the gateway", bound, || Ok(self.gateways().into_iter().find(|life| *life != old)))
            .with_context(|| self.output_tail())
    }

    /// Live gateway processes of this lab: what was started as `openclaw … gateway`, without their helpers;
    /// the main process in the unit's form.
    #[must_use]
    pub fn gateways(&self) -> Vec<Life> {
        if self.manager.is_some() {
            return self.main_process().ok().flatten().into_iter().collect();
        }
        let candidates: Vec<Life> =
            lives_with_nonce(self.nonce()).into_iter().filter(|life| is_gateway(life.pid)).collect();
        let pids: Vec<u32> = candidates.iter().map(|life| life.pid).collect();
        candidates.into_iter().filter(|life| life.parent().is_none_or(|parent| !pids.contains(&parent))).collect()
    }

    /// The keeper of the default gateway: who holds its lock. Others begin and end beside it: whoever starts one, and
    /// a second one that came too late.
    ///
    /// # Errors
    /// When there is none.
    pub fn keeper(&self) -> Result<Life> {
        let note = std::fs::read_to_string(self.dirs.runtime().join("default/keeper.lock"))?;
        let pid: u32 = note.trim().rsplit(' ').next().unwrap_or_default().parse().context("the keeper's lock")?;
        let ours = lives_with_nonce(self.nonce()).into_iter().find(|life| life.pid == pid);
        ours.with_context(|| format!("the lock names {pid}, which is no keeper of this lab"))
    }

    /// The unit's main process. An empty cgroup says that there is none, without the cost of asking the manager.
    fn main_process(&self) -> Result<Option<Life>> {
        if self.manager.as_ref().is_some_and(Manager::holds_nothing) {
            return Ok(None);
        }
        let pid: u32 = self.property("MainPID")?.parse()?;
        Ok(Some(pid).filter(|pid| *pid != 0).and_then(|pid| Life::of(pid).ok()).filter(Life::alive))
    }

    /// No gateway lives. A manager that cannot be asked is an error, never a gateway that has ended.
    fn nothing_lives(&self) -> Result<bool> {
        if self.manager.is_some() { Ok(self.main_process()?.is_none()) } else { Ok(self.gateways().is_empty()) }
    }

    /// The only live gateway process.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn gateway(&self) -> Result<Life> {
        let lives = self.gateways();
        ensure!(lives.len() == 1, "expected one gateway, found {lives:?}\n{}", self.output_tail());
        lives.into_iter().next().context("no gateway")
    }

    /// Watches that this very life goes on.
    ///
    /// # Errors
    /// When it ends, or another one is there.
    pub fn left_alone(&self, what: &str, life: Life, time: Duration) -> Result<()> {
        super::hold(what, time, || Ok(life.alive()))
            .with_context(|| format!("{:?}\n{}", self.incidents(), self.output_tail()))
    }

    /// Watches that no gateway is started.
    ///
    /// # Errors
    /// When one runs.
    pub fn stays_ended(&self, what: &str, time: Duration) -> Result<()> {
        super::hold(what, time, || self.nothing_lives())
            .with_context(|| format!("{:?}\n{}", self.incidents(), self.output_tail()))
    }

    /// Waits until no gateway runs.
    ///
    /// # Errors
    /// When one still runs after `bound`.
    pub fn ended_gateway(&self, bound: Duration) -> Result<Duration> {
        until_some("the gateway to end", bound, || Ok(self.nothing_lives()?.then_some(())))
            .map(|((), took)| took)
            .with_context(|| self.output_tail())
    }

    /// The newest incident once it names this cause.
    ///
    /// # Errors
    /// When it does not come; the text has the last one.
    pub fn named(&self, code: &str, bound: Duration) -> Result<Value> {
        let mut last = Value::Null;
        until_some(&format!("an incident with the cause {code}"), bound, || {
            std::thread::sleep(Duration::from_millis(100));
            last = self.last_incident()?;
            Ok((last["cause"]["code"] == json!(code)).then(|| last.clone()))
        })
        .map(|(incident, _)| incident)
        .with_context(|| format!("last incident: {last}; status: {:?}\n{}", self.status(), self.output_tail()))
    }

    /// One turn through the gateway.
    ///
    /// # Errors
    /// When no completion comes.
    pub fn turn(&self, patience: Duration) -> Result<String> {
        turn(self.home.port, &self.home.token, patience)
    }

    /// Runs a command that is given lines on its standard input: its exit code, and what it says.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn typed(&self, arguments: &[&str], lines: &[&str]) -> Result<(i32, String)> {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut input = child.stdin.take().context("no standard input")?;
        for line in lines {
            writeln!(input, "{line}")?;
        }
        drop(input);
        let output = child.wait_with_output()?;
        self.look_through(arguments, &[&output.stdout, &output.stderr]);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code().unwrap_or(-1), said))
    }

    /// Whatever the guard keeps and says, apart from generations of OpenClaw's config.
    ///
    /// # Errors
    /// When its output or a folder cannot be read.
    pub fn own_files(&self) -> Result<String> {
        let mut folders = vec![self.dirs.state(), self.dirs.runtime()];
        let mut all = std::fs::read(self.dirs.output())?;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)?.flatten() {
                let path = entry.path();
                if path.is_dir() && !path.ends_with("generations") {
                    folders.push(path);
                } else if path.is_file() {
                    all.extend(std::fs::read(path).unwrap_or_default());
                }
            }
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    }
}

/// What the keeper wrote for a successor: `state.json`, in a folder below this one.
fn keepers_record(folder: &Path) -> Option<Value> {
    let paths: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    let own = paths.iter().find(|path| path.file_name().is_some_and(|name| name == "state.json"));
    if let Some(own) = own {
        return serde_json::from_slice(&std::fs::read(own).ok()?).ok();
    }
    paths.iter().filter(|path| path.is_dir()).find_map(|path| keepers_record(path))
}

/// By its command line: OpenClaw rewrites it to `openclaw-gateway` when it is up (2026.9.6, `gateway run`), before that
/// it is `node …/openclaw gateway run`. The guard's and keeper's own lines hold these words, too, after their own name.
fn is_gateway(pid: u32) -> bool {
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let arguments: Vec<String> =
        line.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    let program = arguments.first().map(String::as_str).unwrap_or_default();
    // While it boots its title is `openclaw` alone, without arguments.
    if program == "openclaw" || program.starts_with("openclaw-gateway") {
        return true;
    }
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    matches!(name, "node" | "openclaw" | "env" | "MainThread") && arguments.iter().any(|argument| argument == "gateway")
}
