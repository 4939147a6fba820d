//! A pair whose standby is warm: its gateway runs, with its channels off, and is not started when it takes over.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "pair/mod.rs"]
mod pair;

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Life, hold, until};
use pair::{BOUND, PRIMARY, Pair, workspace};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The standby is armed, and warm.
fn warm_pair(name: &str) -> Result<Option<(Pair, Life)>> {
    let Some(pair) = Pair::start_with(name, &["--fast", "--warm"])? else { return Ok(None) };
    pair.armed()?;
    is_warm(&pair)?;
    let life = pair.standby.gateway()?;
    Ok(Some((pair, life)))
}

/// It stands by, its gateway serves, and its channel is off by its config.
fn is_warm(pair: &Pair) -> Result<()> {
    pair.reports("the standby to be warm", |report| {
        report["role"] == json!("watching") && report["warm"] == json!(true)
    })?;
    pair.standby.verdict("healthy", BOUND)?;
    let config = pair.standby.home.read_config()?;
    ensure!(config["channels"]["telegram"]["enabled"] == json!(false), "{}", config["channels"]["telegram"]["enabled"]);
    Ok(())
}

fn polls(pair: &Pair) -> usize {
    pair.standby_bot.calls("getUpdates")
}

/// From now until the standby's bot polls anew.
fn polls_after(pair: &Pair, began: Instant, before: usize) -> Result<Duration> {
    until("the standby's bot to poll", BOUND, || polls(pair) > before)?;
    Ok(began.elapsed())
}

fn steps(report: &Value) -> Vec<(String, bool, String)> {
    let of = |step: &Value| {
        let text = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
        (text("step"), step["worked"] == json!(true), text("detail"))
    };
    report["last_change"]["steps"].as_array().into_iter().flatten().map(of).collect()
}

#[test]
fn a_warm_standby_takes_over_without_a_start_and_steps_back() -> Result<()> {
    let Some((pair, first)) = warm_pair("a warm standby")? else { return Ok(()) };
    ensure!(polls(&pair) == 0, "the bot polled while it stood by");
    let check = pair.standby.say(&["standby", "check"])?;
    ensure!(check.code == 0 && check.stdout.contains("the gateway runs, with its channels off"), "{check:?}");
    ensure!(check.stdout.contains("no timed work and no heartbeats here"), "{check:?}");
    eprintln!("measured: a warm standby has {} MiB, its guard included", pair.memory());

    // It is guarded like any other, and carries nothing.
    first.signal(Signal::KILL)?;
    let (life, took) = pair.standby.replacement(first, BOUND)?;
    eprintln!("measured: the warm gateway was killed, and replaced after {took:?}");
    is_warm(&pair)?;
    ensure!(polls(&pair) == 0, "a repair brought the channel back");

    // Somebody switches its channel on: it is switched off again.
    pair.standby.home.edit_config(|config| config["channels"]["telegram"]["enabled"] = json!(true))?;
    until("the channel to be off again", BOUND, || {
        pair.standby.home.read_config().is_ok_and(|config| config["channels"]["telegram"]["enabled"] == json!(false))
    })?;
    is_warm(&pair)?;
    ensure!(pair.standby.gateway()? == life, "the gateway was started anew");

    let memory_text = "what the assistant remembers";
    std::fs::create_dir_all(workspace(&pair.primary))?;
    std::fs::write(workspace(&pair.primary).join("MEMORY.md"), memory_text)?;
    until("the push", BOUND, || pair.pushed("main", "MEMORY.md").is_ok_and(|text| text == memory_text))?;
    hold("the silence of the one that was switched on", Duration::from_secs(2), || Ok(true))?;

    let (cut, before) = (Instant::now(), polls(&pair));
    pair.network.cut(PRIMARY)?;
    let polling = polls_after(&pair, cut, before)?;
    eprintln!("measured: the standby's bot polls {polling:?} after the cable was pulled (fast, warm)");
    let active = pair.role_is("active")?;
    let done = steps(&active);
    ensure!(pair.standby.gateway()? == life, "the gateway was started anew: {active}");
    ensure!(done[0].0 == "switch" && done[0].1 && done[0].2.contains("by the gateway itself"), "{active}");
    ensure!(done.last().is_some_and(|(step, worked, _)| step == "channel" && *worked), "{active}");
    ensure!(polling < Duration::from_secs(10), "it took {polling:?}");
    ensure!(std::fs::read_to_string(workspace(&pair.standby).join("MEMORY.md"))? == memory_text, "{active}");
    pair.letter("took-over")?;
    eprintln!("measured: one that carries has {} MiB, its guard included", pair.memory());

    // What OpenClaw has written has it; without it, it would put back an older config at its next start.
    ensure!(pair.standby.home.read_config()?["meta"].is_object(), "there is no meta");

    pair.network.mend(PRIMARY)?;
    is_warm(&pair)?;
    let back = pair.report()?;
    ensure!(pair.standby.home.read_config()?["meta"].is_object(), "the meta is gone");
    ensure!(pair.standby.gateway()? == life, "the gateway was ended: {back}");
    ensure!(steps(&back)[0].2.contains("switched off by the gateway itself"), "{back}");
    pair.stays_off("a standby that stepped back", Duration::from_secs(5))?;
    pair.letter("stepped-back")?;
    Ok(())
}

