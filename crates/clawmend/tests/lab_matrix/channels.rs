//! Channels that are deaf while the gateway is well.

use super::frame::{self, Fault};
use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{BOOT_BOUND, Life, MockTelegram, TelegramMode, get_json, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// OpenClaw itself starts suppressed channels after its window of 300 s and a tick of up to 300 s more.
const SAFE_BOUND: Duration = Duration::from_secs(660);
/// From the refusal to `/readyz` naming the channel: 6 s on a quiet machine.
const DEAF_BOUND: Duration = Duration::from_secs(120);

/// A channel is started soon, so that a lab does not take minutes: 10 s and 30 s by the default policy.
const SOON_STARTED: [(&str, u64); 2] = [("channel_deaf_ms", 2_000), ("channel_retry_ms", 5_000)];

/// Three crashes from outside within 300 s make OpenClaw start without its channels; the guard starts them by RPC.
#[test]
fn suppressed_channels() -> Result<()> {
    let telegram = MockTelegram::start()?;
    let options = frame::with_telegram(&telegram);
    let Some((mut fault, mut life)) = frame::healthy("suppressed channels", options, &[])? else { return Ok(()) };
    for round in 1..=3 {
        let polls = telegram.calls("getUpdates");
        life.signal(Signal::KILL)?;
        life.ended(frame::SOON)?;
        if round < 3 {
            life = fault.guard.healthy()?;
            until("telegram to be polled by the new life", BOOT_BOUND, || telegram.calls("getUpdates") > polls)?;
        }
    }
    let (begin, polls) = (Instant::now(), telegram.calls("getUpdates"));
    until("the bot to listen again", SAFE_BOUND, || telegram.calls("getUpdates") > polls)
        .with_context(|| format!("{:?}\n{}", fault.guard.status(), fault.guard.output_tail()))?;
    let took = begin.elapsed();
    let port = fault.guard.home.port;
    until("nothing suppressed any more", BOOT_BOUND, || {
        get_json(port, "/readyz").is_ok_and(|(_, body)| body["suppressed"].as_array().is_none_or(Vec::is_empty))
    })?;
    ensure!(started_channels(&fault)? > 0, "it was not the guard that started it: {:?}", fault.guard.incidents());
    fault.guard.verdict("healthy", frame::SOON)?;
    fault.repaired_in(took, "channels_suppressed, started by RPC");
    Ok(())
}

/// A token that is refused and then works again: OpenClaw does not try by itself (2026.9.6), so the guard starts the
/// channel, and nothing else.
#[test]
fn deaf_channel() -> Result<()> {
    let telegram = MockTelegram::start()?;
    let options = frame::with_telegram(&telegram);
    let Some((fault, life)) = frame::healthy("deaf channel", options, &SOON_STARTED)? else { return Ok(()) };
    until("telegram to be polled", BOOT_BOUND, || telegram.calls("getUpdates") > 0)?;
    telegram.set_mode(TelegramMode::Unauthorized);
    fault.guard.named("channel_deaf", DEAF_BOUND)?;
    until("the channel to be started in vain", DEAF_BOUND, || started_channels(&fault).is_ok_and(|starts| starts > 0))?;
    telegram.set_mode(TelegramMode::Ok);
    let (begin, polls) = (Instant::now(), telegram.calls("getUpdates"));
    until("the bot to ask for messages again", DEAF_BOUND, || telegram.calls("getUpdates") > polls)?;
    let took = begin.elapsed();
    let incident = fault.guard.ended_as("channel_deaf", &["recovered"])?;
    untouched(&fault, life)?;
    fault.repaired_in(
        took,
        &format!("after the token was good again; channel_deaf, {}", frame::plain(&incident["outcome"])),
    );
    Ok(())
}

/// The bot's token is refused, for good.
#[test]
fn revoked_token() -> Result<()> {
    let telegram = MockTelegram::start()?;
    let options = frame::with_telegram(&telegram);
    let Some((fault, life)) = frame::healthy("revoked token for good", options, &SOON_STARTED)? else { return Ok(()) };
    until("telegram to be polled", BOOT_BOUND, || telegram.calls("getUpdates") > 0)?;
    let files = fault.guard.users_files()?;
    telegram.set_mode(TelegramMode::Unauthorized);
    let incident = fault.guard.named("channel_deaf", DEAF_BOUND)?;
    ensure!(incident["cause"]["detail"].to_string().contains("telegram"), "{incident}");
    let first = fault.guard.doctor_names("channel-credentials-refused")?;
    ensure!(first["cause"]["code"] == json!("channel_deaf"), "{first}");
    let told = fault.guard.told(&incident, "token", DEAF_BOUND)?;
    eprintln!("measured: a person was told: {told}");
    untouched(&fault, life)?;
    frame::unchanged(&files, &fault.guard.users_files()?)?;
    ensure!(fault.guard.last_incident()?["state"] == json!("open"), "{:?}", fault.guard.last_incident());
    fault.handed_over(&format!("channel_deaf ({})", first["case"].as_str().unwrap_or_default()));
    Ok(())
}

/// The gateway goes on as the same process, and nothing was started or ended.
fn untouched(fault: &Fault, life: Life) -> Result<()> {
    fault.guard.left_alone("a deaf channel", life, Duration::from_secs(20))?;
    ensure!(fault.guard.starts_issued()? <= 1, "{:?}", fault.guard.incidents());
    Ok(())
}

fn started_channels(fault: &Fault) -> Result<usize> {
    let incidents = fault.guard.incidents()?;
    let actions: Vec<&Value> = incidents.iter().filter_map(|one| one["actions"].as_array()).flatten().collect();
    Ok(actions.iter().filter(|action| action["action"] == json!("start_channel")).count())
}
