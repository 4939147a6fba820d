//! The process lives and does not answer.

use super::frame;
use anyhow::{Context, Result};
use clawmend_testkit::lab::{BOOT_BOUND, HomeOptions, Inspector, get_json, until};
use rustix::process::Signal;
use std::time::Duration;

/// The default budget of a spin is 30 s.
const SPIN_BOUND: Duration = Duration::from_secs(120);

#[test]
fn freeze() -> Result<()> {
    let Some((mut fault, life)) = frame::healthy("freeze", HomeOptions::default(), &[])? else { return Ok(()) };
    life.signal(Signal::STOP)?;
    fault.guard.replacement(life, frame::SOON)?;
    fault.guard.healthy()?;
    let incident = fault.guard.recovered("frozen")?;
    fault.repaired(&incident)
}

#[test]
fn endless_spin() -> Result<()> {
    let Some((mut fault, life)) = frame::healthy("endless spin", HomeOptions::default(), &[])? else { return Ok(()) };
    Inspector::open(life)?.endless_loop()?;
    life.ended(SPIN_BOUND).with_context(|| fault.guard.output_tail())?;
    fault.guard.healthy()?;
    let incident = fault.guard.recovered("spinning")?;
    fault.repaired(&incident)
}

#[test]
fn listener_lost() -> Result<()> {
    let Some((mut fault, life)) = frame::healthy("listener lost", HomeOptions::default(), &[])? else { return Ok(()) };
    Inspector::open(life)?.close_listener(fault.guard.home.port)?;
    let port = fault.guard.home.port;
    until("the gateway to listen again", BOOT_BOUND, || get_json(port, "/healthz").is_ok())
        .with_context(|| fault.guard.output_tail())?;
    fault.guard.healthy()?;
    let incident = fault.guard.recovered("not_listening")?;
    fault.repaired(&incident)
}
