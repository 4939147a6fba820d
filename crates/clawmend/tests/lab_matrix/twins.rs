//! A second gateway of the same home, started by hand. The healthy one is kept, whichever it is.

use super::frame::{self, Fault};
use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{HomeOptions, RealGateway, hold, until};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// How long the second one may take to see that it is one too many. It waits for the lock for up to 300 s (2026.9.6).
const TWIN_BOUND: Duration = Duration::from_secs(400);
/// Exit code of `run` where another one has the home.
const NEEDS_PERSON: i32 = 78;

/// Somebody starts a second one while the guarded one is well: the second gives up, the first is not touched.
#[test]
fn twin_beside_the_guarded_one() -> Result<()> {
    let Some((fault, life)) = frame::healthy("twin instance", HomeOptions::default(), &[])? else { return Ok(()) };
    let mut twin = RealGateway::start(fault.guard.permit(), &fault.guard.home)?;
    let begin = Instant::now();
    let (ended, _) = twin.exited(TWIN_BOUND).with_context(|| twin.output_tail())?;
    eprintln!("measured: the second one ended with {ended} after {:?}: {}", begin.elapsed(), twin.output_tail());
    fault.guard.left_alone("a second instance has given up", life, Duration::from_secs(5))?;
    ensure!(fault.guard.home.gateway()? == life, "the lock is another one's now");
    fault.guard.verdict("healthy", frame::SOON)?;
    ensure!(fault.guard.starts_issued()? <= 1, "{:?}", fault.guard.incidents());
    fault.repaired_in(Duration::ZERO, "the healthy one was kept and never stopped serving");
    Ok(())
}

/// A person's gateway is there first. `run` does not begin beside it; a start of the guard that finds it is refused by
/// OpenClaw, that one is kept even when it is frozen, and ours follows when it ends.
#[test]
fn twin_was_there_before() -> Result<()> {
    let Some(mut fault) = frame::prepared("twin instance, there before", HomeOptions::default(), &[])? else {
        return Ok(());
    };
    let mut first = RealGateway::start(fault.guard.permit(), &fault.guard.home)?;
    first.ready()?;
    fault.guard.start()?;
    let code = fault.guard.ended(frame::SOON)?;
    let said = fault.guard.output_tail();
    ensure!(code == Some(NEEDS_PERSON) && said.contains(&first.life.pid.to_string()), "{code:?}: {said}");
    ensure!(first.stop()?.success(), "the one that a person started was touched");

    // A wish that is recorded before its guard begins.
    fault.guard.say(&["stop"])?;
    fault.guard.start()?;
    fault.guard.verdict("stopped", frame::SOON)?;
    let mut twin = RealGateway::start(fault.guard.permit(), &fault.guard.home)?;
    twin.ready()?;
    fault.guard.say(&["start"])?;
    kept(&fault, &twin)?;
    twin.stop()?;
    let begin = Instant::now();
    until("a start once the other one has ended", frame::SOON, || !fault.guard.gateways().is_empty())?;
    eprintln!("measured: a start was seen {:?} after the other one had ended", begin.elapsed());
    fault.guard.healthy()?;
    let served = begin.elapsed();
    let incident = fault.guard.ended_as("refused_to_start", &["recovered", "human_fixed"])?;
    fault.repaired_in(served, &format!("after the other one had ended; {}", frame::plain(&incident["outcome"])));
    Ok(())
}

fn kept(fault: &Fault, twin: &RealGateway) -> Result<()> {
    let pid = twin.life.pid.to_string();
    fault.refused_and_told(&pid, 2)?;
    fault.guard.doctor_names("second-instance")?;
    let starts = fault.guard.starts_issued()?;
    twin.signal(Signal::STOP)?;
    hold("a frozen gateway of somebody else is left alone", Duration::from_secs(15), || {
        std::thread::sleep(Duration::from_millis(500));
        Ok(twin.life.state() == Some('T') && fault.guard.starts_issued()? == starts)
    })?;
    twin.signal(Signal::CONT)
}
