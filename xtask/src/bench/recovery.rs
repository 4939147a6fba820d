//! How fast a replacement runs after a crash and after a freeze.
//!
//! Each sample has a fresh home and guard, so that no budget or backoff of an earlier sample is measured.

use super::stamp::{now_ns, stamps};
use super::{Bench, Figure};
use anyhow::Result;
use clawmend_testkit::lab::{Guard, Home, HomeOptions, Life, until_some};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Far longer than any goal: a recovery that takes this long has failed.
const BOUND: Duration = Duration::from_secs(120);

struct Figures {
    crash_own: Figure,
    crash_exit: Figure,
    crash_kill: Figure,
    freeze_seen: Figure,
    freeze_replaced: Figure,
}

/// Measures `samples` crashes and as many freezes.
///
/// # Errors
/// When a recovery does not happen.
pub fn measure(bench: &Bench, samples: u32) -> Result<Vec<Figure>> {
    let mut figures = Figures {
        crash_own: Figure::new("exit → start issued, the guard's own clock", "ms", "p50 ≤ 1, p99 ≤ 10"),
        crash_exit: Figure::new("exit (pidfd) → replacement executes, outside clock", "ms", ""),
        crash_kill: Figure::new("SIGKILL sent → replacement executes, outside clock", "ms", ""),
        freeze_seen: Figure::new("SIGSTOP → first suspicion, the guard's own clock", "ms", "p50 ≤ 500"),
        freeze_replaced: Figure::new("SIGSTOP → replacement executes, outside clock", "ms", "≤ 1500"),
    };
    for sample in 1..=samples {
        println!("bench: crash and freeze {sample} of {samples}");
        round(bench, &mut figures)?;
    }
    let Figures { crash_own, crash_exit, crash_kill, freeze_seen, freeze_replaced } = figures;
    Ok(vec![crash_own, crash_exit, crash_kill, freeze_seen, freeze_replaced])
}

fn round(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let home = Home::new(HomeOptions::default())?;
    let file = home.path().join("stamps");
    let stamp = std::env::current_exe()?;
    let words = [stamp.as_path(), "stamp".as_ref(), file.as_path()].map(|word| word.to_string_lossy().into_owned());
    let [stamp, task, path] = &words;
    let arguments = ["run", "--", stamp, task, path, "openclaw", "gateway", "run"];
    let mut guard = Guard::with_arguments(Bench::permit()?, bench.program()?, home, &arguments)?;
    guard.start()?;
    let first = guard.healthy()?;
    crash(&guard, first, &file, figures)?;
    let second = guard.healthy()?;
    freeze(&guard, second, &file, figures)
}

fn crash(guard: &Guard, life: Life, file: &Path, figures: &mut Figures) -> Result<()> {
    let sent = now_ns();
    life.signal(Signal::KILL)?;
    life.ended(BOUND)?;
    let ended = now_ns();
    let executed = replacement(life, file, sent)?;
    figures.crash_exit.samples.push(milliseconds(ended, executed));
    figures.crash_kill.samples.push(milliseconds(sent, executed));
    let incident = recovered(guard)?;
    figures.crash_own.samples.extend(own(&incident, "start_issued_after"));
    Ok(())
}

fn freeze(guard: &Guard, life: Life, file: &Path, figures: &mut Figures) -> Result<()> {
    let sent = now_ns();
    life.signal(Signal::STOP)?;
    let executed = replacement(life, file, sent)?;
    figures.freeze_replaced.samples.push(milliseconds(sent, executed));
    let incident = recovered(guard)?;
    figures.freeze_seen.samples.extend(own(&incident, "detected_after"));
    Ok(())
}

fn replacement(old: Life, file: &Path, since: u128) -> Result<u128> {
    let what = "a replacement to be executed";
    let new = || Ok(stamps(file).into_iter().find(|(pid, time)| *pid != old.pid && *time > since));
    Ok(until_some(what, BOUND, new)?.0.1)
}

/// The newest incident, once the replacement serves.
fn recovered(guard: &Guard) -> Result<Value> {
    let what = "the incident to say when the gateway served again";
    let served = || Ok(guard.last_incident().ok().filter(|incident| incident["serving_after_ms"].is_number()));
    Ok(until_some(what, BOUND, served)?.0)
}

/// A figure of the record in milliseconds: from the microseconds where the record has them.
fn own(incident: &Value, name: &str) -> Option<f64> {
    let exact = incident[format!("{name}_us")].as_f64().map(|us| us / 1000.0);
    exact.or_else(|| incident[format!("{name}_ms")].as_f64())
}

#[expect(clippy::cast_precision_loss, reason = "differences of seconds fit well into 52 bits")]
fn milliseconds(from: u128, to: u128) -> f64 {
    to.saturating_sub(from) as f64 / 1e6
}
