//! The disk is full before the gateway starts; the guard's own folder lies on it, too.

use super::frame;
use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{HomeOptions, SmallDisk, skipped, until};
use std::time::{Duration, Instant};

/// Larger than what the guard calls nearly full (200 MiB by the default policy).
const DISK_MIB: u32 = 512;
/// 2 s are promised; a loaded machine takes longer to show it.
const START_BOUND: Duration = Duration::from_secs(15);

#[test]
fn disk_full_then_freed() -> Result<()> {
    let name = "disk full then freed";
    let Some(mut fault) = frame::prepared(name, HomeOptions::default(), &[])? else { return Ok(()) };
    let config = fault.guard.home.read_config()?;
    let mut disk = match SmallDisk::over(&fault.guard.home.state_dir(), DISK_MIB) {
        Ok(disk) => disk,
        Err(reason) => {
            skipped(name, &reason);
            return Ok(());
        }
    };
    disk.lend("guard", &fault.guard.dirs.state())?;
    fault.guard.home.write_config(&config)?;
    disk.fill()?;
    fault.guard.start()?;
    until("the status to name the disk", frame::REFUSED_BOUND, || {
        let cause = fault.guard.status().map(|status| status["cause"].clone()).unwrap_or_default();
        cause["code"] == "refused_to_start" && cause["detail"].to_string().contains("disk")
    })
    .with_context(|| format!("{:?}\n{}", fault.guard.status(), fault.guard.output_tail()))?;
    fault.guard.ended_gateway(frame::SOON)?;
    fault.guard.stays_ended("the disk is full", Duration::from_secs(20))?;
    ensure!(fault.guard.running(), "the guard ended with its disk full");
    fault.guard.doctor_names("disk-full-at-start")?;
    disk.free()?;
    let freed = Instant::now();
    until("a start once there is room", START_BOUND, || !fault.guard.gateways().is_empty())
        .with_context(|| fault.guard.output_tail())?;
    eprintln!("measured: a start was seen {:?} after there was room", freed.elapsed());
    fault.guard.healthy()?;
    let served = freed.elapsed();
    let incident = fault.guard.ended_as("refused_to_start", &["recovered", "human_fixed"])?;
    fault.repaired_in(
        served,
        &format!("after there was room; refused_to_start, {}", frame::plain(&incident["outcome"])),
    );
    Ok(())
}
