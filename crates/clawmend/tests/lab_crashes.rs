//! A gateway that dies, spins or refuses to start comes back, in both forms, on real OpenClaw.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{
    BOOT_BOUND, Form, Guard, HomeOptions, Inspector, Life, MockTelegram, UNIT, get_json, hold, skipped, until,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// A crash is answered within milliseconds; this bound only tells an answer from none on a loaded machine.
const CRASH_BOUND: Duration = Duration::from_secs(15);
/// OpenClaw itself starts suppressed channels after its window of 300 s and a tick of up to 300 s more.
const SAFE_BOUND: Duration = Duration::from_secs(660);
/// The default budget of a spin is 30 s.
const SPIN_BOUND: Duration = Duration::from_secs(90);
/// A heap of this size boots and is full within seconds.
const HEAP_MIB: u32 = 512;
/// How long V8 fights for its last megabytes on a loaded machine.
const HEAP_BOUND: Duration = Duration::from_secs(180);

#[test]
fn child_spin_and_crashes() -> Result<()> {
    spin_and_crashes(Form::Child)
}

#[test]
fn unit_spin_and_crashes() -> Result<()> {
    spin_and_crashes(Form::Unit)
}

/// The spin comes first: its end by our hand is the first unclean end, and ours must never be the third within 300 s.
fn spin_and_crashes(form: Form) -> Result<()> {
    let Some((mut guard, first)) = Guard::healthy_in(form, "spin and crashes", CLAWMEND, HomeOptions::default())?
    else {
        return Ok(());
    };
    let unit_before = unit_text(&guard)?;
    let second = spin(&mut guard, first)?;
    let third = crash(&mut guard, second, Signal::KILL)?;
    let _fourth = crash(&mut guard, third, Signal::ABORT)?;
    let causes: Vec<_> = guard.incidents()?.iter().map(|incident| incident["cause"]["code"].clone()).collect();
    assert_eq!(causes.len(), 3, "one incident per fault: {causes:?}");
    assert_eq!(unit_text(&guard)?, unit_before, "the unit file was touched");
    if form == Form::Unit {
        assert_eq!(guard.property("Result")?, "success");
        assert_eq!(guard.property("SubState")?, "running");
    }
    Ok(())
}

fn unit_text(guard: &Guard) -> Result<Option<String>> {
    let file = guard.manager.as_ref().map(|manager| &manager.unit_file);
    Ok(file.map(std::fs::read_to_string).transpose()?)
}

fn spin(guard: &mut Guard, life: Life) -> Result<Life> {
    Inspector::open(life)?.endless_loop()?;
    let begin = Instant::now();
    guard.left_alone("a spin within its budget", life, Duration::from_secs(24))?;
    life.ended(SPIN_BOUND)?;
    eprintln!("measured: {:?}: a spin was ended after {:?}", guard.form(), begin.elapsed());
    let new = guard.healthy()?;
    recovered(guard, "spinning")?;
    Ok(new)
}

fn crash(guard: &mut Guard, life: Life, signal: Signal) -> Result<Life> {
    life.signal(signal)?;
    let ended = life.ended(CRASH_BOUND)?;
    let (replacement, _) = guard.replacement(life, CRASH_BOUND)?;
    let seen = ended.elapsed();
    // The kernel counts its age in ticks of 10 ms; the sight of it waits for a walk through `/proc`.
    let began = replacement.age().map(|age| seen.saturating_sub(age));
    eprintln!(
        "measured: {:?}: {signal:?}: a replacement began {began:?} after the end and was seen after {seen:?}",
        guard.form()
    );
    let new = guard.healthy()?;
    let incident = recovered(guard, "crashed")?;
    if guard.form() == Form::Child {
        // By the guard's own clock; outside clocks on a loaded machine measure the load. `xtask bench` has those.
        let executed = guard.executed_after_end(replacement)?;
        eprintln!("measured: {signal:?}: executed {executed:?} after the end was seen, by the keeper's clock");
        ensure!(executed < Duration::from_millis(500), "{executed:?}");
        ensure!(incident["start_issued_after_ms"].as_u64().is_some_and(|ms| ms <= 20), "{incident}");
    }
    Ok(new)
}

fn recovered(guard: &Guard, code: &str) -> Result<Value> {
    let incident = guard.recovered(code)?;
    eprintln!(
        "measured: {:?}: {code}: detected after {} ms, start issued after {} ms, serving after {} ms (by its own record)",
        guard.form(),
        incident["detected_after_ms"],
        incident["start_issued_after_ms"],
        incident["serving_after_ms"]
    );
    Ok(incident)
}

#[test]
fn child_broken_config() -> Result<()> {
    broken_config(Form::Child)
}

#[test]
fn unit_broken_config() -> Result<()> {
    broken_config(Form::Unit)
}

