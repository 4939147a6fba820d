//! What a person stopped stays stopped, in every state and over every restart of the guard, on real OpenClaw.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{
    BOOT_BOUND, Form, Guard, HomeOptions, Life, MockModel, UNIT, Unavailable, get_json, skipped, until, until_some,
};
use rustix::process::Signal;
use serde_json::json;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
const SOON: Duration = Duration::from_secs(30);
/// Longer than systemd's own RestartSec=5 and every delay of the guard before a start that it may make.
const QUIET: Duration = Duration::from_secs(8);

/// The same over a child: after lives as short as here the guard waits 2 s before a start.
const CHILD_QUIET: Duration = Duration::from_secs(5);

/// How many tries around the instant of a crash; the matrix takes more.
fn tries() -> u32 {
    if std::env::var_os("CLAWMEND_LAB_MATRIX").is_some() { 40 } else { 12 }
}

#[test]
fn child_pause_resume_and_flag_file() -> Result<()> {
    let options = HomeOptions::default();
    let Some((mut guard, life)) = Guard::healthy_in(Form::Child, "pause and flag file", CLAWMEND, options)? else {
        return Ok(());
    };
    // Without a recorded wish an outside SIGTERM is a crash.
    life.signal(Signal::TERM)?;
    guard.replacement(life, SOON).context("a SIGTERM from outside, without a wish")?;
    let life = guard.healthy()?;

    guard.order(&["pause", "--reason", "lab"])?;
    life.signal(Signal::TERM)?;
    guard.ended_gateway(SOON)?;
    guard.stays_ended("ended in a pause", CHILD_QUIET)?;
    assert_eq!(guard.say(&["check"])?.code, 4);
    guard.order(&["resume"])?;
    guard.stays_ended("resume ends the pause only", CHILD_QUIET)?;
    survives_a_killed_guard(&mut guard)?;
    guard.order(&["start"])?;
    let life = guard.healthy()?;

    std::fs::write(guard.dirs.flag_file(), "")?;
    until_some("the flag file to show in the status", SOON, || {
        std::thread::sleep(Duration::from_millis(100));
        Ok(Some(guard.status()?).filter(|status| status["desired"] == json!("paused")))
    })?;
    life.signal(Signal::TERM)?;
    guard.ended_gateway(SOON)?;
    guard.stays_ended("ended under the flag file", CHILD_QUIET)?;
    std::fs::remove_file(guard.dirs.flag_file())?;
    guard.stays_ended("the flag file's end is not a start", CHILD_QUIET)
}

fn survives_a_killed_guard(guard: &mut Guard) -> Result<()> {
    guard.kill()?;
    guard.start()?;
    until("the new guard to answer", SOON, || guard.status().is_ok())?;
    guard.stays_ended("a stopped gateway under a new guard", CHILD_QUIET)
}

#[test]
fn child_stops() -> Result<()> {
    let model = MockModel::start()?;
    let options = HomeOptions { model: Some(model.port), ..HomeOptions::default() };
    let Some(mut guard) = Guard::prepared_in(Form::Child, "stops of a child", CLAWMEND, options)? else {
        return Ok(());
    };
    // While it boots.
    guard.start()?;
    until("the gateway to be spawned", SOON, || !guard.gateways().is_empty())?;
    until("the guard to answer", SOON, || guard.status().is_ok())?;
    guard.order(&["stop"])?;
    guard.ended_gateway(SOON)?;
    guard.stays_ended("stopped while booting", CHILD_QUIET)?;
    guard.order(&["start"])?;
    let life = guard.healthy()?;

    // In the same instant as a crash.
    let code = std::thread::scope(|scope| {
        let order = scope.spawn(|| guard.say(&["stop"]));
        life.signal(Signal::KILL)?;
        anyhow::Ok(order.join().expect("no panic in the order")?.code)
    })?;
    assert_eq!(code, 0);
    guard.ended_gateway(BOOT_BOUND)?;
    guard.stays_ended("stopped in the instant of a crash", CHILD_QUIET)?;
    guard.order(&["start"])?;
    guard.healthy()?;

    // In an emergency, also while it drains, also under the next guard.
    model.set_delay(Duration::from_secs(20));
    std::thread::scope(|scope| {
        scope.spawn(|| guard.turn(Duration::from_secs(120)));
        until("the turn to reach the model", Duration::from_secs(60), || model.in_flight() > 0)?;
        let answer = guard.order(&["stop", "--emergency"])?;
        ensure!(answer.code == 0, "{answer:?}");
        guard.ended_gateway(Duration::from_secs(120)).map(drop)
    })?;
    guard.stays_ended("after an emergency stop", CHILD_QUIET)?;
    guard.order(&["resume"])?;
    guard.stays_ended("resume does not end an emergency stop", CHILD_QUIET)?;
    survives_a_killed_guard(&mut guard)?;
    assert_eq!(guard.status()?["emergency"], json!(true));
    guard.order(&["start"])?;
    guard.healthy()?;
    Ok(())
}

