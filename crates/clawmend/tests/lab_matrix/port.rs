//! A stranger has the gateway's port. It is named and never touched.

use super::frame::{self, Fault};
use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{HomeOptions, until};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// How long the port is taken at least.
const TAKEN: Duration = Duration::from_secs(60);
/// 2 s are promised; a loaded machine takes longer to show it.
const START_BOUND: Duration = Duration::from_secs(15);

/// The stranger is this lab's own process, so that its end would be noticed.
fn taken(name: &'static str) -> Result<Option<(Fault, TcpListener)>> {
    let Some(mut fault) = frame::prepared(name, HomeOptions::default(), &[])? else { return Ok(None) };
    let stranger = TcpListener::bind(("127.0.0.1", fault.guard.home.port))?;
    fault.guard.start()?;
    fault.guard.named("refused_to_start", frame::REFUSED_BOUND)?;
    Ok(Some((fault, stranger)))
}

fn owner() -> String {
    format!("(pid {})", std::process::id())
}

#[test]
fn port_taken_then_freed() -> Result<()> {
    let begin = Instant::now();
    let Some((mut fault, stranger)) = taken("port taken then freed")? else { return Ok(()) };
    let named = fault.guard.last_incident()?;
    ensure!(named["cause"]["detail"].to_string().contains(&owner()), "{named}");
    // Freed while no start is under way: what follows is the guard's answer to that, not a try that was there before.
    until("a minute to pass, and no start to be under way", frame::REFUSED_BOUND, || {
        begin.elapsed() > TAKEN && fault.guard.gateways().is_empty()
    })?;
    drop(stranger);
    let freed = Instant::now();
    until("a start once the port is free", START_BOUND, || !fault.guard.gateways().is_empty())
        .with_context(|| fault.guard.output_tail())?;
    eprintln!("measured: a start was seen {:?} after the port was free", freed.elapsed());
    fault.guard.healthy()?;
    let served = freed.elapsed();
    let incident = fault.guard.ended_as("refused_to_start", &["recovered", "human_fixed"])?;
    fault.repaired_in(
        served,
        &format!("after the port was free; refused_to_start, {}", frame::plain(&incident["outcome"])),
    );
    Ok(())
}

#[test]
fn port_taken_for_good() -> Result<()> {
    let Some((fault, stranger)) = taken("port taken for good")? else { return Ok(()) };
    // One try at the beginning, one per half minute after that.
    let incident = fault.refused_and_told(&owner(), 3)?;
    let first = fault.guard.doctor_names("port-taken-by-stranger")?;
    ensure!(stranger.local_addr().is_ok(), "the stranger was touched");
    let (case, detail) = (frame::plain(&first["case"]), frame::plain(&incident["cause"]["detail"]));
    fault.handed_over(&format!("refused_to_start, {case}: {detail}"));
    Ok(())
}
