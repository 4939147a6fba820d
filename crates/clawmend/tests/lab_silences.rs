//! A gateway that does not answer: mended where that is proven, left alone where it is somebody's doing or will pass.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result};
use clawmend_testkit::lab::{
    BOOT_BOUND, CpuQuota, Form, Freezer, Guard, HomeOptions, Inspector, Life, MockModel, RealGateway, Tracer, get_json,
    lab, skipped, skipped_part, until, until_some,
};
use rustix::process::Signal;
use serde_json::json;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
const SOON: Duration = Duration::from_secs(30);

#[test]
fn child_silences() -> Result<()> {
    silences(Form::Child)
}

#[test]
fn unit_silences() -> Result<()> {
    silences(Form::Unit)
}

fn silences(form: Form) -> Result<()> {
    let Some((mut guard, life)) = Guard::healthy_in(form, "silences", CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    cgroup_frozen(&guard, life)?;
    traced(&guard, life)?;
    busy_for_ten_seconds(&guard, life)?;
    let life = stopped(&mut guard, life)?;
    listener_closed(&mut guard, life)
}

/// The status names this cause while the gateway is silent, and nobody touches it.
fn said_and_left_alone(guard: &Guard, life: Life, code: &str) -> Result<()> {
    until_some(&format!("the status to name {code}"), SOON, || {
        std::thread::sleep(Duration::from_millis(100));
        Ok(Some(guard.status()?).filter(|status| status["cause"]["code"] == json!(code)))
    })
    .with_context(|| format!("{:?}\n{}", guard.status(), guard.output_tail()))?;
    guard.left_alone(code, life, Duration::from_secs(6))
}

fn cgroup_frozen(guard: &Guard, life: Life) -> Result<()> {
    let mut freezer = match Freezer::new() {
        Ok(freezer) => freezer,
        Err(reason) => {
            skipped_part("frozen by a cgroup", &reason);
            return Ok(());
        }
    };
    freezer.freeze(life)?;
    said_and_left_alone(guard, life, "cgroup_frozen")?;
    freezer.thaw()?;
    guard.verdict("healthy", SOON)?;
    assert!(life.alive());
    Ok(())
}

fn traced(guard: &Guard, life: Life) -> Result<()> {
    if let Err(reason) = Tracer::available() {
        skipped_part("traced", &reason);
        return Ok(());
    }
    let tracer = Tracer::attach(life)?;
    life.signal(Signal::STOP)?;
    said_and_left_alone(guard, life, "traced")?;
    life.signal(Signal::CONT)?;
    drop(tracer);
    guard.verdict("healthy", SOON)?;
    assert!(life.alive());
    Ok(())
}

fn busy_for_ten_seconds(guard: &Guard, life: Life) -> Result<()> {
    let port = guard.home.port;
    Inspector::open(life)?.busy_loop(Duration::from_secs(10))?;
    until("the event loop to block", SOON, || get_json(port, "/healthz").is_err())?;
    until("the event loop to go on", SOON, || get_json(port, "/healthz").is_ok())?;
    guard.verdict("healthy", SOON)?;
    guard.left_alone("after a busy loop of ten seconds", life, Duration::from_secs(3))
}

/// Each stall is left alone, and passes; that they come again and again is told, and nothing more.
#[test]
fn stalls_that_come_again_are_a_warning() -> Result<()> {
    let Some((guard, life)) = Guard::healthy_in(Form::Child, "long answers", CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    let port = guard.home.port;
    for _ in 0..3 {
        Inspector::open(life)?.busy_loop(Duration::from_secs(8))?;
        until("the event loop to block", SOON, || get_json(port, "/healthz").is_err())?;
        until("the event loop to go on", SOON, || get_json(port, "/healthz").is_ok())?;
    }
    let incident = guard.named("slow_answers", SOON)?;
    let told = guard.told(&incident, "its answers take too long (over 5 s)", SOON)?;
    eprintln!("measured: long answers: a person was told: {told}");
    let status = guard.status()?;
    assert_eq!((&status["verdict"], &status["reasons"][0]), (&json!("degraded"), &json!("slow_answers:over 5 s")));
    assert_eq!(incident["actions"], json!([]), "{incident}");
    guard.left_alone("a gateway that is slow", life, Duration::from_secs(5))
}

fn stopped(guard: &mut Guard, life: Life) -> Result<Life> {
    // A trouble that comes soon after another one belongs to its incident, and is counted from that one's onset.
    until("the incident before to be over", SOON, || {
        guard.incidents().is_ok_and(|all| all.iter().all(|incident| incident["state"] == json!("closed")))
    })?;
    let begin = Instant::now();
    life.signal(Signal::STOP)?;
    let (_, took) = guard.replacement(life, SOON)?;
    eprintln!("measured: {:?}: SIGSTOP to replacement seen {took:?}", guard.form());
    assert!(begin.elapsed() < Duration::from_secs(10), "a stopped process is a proven fault");
    let new = guard.healthy()?;
    let incident = guard.named("frozen", SOON)?;
    eprintln!("measured: {:?}: frozen: detected after {} ms", guard.form(), incident["detected_after_ms"]);
    // By the guard's own clock: a look every 500 ms, and 150 ms to be sure. How long the gateway takes to end in order
    // after that is its own.
    let events = guard.events(&incident)?;
    let asked = events.iter().find(|event| event["event"] == json!("acted")).context("nothing was done")?;
    let asked = asked["after_onset_ms"].as_u64().unwrap_or(u64::MAX);
    eprintln!("measured: {:?}: frozen: asked to end after {asked} ms", guard.form());
    assert!(asked <= 1_500, "{events:?}");
    Ok(new)
}

fn listener_closed(guard: &mut Guard, life: Life) -> Result<()> {
    Inspector::open(life)?.close_listener(guard.home.port)?;
    let begin = Instant::now();
    let port = guard.home.port;
    until("the gateway to listen again", BOOT_BOUND, || get_json(port, "/healthz").is_ok())
        .with_context(|| guard.output_tail())?;
    eprintln!("measured: {:?}: a closed listener was back after {:?}", guard.form(), begin.elapsed());
    guard.healthy()?;
    guard.named("not_listening", SOON)?;
    Ok(())
}

#[test]
fn child_own_restart_and_slow_boot() -> Result<()> {
    own_restart_and_slow_boot(Form::Child)
}

#[test]
fn unit_own_restart_and_slow_boot() -> Result<()> {
    own_restart_and_slow_boot(Form::Unit)
}

/// The gateway's own restart ends with 0, then boots with a tenth of a core, which takes minutes: nobody interrupts it.
fn own_restart_and_slow_boot(form: Form) -> Result<()> {
    let name = "own restart and slow boot";
    let mut quota = match CpuQuota::new(10) {
        Ok(quota) => quota,
        Err(reason) => {
            skipped(name, &reason);
            return Ok(());
        }
    };
    let Some((mut guard, life)) = Guard::healthy_in(form, name, CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    // SIGUSR2 is the restart signal of 2026.9.6: a full restart by exit under a supervisor.
    life.signal(Signal::USR2)?;
    let (new, _) = guard.replacement(life, BOOT_BOUND)?;
    quota.take(new)?;
    let begin = Instant::now();
    let port = guard.home.port;
    until("the slow boot to end", Duration::from_secs(900), || {
        let tail = || guard.output_tail();
        assert!(
            new.alive(),
            "{new:?} was interrupted after {:?}: {:?}\n{}",
            begin.elapsed(),
            guard.incidents(),
            tail()
        );
        get_json(port, "/readyz").is_ok_and(|(_, body)| body["ready"] == json!(true))
    })?;
    eprintln!("measured: {form:?}: a boot with a tenth of a core took {:?}", begin.elapsed());
    drop(quota);
    guard.healthy()?;
    assert!(new.alive());
    let incidents = guard.incidents()?;
    assert!(
        incidents.iter().all(|incident| incident["cause"]["code"] != json!("crashed")),
        "a planned restart was taken for a crash: {incidents:?}"
    );
    Ok(())
}

/// A gateway that was started by hand restarts inside its process: the guard watches, and leaves it alone.
#[test]
fn foreign_restart_inside_the_process() -> Result<()> {
    let Some(permit) = lab("restart inside the process")? else { return Ok(()) };
    let home = clawmend_testkit::lab::Home::new(HomeOptions::default())?;
    let mut gateway = RealGateway::start(&permit, &home)?;
    gateway.ready()?;
    let life = gateway.life;
    let mut guard = Guard::with_arguments(permit, CLAWMEND, home, &["run"])?;
    guard.start()?;
    guard.verdict("healthy", SOON)?;
    life.signal(Signal::USR2)?;
    let port = guard.home.port;
    until("the listener to go", SOON, || get_json(port, "/healthz").is_err())?;
    until("the listener to come back", BOOT_BOUND, || get_json(port, "/healthz").is_ok())?;
    guard.verdict("healthy", BOOT_BOUND)?;
    guard.left_alone("after a restart inside the process", life, Duration::from_secs(5))
}

#[test]
fn child_turn_in_flight() -> Result<()> {
    turn_in_flight(Form::Child)
}

#[test]
fn unit_turn_in_flight() -> Result<()> {
    turn_in_flight(Form::Unit)
}

/// Turns in flight survive a restart and a stop. One of them takes a minute: in the one form the one, in the other form
/// the other; the matrix gives a minute to all.
fn turn_in_flight(form: Form) -> Result<()> {
    let model = MockModel::start()?;
    let options = HomeOptions { model: Some(model.port), ..HomeOptions::default() };
    let Some((mut guard, life)) = Guard::healthy_in(form, "turn in flight", CLAWMEND, options)? else { return Ok(()) };
    let all = std::env::var_os("CLAWMEND_LAB_MATRIX").is_some();
    let length = |long: bool| Duration::from_secs(if long || all { 60 } else { 20 });
    model.set_delay(length(form == Form::Child));
    during_a_turn(&guard, &model, "restart")?;
    let (new, _) = guard.replacement(life, BOOT_BOUND)?;
    assert!(!life.alive() && new.alive());
    guard.healthy()?;
    model.set_delay(length(form == Form::Unit));
    during_a_turn(&guard, &model, "stop")?;
    guard.ended_gateway(SOON)?;
    guard.stays_ended("after a stop with a turn in flight", Duration::from_secs(8))
}

fn during_a_turn(guard: &Guard, model: &MockModel, order: &str) -> Result<()> {
    std::thread::scope(|scope| {
        let turn = scope.spawn(|| guard.turn(Duration::from_secs(300)));
        until("the turn to reach the model", Duration::from_secs(120), || model.in_flight() > 0)?;
        let begin = Instant::now();
        let ordered = scope.spawn(|| guard.say(&[order]));
        let text = turn.join().expect("no panic in the turn").with_context(|| format!("a turn during {order}"))?;
        eprintln!("measured: {:?}: a turn during {order} ended after {:?}", guard.form(), begin.elapsed());
        assert_eq!(text, "PONG-LAB");
        let answer = ordered.join().expect("no panic in the order")?;
        assert_eq!(answer.code, 0, "{answer:?}");
        anyhow::Ok(())
    })
}
