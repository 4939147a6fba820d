//! The config that `standby init` writes, on a real gateway with a Bot API on loopback.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Home, HomeOptions, MockTelegram, RealGateway, lab, until};
use serde_json::json;
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
            "--telegram-token-file",
            token_file,
            "--telegram-user",
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
