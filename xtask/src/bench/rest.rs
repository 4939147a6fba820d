//! What the guard costs at rest, everything on, one check per second.

use super::{Bench, Figure};
use anyhow::{Context, Result};
use clawmend_testkit::lab::{Guard, Home, HomeOptions, Life, lives_with_nonce};
use std::time::{Duration, Instant};

/// After the boot, before measuring: the start's own work is over.
const SETTLE: Duration = Duration::from_secs(30);

/// A reading of one process's counters.
struct Reading {
    cpu_ns: u64,
    voluntary: u64,
    involuntary: u64,
}

/// Measures the guard and its keeper over `seconds`.
///
/// # Errors
/// When the guard does not come up or goes away.
pub fn measure(bench: &Bench, seconds: u64) -> Result<Vec<Figure>> {
    let home = Home::new(HomeOptions::default())?;
    let mut guard = Guard::over_child(Bench::permit()?, bench.program()?, home)?;
    guard.start()?;
    let gateway = guard.healthy()?;
    println!("bench: at rest, {seconds} s");
    std::thread::sleep(SETTLE);
    let own = guard.life()?;
    let keeper = lives_with_nonce(guard.nonce()).into_iter().find(|life| *life != own && is_clawmend(life.pid));
    let mut figures = process("guard", own, seconds)?;
    if let Some(keeper) = keeper {
        figures.extend(memory("keeper", keeper)?);
    }
    let alive = gateway.alive();
    anyhow::ensure!(alive, "the gateway ended while the guard was measured at rest");
    Ok(figures)
}

fn is_clawmend(pid: u32) -> bool {
    let link = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    link.file_name().is_some_and(|name| name.to_string_lossy().starts_with("clawmend"))
}

fn process(name: &str, life: Life, seconds: u64) -> Result<Vec<Figure>> {
    let (before, begin) = (read(life)?, Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let (after, took) = (read(life)?, begin.elapsed().as_secs_f64());
    let mut cpu = Figure::new(&format!("{name}: CPU at rest"), "% of a core", &[(100, 0.03)]);
    let mut wakes = Figure::new(&format!("{name}: wake-ups (voluntary switches)"), "/s", &[]);
    let mut pushed = Figure::new(&format!("{name}: involuntary switches"), "/s", &[]);
    let mut cycle = Figure::new(&format!("{name}: CPU per second of guarding (one probe cycle)"), "µs", &[]);
    #[expect(clippy::cast_precision_loss, reason = "counters of minutes fit well into 52 bits")]
    let per_second = |from: u64, to: u64| to.saturating_sub(from) as f64 / took;
    let busy = per_second(before.cpu_ns, after.cpu_ns);
    cpu.samples.push(busy / 1e7);
    cycle.samples.push(busy / 1e3);
    wakes.samples.push(per_second(before.voluntary, after.voluntary));
    pushed.samples.push(per_second(before.involuntary, after.involuntary));
    let mut figures = memory(name, life)?;
    figures.extend([cpu, cycle, wakes, pushed]);
    Ok(figures)
}

fn memory(name: &str, life: Life) -> Result<Vec<Figure>> {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", life.pid)).context("smaps_rollup")?;
    let mebibytes = |key: &str| -> Result<f64> {
        let line =
            text.lines().find(|line| line.starts_with(key)).with_context(|| format!("no {key} in smaps_rollup"))?;
        let kibibytes: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kibibytes / 1024.0)
    };
    let mut anonymous = Figure::new(&format!("{name}: anonymous memory"), "MiB", &[(100, 5.0)]);
    let mut resident = Figure::new(&format!("{name}: RSS"), "MiB", &[]);
    anonymous.samples.push(mebibytes("Anonymous:")?);
    resident.samples.push(mebibytes("Rss:")?);
    Ok(vec![anonymous, resident])
}

/// Sums over all threads, since the kernel's figures per process leave some out.
fn read(life: Life) -> Result<Reading> {
    let mut reading = Reading { cpu_ns: 0, voluntary: 0, involuntary: 0 };
    for task in std::fs::read_dir(format!("/proc/{}/task", life.pid)).context("the guard has ended")? {
        let task = task?.path();
        let schedule = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        reading.cpu_ns += schedule.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
        let status = std::fs::read_to_string(task.join("status")).unwrap_or_default();
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        reading.voluntary += number("voluntary_ctxt_switches:");
        reading.involuntary += number("nonvoluntary_ctxt_switches:");
    }
    Ok(reading)
}
