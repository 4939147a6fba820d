//! The process ended: killed, aborted, out of heap.

use super::frame::{self, Fault};
use anyhow::{Result, ensure};
use clawmend_testkit::lab::{HomeOptions, Inspector, Life, until_some};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;

/// An end is answered within milliseconds; this only tells an answer from none on a loaded machine.
const END_BOUND: Duration = Duration::from_secs(15);
/// A heap of this size boots (256 MiB does, too) and is full within seconds.
const HEAP_MIB: u32 = 512;
/// How long V8 fights for its last megabytes on a loaded machine.
const HEAP_BOUND: Duration = Duration::from_secs(180);

#[test]
fn crash() -> Result<()> {
    signalled("crash", Signal::KILL)
}

#[test]
fn abort() -> Result<()> {
    signalled("abort", Signal::ABORT)
}

fn signalled(name: &'static str, signal: Signal) -> Result<()> {
    let Some((mut fault, life)) = frame::healthy(name, HomeOptions::default(), &[])? else { return Ok(()) };
    // The start after a life that was well for 10 s is immediate; after a shorter one it is paced.
    fault.guard.left_alone("it is well", life, Duration::from_secs(12))?;
    life.signal(signal)?;
    replaced(&mut fault, life)
}

fn replaced(fault: &mut Fault, life: Life) -> Result<()> {
    life.ended(END_BOUND)?;
    fault.guard.replacement(life, END_BOUND)?;
    fault.guard.healthy()?;
    let incident = fault.guard.recovered("crashed")?;
    ensure!(fault.guard.starts_issued()? <= 2, "started more often than once: {incident}");
    fault.repaired(&incident)
}

/// Real objects fill V8's heap in the living gateway until Node aborts; the doctor finds that in the gateway's output.
#[test]
fn heap_exhausted() -> Result<()> {
    let Some(mut fault) = frame::prepared("heap exhausted", HomeOptions::default(), &[])? else { return Ok(()) };
    fault.guard.set_variable("NODE_OPTIONS", &format!("--max-old-space-size={HEAP_MIB}"));
    fault.guard.start()?;
    let life = fault.guard.healthy()?;
    Inspector::open(life)?.exhaust_heap()?;
    life.ended(HEAP_BOUND)?;
    fault.guard.replacement(life, END_BOUND)?;
    named_by_the_doctor(&fault)?;
    fault.guard.healthy()?;
    let incident = fault.guard.recovered("crashed")?;
    ensure!(incident["cause"]["detail"] == json!("signal 6"), "{incident}");
    fault.repaired(&incident)
}

/// While the incident is open: the doctor looks at what the gateway said since the trouble began.
fn named_by_the_doctor(fault: &Fault) -> Result<()> {
    let mut last = Value::Null;
    let found = until_some("the doctor to name the heap", frame::SOON, || {
        last = fault.guard.doctor(&[])?;
        Ok(Some(()).filter(|()| last["causes"][0]["case"] == json!("heap-exhausted")))
    });
    ensure!(found.is_ok(), "{last}");
    ensure!(last["causes"][0]["cause"]["code"] == json!("memory_exhausted"), "{last}");
    Ok(())
}