/// A guard that dies while it takes over, and while it steps back, goes on where it was.
#[test]
fn a_warm_standby_goes_on_where_its_guard_died() -> Result<()> {
    let Some((mut pair, life)) = warm_pair("a warm standby's guard dies")? else { return Ok(()) };
    pair.standby.kill()?;
    pair.standby.start()?;
    is_warm(&pair)?;
    ensure!(pair.standby.gateway()? == life, "the gateway did not outlive its guard");

    let before = polls(&pair);
    pair.network.cut(PRIMARY)?;
    pair.reports("the takeover to begin", |report| report["role"] != json!("watching"))?;
    pair.standby.kill()?;
    pair.standby.start()?;
    polls_after(&pair, Instant::now(), before)?;
    pair.role_is("active")?;

    pair.network.mend(PRIMARY)?;
    pair.standby.order(&["standby", "demote"])?;
    pair.standby.kill()?;
    pair.standby.start()?;
    is_warm(&pair)?;
    pair.stays_off("a standby that stepped back", Duration::from_secs(5))?;
    Ok(())
}

/// The gateway does not answer when it is needed: the cold way follows.
#[test]
fn a_warm_gateway_that_is_frozen_leads_to_the_cold_way() -> Result<()> {
    let Some((pair, life)) = warm_pair("a frozen warm gateway")? else { return Ok(()) };
    let before = polls(&pair);
    pair.network.cut(PRIMARY)?;
    life.signal(Signal::STOP)?;
    let frozen = Instant::now();
    let polling = polls_after(&pair, frozen, before)?;
    eprintln!("measured: the standby's bot polls {polling:?} after the loss, its gateway frozen");
    let active = pair.role_is("active")?;
    ensure!(active["last_change"]["worked"] == json!(true), "{active}");
    ensure!(pair.standby.gateway()? != life, "{active}");
    ensure!(steps(&active).last().is_some_and(|(step, worked, _)| step == "channel" && *worked), "{active}");
    Ok(())
}

/// Host loss to first poll, over and over: run it by name on a quiet machine.
#[test]
#[ignore = "takes minutes, and its figures count on a quiet machine only"]
fn a_warm_standby_is_measured() -> Result<()> {
    const RUNS: usize = 20;
    let Some((pair, mut life)) = warm_pair("a warm standby, measured")? else { return Ok(()) };
    let mut took = Vec::new();
    let mut anew = Vec::new();
    for run in 1..=RUNS {
        let (cut, before) = (Instant::now(), polls(&pair));
        pair.network.cut(PRIMARY)?;
        let polling = polls_after(&pair, cut, before)?;
        eprintln!("measured: run {run}: {polling:?}");
        took.push(polling);
        let active = pair.role_is("active")?;
        ensure!(pair.standby.gateway()? == life, "run {run}: it took over by a start: {active}");
        pair.network.mend(PRIMARY)?;
        pair.standby.order(&["standby", "demote"])?;
        is_warm(&pair)?;
        // One that does not let go of its channels is started again by the step back; how often is told.
        let next = pair.standby.gateway()?;
        if next != life {
            anew.push(format!("after run {run}: {}", pair.role_is("watching")?["last_change"]));
            life = next;
        }
        pair.reports("the primary to be seen", |report| report["sight"] == json!("its guard says: healthy"))?;
        pair.standby.order(&["standby", "release"])?;
        pair.stays_off("the time between two runs", Duration::from_secs(2))?;
    }
    took.sort();
    let (median, max) = (took[RUNS / 2], *took.last().context("no run")?);
    eprintln!("measured: host loss to first poll, fast, warm, {RUNS} runs: median {median:?}, max {max:?}");
    eprintln!("measured: started again by a step back {} times: {anew:?}", anew.len());
    ensure!(max <= Duration::from_secs(5), "{took:?}");
    Ok(())
}
