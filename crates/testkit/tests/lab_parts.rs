//! Each real part of the labs, tried on a real gateway without a guard: what a lab injects must be what it says.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::Result;
use clawmend_testkit::lab::{
    BOOT_BOUND, CpuQuota, Form, Freezer, Guard, Home, HomeOptions, Inspector, Life, MockModel, MockTelegram,
    RealGateway, TelegramMode, Tracer, UNIT, get, get_json, hold, lab, request, skipped, skipped_part, until,
};
use rustix::process::Signal;
use serde_json::json;
use std::time::{Duration, Instant};

/// What is bounded by a few probes, generously.
const SOON: Duration = Duration::from_secs(30);

fn answers(port: u16) -> bool {
    get_json(port, "/healthz").is_ok_and(|(status, body)| status == 200 && body["ok"] == json!(true))
}

#[test]
fn faults_of_one_life() -> Result<()> {
    let Some(permit) = lab("parts: faults of one life")? else { return Ok(()) };
    let home = Home::new(HomeOptions::default())?;
    let mut gateway = RealGateway::start(&permit, &home)?;
    eprintln!("measured: ready after {:?}", gateway.ready()?);
    assert_eq!(home.gateway()?, gateway.life, "the lock names the child itself");
    assert!(get(home.port, "/metrics")?.json().is_err(), "an unknown path is a page, not JSON");

    busy_loop(&home, gateway.life)?;
    frozen(&home, gateway.life)?;
    traced(&home, gateway.life)?;
    listener_closed(&home, gateway.life)?;

    let begin = Instant::now();
    let status = gateway.stop()?;
    eprintln!("measured: ended with {status} {:?} after SIGTERM", begin.elapsed());
    assert_eq!(status.code(), Some(0));
    Ok(())
}

fn busy_loop(home: &Home, life: Life) -> Result<()> {
    Inspector::open(life)?.busy_loop(Duration::from_secs(5))?;
    let silent = until("the event loop to block", SOON, || !answers(home.port))?;
    assert!(life.alive());
    let back = until("the event loop to go on", SOON, || answers(home.port))?;
    eprintln!("measured: busy loop: silent after {silent:?}, back after {back:?}");
    Ok(())
}

fn frozen(home: &Home, life: Life) -> Result<()> {
    let mut freezer = match Freezer::new() {
        Ok(freezer) => freezer,
        Err(reason) => {
            skipped_part("parts: freezer", &reason);
            return Ok(());
        }
    };
    freezer.freeze(life)?;
    eprintln!("measured: frozen by a cgroup: state {:?}", life.state());
    assert!(!answers(home.port), "a frozen gateway answered");
    freezer.thaw()?;
    until("the thawed gateway to answer", SOON, || answers(home.port))?;
    Ok(())
}

fn traced(home: &Home, life: Life) -> Result<()> {
    if let Err(reason) = Tracer::available() {
        skipped_part("parts: tracer", &reason);
        return Ok(());
    }
    let tracer = Tracer::attach(life)?;
    life.signal(Signal::STOP)?;
    until("the traced gateway to stop", SOON, || matches!(life.state(), Some('t' | 'T')))?;
    eprintln!("measured: traced and stopped: state {:?}", life.state());
    assert!(!answers(home.port));
    life.signal(Signal::CONT)?;
    drop(tracer);
    until("the traced gateway to answer again", SOON, || answers(home.port))?;
    Ok(())
}

fn listener_closed(home: &Home, life: Life) -> Result<()> {
    Inspector::open(life)?.close_listener(home.port)?;
    hold("alive without a listener", Duration::from_secs(3), || Ok(life.alive() && !answers(home.port)))?;
    let begin = Instant::now();
    life.signal(Signal::USR2)?;
    until("SIGUSR2 to bring the listener back", BOOT_BOUND, || answers(home.port))?;
    eprintln!("measured: listener closed, back {:?} after SIGUSR2", begin.elapsed());
    assert!(life.alive(), "the restart was inside the process");
    Ok(())
}

#[test]
fn breaker_after_three_kills_and_a_turn_of_a_minute() -> Result<()> {
    let Some(permit) = lab("parts: breaker and drain")? else { return Ok(()) };
    let telegram = MockTelegram::start()?;
    let model = MockModel::start()?;
    let options = HomeOptions { telegram: Some(telegram.port), model: Some(model.port), chatty: false };
    let home = Home::new(options)?;
    for round in 1..=3 {
        let mut gateway = RealGateway::start(&permit, &home)?;
        let polls = telegram.calls("getUpdates");
        gateway.ready()?;
        until("telegram to be polled", BOOT_BOUND, || telegram.calls("getUpdates") > polls)?;
        if round == 1 {
            revoked(&telegram, &home)?;
        }
        gateway.signal(Signal::KILL)?;
        let (status, took) = gateway.exited(SOON)?;
        eprintln!("measured: life {round}: {status}, seen {took:?} after SIGKILL");
    }
    let polls = telegram.calls("getUpdates");
    let mut gateway = RealGateway::start(&permit, &home)?;
    gateway.ready()?;
    let (_, ready) = get_json(home.port, "/readyz")?;
    assert_eq!(ready["suppressed"], json!(["telegram"]), "the fourth boot suppresses the channel: {ready}");
    assert_eq!(telegram.calls("getUpdates"), polls, "a suppressed channel polls nothing");
    drain(&mut gateway, &model)
}

