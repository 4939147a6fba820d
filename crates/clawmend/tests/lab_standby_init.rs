//! What `standby init` writes: the config, on a real gateway with a Bot API on loopback, and the guard's unit, in a real
//! user manager.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{
    Home, HomeOptions, MockTelegram, RealGateway, free_port, get_json, lab, skipped, until, until_some,
};
use clawmend_testkit::systemd_lab::{LAB_TOKEN, SystemdLab, Unavailable, openclaw_path};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
const BOUND: Duration = Duration::from_secs(180);

fn clawmend(home: &Home, arguments: &[&str]) -> Result<Output> {
    let folder = home.path();
    Ok(Command::new(CLAWMEND)
        .arg("--config")
        .arg(folder.join("clawmend.toml"))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("CLAWMEND_STATE_DIR", folder.join("guard"))
        .output()?)
}

fn init(home: &Home, token_file: &Path) -> Result<Output> {
    let token_file = token_file.to_str().context("a path")?;
    clawmend(
        home,
        &[
            "standby",
            "init",
            "--side",
            "standby",
            "--peer",
            "10.0.0.1:18790",
            "--channel",
            "telegram",
            "--secret-file",
            token_file,
            "--user",
            "42",
        ],
    )
}

#[test]
fn a_gateway_runs_on_what_init_wrote() -> Result<()> {
    let Some(permit) = lab("standby init")? else { return Ok(()) };
    let telegram = MockTelegram::start()?;
    let home = Home::new(HomeOptions::default())?;
    std::fs::remove_file(home.config_path())?;
    let token_file = home.path().join("token");
    std::fs::write(&token_file, "100000001:LAB-mock-token-of-a-lab-0000000000\n")?;

    std::fs::set_permissions(&token_file, std::fs::Permissions::from_mode(0o644))?;
    let open = init(&home, &token_file)?;
    ensure!(!open.status.success() && String::from_utf8_lossy(&open.stderr).contains("chmod 600"), "{open:?}");
    ensure!(!home.config_path().exists() && !home.path().join("clawmend.toml").exists(), "half done");

    std::fs::set_permissions(&token_file, std::fs::Permissions::from_mode(0o600))?;
    let done = init(&home, &token_file)?;
    ensure!(done.status.success(), "{done:?}");
    let mode = std::fs::metadata(home.config_path())?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "{mode:o}");
    let written = std::fs::read_to_string(home.config_path())?;
    ensure!(!written.contains("LAB-mock-token"), "the token stays in its file");

    // Only where the Bot API and the port are is this lab's own.
    home.edit_config(|config| {
        config["gateway"]["port"] = json!(home.port);
        config["channels"]["telegram"]["apiRoot"] = json!(format!("http://127.0.0.1:{}", telegram.port));
    })?;
    let mut gateway = RealGateway::start(&permit, &home)?;
    gateway.ready()?;
    until("the bot to ask for messages", BOUND, || telegram.calls("getUpdates") > 0)?;

    let before = std::fs::read(home.config_path())?;
    std::fs::remove_file(home.path().join("clawmend.toml"))?;
    let again = init(&home, &token_file)?;
    ensure!(!again.status.success(), "{again:?}");
    ensure!(String::from_utf8_lossy(&again.stderr).contains("is there already, and stays"), "{again:?}");
    ensure!(std::fs::read(home.config_path())? == before, "a config of a person was touched");
    Ok(())
}

/// A user manager, and the folders of its user.
struct Manager {
    lab: SystemdLab,
    path: std::ffi::OsString,
    _root: tempfile::TempDir,
}

impl Manager {
    fn start() -> Result<Self, Unavailable> {
        let root = tempfile::tempdir().map_err(|error| Unavailable(error.to_string()))?;
        let (lab, path) = (SystemdLab::start(root.path())?, openclaw_path()?);
        if lab.is_own() { Ok(Self { lab, path, _root: root }) } else { Err(Unavailable("needs root".to_owned())) }
    }

    fn clawmend(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.lab.command(CLAWMEND).args(arguments).env("PATH", &self.path).output()?)
    }

    fn systemctl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.lab.systemctl(arguments)?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The gateway, once a guard says that it is well.
    fn healthy(&self) -> Result<Value> {
        let mut last = String::new();
        let found = until_some("the gateway to be healthy", BOUND, || {
            let output = self.clawmend(&["status", "--json"])?;
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            last = format!("{output:?}");
            Ok((status["gateways"][0]["verdict"] == json!("healthy")).then(|| status["gateways"][0].clone()))
        });
        Ok(found.with_context(|| last)?.0)
    }
}

#[test]
fn a_guard_runs_as_the_unit_that_init_wrote() -> Result<()> {
    const NAME: &str = "a guard as a unit";
    let Some(_permit) = lab(NAME)? else { return Ok(()) };
    let manager = match Manager::start() {
        Ok(manager) => manager,
        Err(reason) => {
            skipped(NAME, &clawmend_testkit::lab::Unavailable(reason.0));
            return Ok(());
        }
    };
    let state = manager.lab.home().join(".openclaw");
    let (port, listen) = (free_port()?, format!("127.0.0.1:{}", free_port()?));
    let config = json!({"gateway": {"mode": "local", "port": port, "bind": "loopback",
        "auth": {"mode": "token", "token": LAB_TOKEN}}});
    std::fs::create_dir_all(&state)?;
    std::fs::write(state.join("openclaw.json"), config.to_string())?;

    let done = manager.clawmend(&["standby", "init", "--side", "primary", "--listen", &listen])?;
    ensure!(done.status.success(), "{done:?}");
    let guide = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(guide.contains("systemctl --user daemon-reload && systemctl --user enable --now clawmend"), "{guide}");
    ensure!(manager.lab.systemctl(["is-enabled", "clawmend"])?.stdout != b"enabled\n", "nobody has enabled it yet");
    manager.systemctl(&["daemon-reload"])?;
    manager.systemctl(&["enable", "--now", "clawmend"])?;
    let pid = || Ok::<_, anyhow::Error>(manager.healthy()?["incarnation"]["pid"].clone());
    let life = pid()?;
    ensure!(life.is_u64(), "{life}");

    // The guard is started anew by systemd, and the gateway goes on.
    let main = || manager.systemctl(&["show", "--property", "MainPID", "--value", "clawmend"]);
    let first = main()?;
    manager.systemctl(&["kill", "--kill-whom=main", "--signal=KILL", "clawmend"])?;
    until("another guard", BOUND, || main().is_ok_and(|pid| pid != first && pid != "0"))?;
    let now = pid()?;
    ensure!(now == life, "the gateway did not outlive its guard: it was {life}, and is {now}");

    // Stopped, it leaves the gateway alone, and finds it again.
    manager.systemctl(&["stop", "clawmend"])?;
    ensure!(get_json(port, "/healthz")?.0 == 200, "the gateway went with its guard");
    manager.systemctl(&["start", "clawmend"])?;
    let now = pid()?;
    ensure!(now == life, "the gateway was started anew: it was {life}, and is {now}");
    Ok(())
}