/// A config that OpenClaw refuses with exit 78: named, no storm, and a start as soon as the file is good again.
fn broken_config(form: Form) -> Result<()> {
    let Some((mut guard, life)) = Guard::healthy_in(form, "broken config", CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    let good = std::fs::read_to_string(guard.home.config_path())?;
    guard.home.write_config_text("{\"gateway\": {\"mode\": \"local\", \"port\":")?;
    life.signal(Signal::KILL)?;
    life.ended(CRASH_BOUND)?;
    guard.named("refused_to_start", Duration::from_secs(60))?;
    let mut seen = std::collections::BTreeSet::new();
    guard.ended_gateway(Duration::from_secs(30))?;
    hold("no storm of starts", Duration::from_secs(15), || {
        seen.extend(guard.gateways());
        Ok(seen.len() <= 1)
    })?;
    let status = guard.status()?;
    assert_eq!(status["verdict"], json!("down"), "{status}");
    assert!(
        status["cause"]["detail"].as_str().is_some_and(|text| !text.is_empty()),
        "the cause is not explained: {status}"
    );

    guard.home.write_config_text(&good)?;
    let begin = Instant::now();
    until("a start once the config is good again", Duration::from_secs(15), || !guard.gateways().is_empty())?;
    eprintln!("measured: {form:?}: a start was seen {:?} after the config was good again", begin.elapsed());
    guard.healthy()?;
    Ok(())
}

#[test]
fn child_three_crashes_do_not_leave_the_bot_deaf() -> Result<()> {
    three_crashes(Form::Child)
}

#[test]
fn unit_three_crashes_do_not_leave_the_bot_deaf() -> Result<()> {
    three_crashes(Form::Unit)
}

/// Three crashes from outside within 300 s make OpenClaw start without its channels; the guard starts them by RPC.
fn three_crashes(form: Form) -> Result<()> {
    let telegram = MockTelegram::start()?;
    let options = HomeOptions { telegram: Some(telegram.port), ..HomeOptions::default() };
    let Some((mut guard, mut life)) = Guard::healthy_in(form, "three crashes", CLAWMEND, options)? else {
        return Ok(());
    };
    for round in 1..=3 {
        let polls = telegram.calls("getUpdates");
        life.signal(Signal::KILL)?;
        life.ended(CRASH_BOUND)?;
        if round < 3 {
            life = guard.healthy()?;
            until("telegram to be polled by the new life", BOOT_BOUND, || telegram.calls("getUpdates") > polls)?;
        }
    }
    let polls = telegram.calls("getUpdates");
    let took =
        until("the suppressed channel to be started by the guard", SAFE_BOUND, || telegram.calls("getUpdates") > polls)
            .with_context(|| format!("{:?}\n{}", guard.status(), guard.output_tail()))?;
    eprintln!("measured: {form:?}: the bot listens again {took:?} after the third crash");
    let port = guard.home.port;
    until("nothing suppressed any more", BOOT_BOUND, || {
        get_json(port, "/readyz").is_ok_and(|(_, body)| body["suppressed"].as_array().is_none_or(Vec::is_empty))
    })?;
    let actions: Vec<Value> =
        guard.incidents()?.iter().filter_map(|one| one["actions"].as_array()).flatten().cloned().collect();
    assert!(
        actions.iter().any(|action| action["action"].to_string().contains("start_channel")),
        "OpenClaw's breaker did not suppress the channel, or it was not the guard that started it: {actions:?}"
    );
    guard.verdict("healthy", Duration::from_secs(60))?;
    Ok(())
}

/// V8's last words go to the journal of a unit, and the guard's own doctor finds them there.
#[test]
fn unit_heap_exhausted() -> Result<()> {
    const NAME: &str = "heap exhausted under a unit";
    let Some(mut guard) = Guard::prepared_in(Form::Unit, NAME, CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    if let Some(reason) = guard.manager.as_ref().and_then(|manager| manager.no_journal.clone()) {
        skipped(NAME, &reason);
        return Ok(());
    }
    small_heap(&guard)?;
    guard.start()?;
    let life = guard.healthy()?;
    Inspector::open(life)?.exhaust_heap()?;
    life.ended(HEAP_BOUND)?;
    guard.replacement(life, CRASH_BOUND)?;
    guard.healthy()?;
    let incident = recovered(&guard, "crashed")?;
    ensure!(incident["cause"]["detail"] == json!("signal 6"), "{incident}");
    let events = guard.events(&incident)?;
    let examined: Vec<_> = events.iter().filter(|event| event["event"] == json!("examined")).collect();
    eprintln!("measured: what the doctor said of it: {examined:?}");
    let first = |event: &&&Value| event["causes"][0]["case"] == json!("heap-exhausted");
    let named = examined.iter().find(first).with_context(|| format!("the heap was not named: {events:?}"))?;
    ensure!(named.to_string().contains("JavaScript heap out of memory"), "{named}");
    let place = |wanted: &str| events.iter().position(|event| event["event"] == json!(wanted));
    ensure!(place("acted") < place("examined"), "the restart waited for the doctor: {events:?}");
    Ok(())
}

/// The unit as OpenClaw wrote it, with a heap that is full within seconds.
fn small_heap(guard: &Guard) -> Result<()> {
    let manager = guard.manager.as_ref().context("a unit")?;
    let text = std::fs::read_to_string(&manager.unit_file)?;
    let small = format!("--max-old-space-size={HEAP_MIB} ");
    let (before, command) = text.split_once("ExecStart=").context("ExecStart")?;
    let (program, rest) = command.split_once(' ').context("arguments")?;
    let rest = match rest.split_once("--max-old-space-size=").and_then(|(own, rest)| Some((own, rest.split_once(' ')?)))
    {
        Some((own, (_, rest))) => format!("{own}{rest}"),
        None => rest.to_owned(),
    };
    std::fs::write(&manager.unit_file, format!("{before}ExecStart={program} {small}{rest}"))?;
    guard.systemctl(&["daemon-reload"])?;
    guard.systemctl(&["restart", UNIT])?;
    Ok(())
}