fn revoked(telegram: &MockTelegram, home: &Home) -> Result<()> {
    telegram.set_mode(TelegramMode::Unauthorized);
    let failing = || get_json(home.port, "/readyz").is_ok_and(|(_, body)| body["failing"] == json!(["telegram"]));
    let seen = until("a revoked token to show in /readyz", Duration::from_secs(120), failing)?;
    eprintln!("measured: revoked token in /readyz after {seen:?}");
    telegram.set_mode(TelegramMode::Ok);
    Ok(())
}

fn drain(gateway: &mut RealGateway, model: &MockModel) -> Result<()> {
    model.set_delay(Duration::from_secs(60));
    std::thread::scope(|scope| {
        let turn = scope.spawn(|| gateway.turn(Duration::from_secs(300)));
        until("the turn to reach the model", Duration::from_secs(120), || model.in_flight() > 0)?;
        let begin = Instant::now();
        gateway.signal(Signal::TERM)?;
        let text = turn.join().expect("no panic in the turn")?;
        eprintln!("measured: a turn in flight ended {:?} after SIGTERM with {text}", begin.elapsed());
        assert_eq!(text, "PONG-LAB");
        assert!(begin.elapsed() > Duration::from_secs(30), "the model was asked to take a minute");
        anyhow::Ok(())
    })?;
    let (status, _) = gateway.exited(SOON)?;
    assert_eq!(status.code(), Some(0));
    Ok(())
}

#[test]
fn a_slow_boot_by_a_quota() -> Result<()> {
    let Some(permit) = lab("parts: CPU quota")? else { return Ok(()) };
    let mut quota = match CpuQuota::new(25) {
        Ok(quota) => quota,
        Err(reason) => {
            skipped("parts: CPU quota", &reason);
            return Ok(());
        }
    };
    let home = Home::new(HomeOptions::default())?;
    let mut gateway = RealGateway::start(&permit, &home)?;
    quota.take(gateway.life)?;
    let took = gateway.ready()?;
    eprintln!("measured: ready after {took:?} with a quarter of a core");
    assert!(took > Duration::from_secs(15), "the quota did not slow the boot down");
    Ok(())
}

#[test]
fn a_unit_of_a_real_user_manager() -> Result<()> {
    let Some(guard) = Guard::prepared_in(Form::Unit, "parts: user manager", "true", HomeOptions::default())? else {
        return Ok(());
    };
    let port = guard.home.port;
    let ready = until("the unit's gateway to be ready", BOOT_BOUND, || {
        get_json(port, "/readyz").is_ok_and(|(_, body)| body["ready"] == json!(true))
    })?;
    let life = guard.gateway()?;
    eprintln!("measured: unit ready {ready:?} after its install");
    assert_eq!(guard.home.gateway()?, life, "the lock names the unit's main process");
    Inspector::open(life)?.close_listener(port)?;
    assert!(life.alive());
    guard.systemctl(&["stop", UNIT])?;
    assert_eq!(guard.property("ActiveState")?, "inactive");
    guard.stays_ended("a stopped unit", Duration::from_secs(7))
}

#[test]
fn planted_secrets_are_found_at_the_end_of_a_lab() -> Result<()> {
    let Some(permit) = lab("parts: planted secrets")? else { return Ok(()) };
    // Says what it is told to: a guard that leaks.
    let guard = Guard::with_arguments(permit, "/bin/echo", Home::new(HomeOptions::default())?, &[])?;
    guard.keeps_its_secrets()?;
    let token = guard.home.token.clone();
    let leak = |what: &str| {
        let leaks = guard.leaks().join("\n");
        assert!(leaks.contains("the gateway's token") && leaks.contains(what), "{what}: {leaks}");
        assert!(!leaks.contains(&token[..24]), "the secret itself is told");
    };
    guard.say(&[&token])?;
    // The arguments that a test gave are told to whoever wrote that test, so they are not looked at here.
    assert_eq!(guard.leaks().len(), 1, "what a command says");
    assert_eq!(guard.leaks(), Vec::<String>::new());
    for (folder, file) in [(guard.dirs.state(), "clawmend.db-wal"), (guard.dirs.runtime(), "default/state.json")] {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap())?;
        std::fs::write(&path, format!("{{\"text\":\"{token}\"}}"))?;
        leak(file);
        std::fs::remove_file(path)?;
    }
    std::fs::write(guard.dirs.output(), format!("token {}", token.to_uppercase()))?;
    leak("guard-output.txt");
    std::fs::write(guard.dirs.output(), "")?;
    let telegram = MockTelegram::start()?;
    let body = json!({"text": token});
    let sent = request(telegram.port, "POST", "/bot1:x/sendMessage", None, Some(&body), SOON);
    sent?;
    leak("a request to the mock Bot API");

    // At its end it fails the lab by itself.
    std::fs::write(guard.dirs.state().join("report.json"), &token)?;
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(guard)));
    let said = ended.unwrap_err().downcast_ref::<String>().unwrap().clone();
    assert!(said.contains("report.json has the gateway's token at byte 0"), "{said}");
    Ok(())
}
