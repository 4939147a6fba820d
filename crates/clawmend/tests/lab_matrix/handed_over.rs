//! What only a person can mend: nothing is done that could harm, and it is named.

use super::frame::{self, Fault};
use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{HomeOptions, Life, MockModel, get_json, until};
use serde_json::json;
use std::time::Duration;

/// A turn over a provider that is not there fails after 1–90 s (2026.9.6).
const TURN_BOUND: Duration = Duration::from_secs(240);

/// `bind` is open to the network and there is neither token nor password.
#[test]
fn bind_without_auth() -> Result<()> {
    let Some(mut fault) = frame::prepared("bind without auth", HomeOptions::default(), &[])? else { return Ok(()) };
    fault.guard.home.edit_config(|config| {
        config["gateway"]["bind"] = json!("lan");
        config["gateway"].as_object_mut().map(|gateway| gateway.remove("auth"));
    })?;
    let files = fault.guard.users_files()?;
    fault.guard.start()?;
    let incident = fault.refused_and_told("without auth", 1)?;
    frame::unchanged(&files, &fault.guard.users_files()?)?;
    let first = fault.guard.doctor_names("bind-without-auth")?;
    fault.handed_over(&format!(
        "refused_to_start, {}: {}",
        frame::plain(&first["case"]),
        frame::plain(&incident["cause"]["detail"])
    ));
    Ok(())
}

/// The token is a variable that is not set: OpenClaw boots with a random one (2026.9.6).
#[test]
fn unresolved_variable() -> Result<()> {
    let Some(mut fault) = frame::prepared("unresolved variable", HomeOptions::default(), &[])? else { return Ok(()) };
    fault.guard.home.edit_config(|config| config["gateway"]["auth"]["token"] = json!("${CLAWMEND_LAB_NOT_SET}"))?;
    fault.guard.start()?;
    let port = fault.guard.home.port;
    until("the gateway to be ready", frame::REFUSED_BOUND, || {
        get_json(port, "/readyz").is_ok_and(|(_, body)| body["ready"] == json!(true))
    })?;
    let life = fault.guard.gateway()?;
    let files = fault.guard.users_files()?;
    let first = fault.guard.doctor_names("config-variable-unset")?;
    let check = fault.guard.say(&["config", "check", "--json"])?;
    ensure!(check.stdout.contains("CLAWMEND_LAB_NOT_SET"), "{check:?}");
    serves_untouched(&fault, life)?;
    frame::unchanged(&files, &fault.guard.users_files()?)?;
    fault.handed_over(&format!("{}: {}", frame::plain(&first["case"]), frame::plain(&first["cause"]["detail"])));
    Ok(())
}

/// The model provider is gone: the gateway is well, and each turn fails.
#[test]
fn provider_down() -> Result<()> {
    let model = MockModel::start()?;
    let options = frame::with_model(&model);
    let Some((fault, life)) = frame::healthy("provider down", options, &[])? else { return Ok(()) };
    ensure!(fault.guard.turn(TURN_BOUND)? == "PONG-LAB");
    let port = model.port;
    drop(model);
    until("the provider to be gone", frame::SOON, || get_json(port, "/v1/models").is_err())?;
    let failed = fault.guard.turn(TURN_BOUND);
    ensure!(failed.is_err(), "a turn succeeded without a provider: {failed:?}");
    let first = fault.guard.doctor_names("provider-unreachable")?;
    ensure!(first["cause"]["code"] == json!("provider_unreachable"), "{first}");
    serves_untouched(&fault, life)?;
    fault.handed_over(&format!("provider_unreachable, {}", frame::plain(&first["case"])));
    Ok(())
}

/// Its data was written by a newer version.
#[test]
fn newer_schema() -> Result<()> {
    let Some((fault, life)) = frame::healthy("newer schema", HomeOptions::default(), &[])? else { return Ok(()) };
    fault.guard.order(&["stop"])?;
    life.ended(frame::REFUSED_BOUND)?;
    let path = fault.guard.home.state_dir().join("state/openclaw.sqlite");
    let database = rusqlite::Connection::open(&path).context("the gateway's database")?;
    database.pragma_update(None, "user_version", 9_999)?;
    drop(database);
    let before = std::fs::read(&path)?;
    let starts = fault.guard.starts_issued()?;
    fault.guard.order(&["start"])?;
    fault.refused_and_told("newer", starts + 2)?;
    let first = fault.guard.doctor_names("schema-newer")?;
    ensure!(std::fs::read(&path)? == before, "the database was changed");
    fault.handed_over(&format!("refused_to_start, {}", frame::plain(&first["case"])));
    Ok(())
}

/// The same process serves, and nothing was started anew.
fn serves_untouched(fault: &Fault, life: Life) -> Result<()> {
    fault.guard.left_alone("what only a person can mend", life, Duration::from_secs(15))?;
    let status = fault.guard.status()?;
    ensure!(status["verdict"] == json!("healthy") || status["verdict"] == json!("degraded"), "{status}");
    ensure!(fault.guard.starts_issued()? <= 1, "{:?}", fault.guard.incidents());
    Ok(())
}