#[test]
fn unit_stops_in_every_state() -> Result<()> {
    let model = MockModel::start()?;
    let options = HomeOptions { model: Some(model.port), ..HomeOptions::default() };
    let Some((mut guard, _)) = Guard::healthy_in(Form::Unit, "stops of a unit", CLAWMEND, options)? else {
        return Ok(());
    };

    guard.systemctl(&["stop", UNIT])?;
    stays_inactive(&guard, "stopped while running")?;
    assert_eq!(guard.status()?["desired"], json!("stopped"), "{}", guard.status()?);

    guard.systemctl(&["start", UNIT])?;
    until("the unit's process", SOON, || !guard.gateways().is_empty())?;
    guard.systemctl(&["stop", UNIT])?;
    stays_inactive(&guard, "stopped while booting")?;

    guard.systemctl(&["start", UNIT])?;
    guard.healthy()?;
    draining(&guard, &model)?;

    guard.systemctl(&["reset-failed", UNIT]).ok();
    guard.systemctl(&["start", UNIT])?;
    guard.healthy()?;
    let output = guard.openclaw().args(["gateway", "stop", "--force"]).output()?;
    ensure!(output.status.success(), "openclaw gateway stop --force: {}", String::from_utf8_lossy(&output.stderr));
    stays_inactive(&guard, "openclaw gateway stop --force")
}

fn draining(guard: &Guard, model: &MockModel) -> Result<()> {
    model.set_delay(Duration::from_secs(20));
    std::thread::scope(|scope| {
        let turn = scope.spawn(|| guard.turn(Duration::from_secs(120)));
        until("the turn to reach the model", Duration::from_secs(60), || model.in_flight() > 0)?;
        guard.systemctl(&["stop", UNIT])?;
        let text = turn.join().expect("no panic in the turn")?;
        assert_eq!(text, "PONG-LAB");
        anyhow::Ok(())
    })?;
    stays_inactive(guard, "stopped while draining")
}

/// Stopped for systemd, and for longer than any restart would wait.
fn stays_inactive(guard: &Guard, what: &str) -> Result<()> {
    guard.ended_gateway(SOON).context(what.to_owned())?;
    guard.stays_ended(what, QUIET)?;
    let state = guard.property("ActiveState")?;
    ensure!(state == "inactive" || state == "failed", "{what}: the unit is {state}");
    Ok(())
}

/// A person's stop a little before, at, and after a crash: whoever comes first, the unit stays stopped.
#[test]
fn unit_stops_around_a_crash() -> Result<()> {
    let options = HomeOptions::default();
    let Some((guard, _)) = Guard::healthy_in(Form::Unit, "stops around a crash", CLAWMEND, options)? else {
        return Ok(());
    };
    let tries = tries();
    for number in 0..tries {
        // From 40 ms before to 80 ms after: the guard's own call comes within some 10–60 ms of the end.
        let offset = i64::from(number) * 120 / i64::from(tries) - 40;
        let life = running(&guard)?;
        around(&guard, life, offset)?;
        guard.ended_gateway(SOON)?;
        guard
            .stays_ended("stopped around a crash", Duration::from_millis(6_500))
            .with_context(|| format!("the stop came {offset} ms after the crash"))?;
        guard.systemctl(&["reset-failed", UNIT]).ok();
        guard.systemctl(&["start", UNIT])?;
    }
    eprintln!("measured: {tries} stops from 40 ms before to 80 ms after a SIGKILL, all stayed stopped");
    Ok(())
}

fn running(guard: &Guard) -> Result<Life> {
    Ok(until_some("the unit's process", SOON, || Ok(guard.gateways().into_iter().next()))?.0)
}

