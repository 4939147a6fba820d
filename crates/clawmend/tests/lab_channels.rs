//! A channel that has given up comes back without a restart, on real OpenClaw with a Bot API on loopback.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Form, Guard, HomeOptions, Life, MockTelegram, TelegramMode, until_some};
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// Generous: the machine may be busy.
const BOUND: Duration = Duration::from_secs(180);

#[test]
fn child_deaf_channel_is_started_again() -> Result<()> {
    deaf_channel_is_started_again(Form::Child)
}

#[test]
fn unit_deaf_channel_is_started_again() -> Result<()> {
    deaf_channel_is_started_again(Form::Unit)
}

fn deaf_channel_is_started_again(form: Form) -> Result<()> {
    let telegram = MockTelegram::start()?;
    let options = HomeOptions { telegram: Some(telegram.port), ..HomeOptions::default() };
    let Some(mut guard) = Guard::prepared_in(form, "deaf channel", CLAWMEND, options)? else { return Ok(()) };
    let mut settings = std::fs::OpenOptions::new().append(true).create(true).open(guard.dirs.config())?;
    writeln!(settings, "\n[policy.override]\nchannel_deaf_ms = 2000\nchannel_retry_ms = 2000")?;
    guard.start()?;
    let life = guard.healthy()?;
    revoked_and_restored(&guard, life, &telegram).with_context(|| guard.output_tail())
}

fn revoked_and_restored(guard: &Guard, life: Life, telegram: &MockTelegram) -> Result<()> {
    telegram.set_mode(TelegramMode::Unauthorized);
    let (incident, _) = until_some("the deaf channel to be named and started in vain", BOUND, || {
        let last = guard.last_incident().unwrap_or_default();
        Ok(Some(last).filter(|last| last["cause"]["code"] == json!("channel_deaf") && starts(last) >= 2))
    })?;
    ensure!(incident["state"] == json!("open"), "{incident}");
    let refused = |event: &Value| event["causes"][0]["case"] == json!("channel-credentials-refused");
    until_some("the doctor to name the refused token", BOUND, || {
        Ok(guard.events(&incident)?.into_iter().find(|event| event["event"] == json!("examined") && refused(event)))
    })?;

    telegram.set_mode(TelegramMode::Ok);
    let restored = Instant::now();
    let polls = telegram.calls("getUpdates");
    let (closed, _) = until_some("the channel to be heard again", BOUND, || {
        let last = guard.last_incident().unwrap_or_default();
        Ok(Some(last).filter(|last| last["state"] == json!("closed")))
    })?;
    ensure!(closed["outcome"] == json!("recovered"), "{closed}");
    ensure!(telegram.calls("getUpdates") > polls, "the bot does not ask for messages");
    ensure!(guard.gateway()? == life, "the gateway was restarted for a channel");
    eprintln!(
        "measured: {:?}: well again {:?} after its token was accepted, {} starts, same process",
        guard.form(),
        restored.elapsed(),
        starts(&closed)
    );
    Ok(())
}

fn starts(incident: &Value) -> usize {
    let all = incident["actions"].as_array().map_or(&[][..], Vec::as_slice);
    all.iter().filter(|action| action["action"] == json!("start_channel")).count()
}
