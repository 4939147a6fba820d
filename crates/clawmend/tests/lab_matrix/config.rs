//! The config broke, and the gateway refuses to start with it.

use super::frame;
use anyhow::{Result, ensure};
use clawmend_testkit::lab::{
    BREAKINGS, HomeOptions, Life, closed_with_restore, end_in_order, proven, rejected_is_kept, until,
};
use rustix::process::Signal;
use serde_json::{Value, json};

/// So that a config is proven soon: 60 s by the default policy.
const PROVEN_SOON: [(&str, u64); 1] = [("config_proven_after_ms", 3_000)];

fn broken(name: &'static str) -> Result<()> {
    let Some((mut fault, life)) = frame::healthy(name, HomeOptions::default(), &PROVEN_SOON)? else { return Ok(()) };
    let breaking = BREAKINGS.into_iter().find(|one| one.name == name).expect("a way to break a config");
    let incident = breaking.restored(&mut fault.guard, || end_in_order(life))?;
    ensure!(incident["cause"]["code"] == json!("refused_to_start"), "{incident}");
    fault.repaired(&incident)
}

#[test]
fn truncated_config() -> Result<()> {
    broken("truncated config")
}

#[test]
fn unknown_key() -> Result<()> {
    broken("unknown key")
}

#[test]
fn wrong_type() -> Result<()> {
    broken("wrong type")
}

#[test]
fn deleted_config() -> Result<()> {
    broken("deleted config")
}

#[test]
fn missing_mode() -> Result<()> {
    broken("missing mode")
}

/// A writer that does not replace the file in one step is killed half-way, and the gateway with it.
#[test]
fn half_written_config() -> Result<()> {
    let name = "half-written config with the gateway killed";
    let Some((mut fault, life)) = frame::healthy(name, HomeOptions::default(), &PROVEN_SOON)? else { return Ok(()) };
    until("the present config to be proven", frame::SOON, || proven(&fault.guard).unwrap_or(false))?;
    let good = fault.guard.home.read_config()?;
    let mut next = good.clone();
    next["logging"] = json!({"level": "debug"});
    let next = serde_json::to_string_pretty(&next)?;
    write_half_and_kill(&fault.guard.home.config_path(), &next, life)?;
    let incident = closed_with_restore(&fault.guard)?;
    fault.guard.healthy()?;
    ensure!(without_notes(fault.guard.home.read_config()?) == without_notes(good), "another config came back");
    ensure!(rejected_is_kept(&fault.guard)?, "the half that was written is not kept beside");
    ensure!(incident["cause"]["code"] == json!("refused_to_start"), "{incident}");
    fault.repaired(&incident)
}

fn write_half_and_kill(path: &std::path::Path, text: &str, life: Life) -> Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::options().write(true).truncate(true).open(path)?;
    file.write_all(&text.as_bytes()[..text.len() / 2])?;
    file.flush()?;
    life.signal(Signal::KILL)?;
    life.ended(frame::SOON)?;
    Ok(())
}

/// OpenClaw's own notes may have come or gone.
fn without_notes(mut config: Value) -> Value {
    config.as_object_mut().map(|map| map.remove("meta"));
    config
}
