//! Service managers that do not do as they should: the guard says what it cannot see or may not do, and waits.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Form, Guard, HomeOptions, hold, until_some};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
const SOON: Duration = Duration::from_secs(30);
/// The question whether the manager answers is asked every 10 s, and has 10 s to be answered.
const NOTICED: Duration = Duration::from_secs(60);

/// The user's manager hangs: said; the gateway is looked at all the same, nothing is done, and all is well again when
/// the manager goes on.
#[test]
fn unit_hung_manager() -> Result<()> {
    let options = HomeOptions::default();
    let Some((mut guard, life)) = Guard::healthy_in(Form::Unit, "hung manager", CLAWMEND, options)? else {
        return Ok(());
    };
    let manager = guard.manager.as_ref().and_then(|manager| manager.systemd.manager()).context("no manager")?;
    manager.signal(Signal::STOP)?;
    let unseen = |status: &Value| status["reasons"].to_string().contains("service_unseen");
    let took = seen(&guard, "the manager's silence", NOTICED, unseen)?;
    eprintln!("measured: a hung manager was noticed after {took:?}");
    let status = guard.status()?;
    ensure!(status["verdict"] == json!("healthy"), "the gateway answers: {status}");
    ensure!(status["next"].to_string().contains("service manager"), "{status}");

    // A proven fault: named, and nothing is done about it.
    life.signal(Signal::STOP)?;
    seen(&guard, "the frozen gateway", SOON, |status| status["cause"]["code"] == json!("frozen"))?;
    guard.left_alone("frozen under a hung manager", life, Duration::from_secs(15))?;
    ensure!(life.state() == Some('T'), "somebody woke it: {:?}", life.state());
    life.signal(Signal::CONT)?;
    guard.verdict("healthy", SOON)?;

    let answer = guard.say(&["restart"])?;
    ensure!(answer.code != 0 && answer.stderr.contains("service manager"), "{answer:?}");

    // It dies: the kernel tells, nobody can start it.
    life.signal(Signal::KILL)?;
    seen(&guard, "its end", SOON, |status| status["verdict"] == json!("down"))?;
    hold("the guard says that it cannot see the manager", Duration::from_secs(10), || {
        let status = guard.status()?;
        Ok(unseen(&status) && status["verdict"] == json!("down"))
    })
    .with_context(|| format!("{:?}", guard.status()))?;

    manager.signal(Signal::CONT)?;
    guard.replacement(life, SOON)?;
    guard.healthy()?;
    ensure!(!unseen(&guard.status()?), "{:?}", guard.status());
    Ok(())
}

fn seen(guard: &Guard, what: &str, bound: Duration, like: impl Fn(&Value) -> bool) -> Result<Duration> {
    until_some(what, bound, || {
        std::thread::sleep(Duration::from_millis(100));
        Ok(like(&guard.status()?).then_some(()))
    })
    .map(|((), took)| took)
    .with_context(|| format!("{:?}\n{}", guard.status(), guard.output_tail()))
}