fn around(guard: &Guard, life: Life, offset_ms: i64) -> Result<()> {
    let (crash_after, stop_after) = if offset_ms < 0 { (-offset_ms, 0) } else { (0, offset_ms) };
    let after = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Time itself is what is varied here.
            std::thread::sleep(after(crash_after).saturating_sub(begin.elapsed()));
            let _ = life.signal(Signal::KILL);
        });
        std::thread::sleep(after(stop_after).saturating_sub(begin.elapsed()));
        guard.systemctl(&["stop", UNIT]).map(drop)
    })
}

#[test]
fn unit_emergency_stop_over_a_reboot() -> Result<()> {
    let options = HomeOptions::default();
    let Some((mut guard, _)) = Guard::healthy_in(Form::Unit, "emergency stop over a reboot", CLAWMEND, options)? else {
        return Ok(());
    };
    guard.order(&["stop", "--emergency"])?;
    guard.ended_gateway(SOON)?;
    guard.terminate()?;
    let manager = guard.manager.as_mut().context("no manager")?;
    manager.systemd.reboot_user_manager().map_err(|reason| anyhow::anyhow!("{reason}"))?;
    guard.stays_ended("after a reboot of the user manager, without a guard", QUIET)?;
    guard.start()?;
    until("the guard to answer", SOON, || guard.status().is_ok())?;
    guard.stays_ended("under the guard after the reboot", QUIET)?;
    guard.order(&["start"])?;
    guard.healthy()?;
    assert_eq!(guard.property("UnitFileState")?, "enabled", "the start put the unit back into the boot sequence");
    Ok(())
}

/// `/tmp/openclaw-maintenance`, as the document has it. Gone when it is dropped; never another's.
struct Flag {
    path: std::path::PathBuf,
    raised: std::cell::Cell<bool>,
}

impl Flag {
    fn of_the_document() -> Result<Self, Unavailable> {
        let path = std::path::PathBuf::from("/tmp/openclaw-maintenance");
        if std::fs::symlink_metadata(&path).is_ok() {
            return Err(Unavailable(format!("{} is there already, for somebody else", path.display())));
        }
        Ok(Self { path, raised: std::cell::Cell::new(false) })
    }

    fn raise(&self) -> Result<()> {
        // Fails when somebody else was faster.
        std::fs::File::create_new(&self.path).context("raising the flag")?;
        self.raised.set(true);
        Ok(())
    }

    fn lower(&self) -> Result<()> {
        self.raised.set(false);
        std::fs::remove_file(&self.path).context("lowering the flag")
    }
}

impl Drop for Flag {
    fn drop(&mut self) {
        if self.raised.get() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The three tests of the two-level document, in its own words and commands.
#[test]
fn unit_two_level_document() -> Result<()> {
    let name = "two-level document";
    let Some(mut guard) = Guard::prepared_in(Form::Unit, name, CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    // The document's own flag file belongs to the whole machine: another guard here would heed it, too.
    let flag = match Flag::of_the_document() {
        Ok(flag) => flag,
        Err(reason) => {
            skipped(name, &reason);
            return Ok(());
        }
    };
    // It is the default: nothing names it.
    std::fs::write(guard.dirs.config(), "")?;
    guard.start()?;
    let life = guard.healthy()?;
    // 1. `kill -6`: it is back within seconds.
    life.signal(Signal::ABORT)?;
    guard.replacement(life, Duration::from_secs(5)).context("test 1: kill -6")?;
    guard.healthy()?;
    // 2. `systemctl --user stop`: not started again, although the health check runs; `start` works.
    guard.systemctl(&["stop", UNIT])?;
    guard.stays_ended("test 2: a manual stop", Duration::from_secs(65))?;
    guard.systemctl(&["start", UNIT])?;
    guard.healthy()?;
    // 3. The maintenance flag, then a stop, then the flag away, then a start.
    flag.raise()?;
    until("the pause to be seen", SOON, || guard.say(&["check"]).is_ok_and(|answer| answer.code == 4))?;
    guard.systemctl(&["stop", UNIT])?;
    guard.stays_ended("test 3: stopped under the maintenance flag", QUIET)?;
    flag.lower()?;
    guard.stays_ended("test 3: the flag is gone", QUIET)?;
    guard.systemctl(&["start", UNIT])?;
    guard.healthy()?;
    let port = guard.home.port;
    assert!(get_json(port, "/healthz").is_ok());
    Ok(())
}
