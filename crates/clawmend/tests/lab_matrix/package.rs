//! The installed package lacks a part: an update that was interrupted.

use super::frame;
use anyhow::{Context, Result};
use clawmend_testkit::lab::{Guard, Home, HomeOptions, PackageCopy, lab, until};
use std::time::{Duration, Instant};

/// 2 s are promised; a loaded machine takes longer to show it.
const START_BOUND: Duration = Duration::from_secs(15);

#[test]
fn package_half_installed() -> Result<()> {
    let name = "package half-installed";
    let Some(permit) = lab(name)? else { return Ok(()) };
    let copy = PackageCopy::of(&permit.cache)?;
    let part = copy.built("server-start-")?;
    copy.take_away(&part)?;
    let program = copy.program().display().to_string();
    let home = Home::new(HomeOptions::default())?;
    let arguments = ["run", "--", &program, "gateway", "run"];
    let guard = Guard::with_arguments(permit, frame::CLAWMEND, home, &arguments)?;
    let mut fault = frame::of(name, guard);
    fault.guard.start()?;
    fault.refused_and_told("Cannot find module", 3)?;
    let first = fault.guard.doctor_names("package-incomplete")?;
    copy.put_back(&part)?;
    let whole = Instant::now();
    until("a start once the package is whole", START_BOUND, || !fault.guard.gateways().is_empty())
        .with_context(|| fault.guard.output_tail())?;
    eprintln!("measured: a start was seen {:?} after the package was whole", whole.elapsed());
    fault.guard.healthy()?;
    fault.handed_over(&format!("refused_to_start, {}", frame::plain(&first["case"])));
    Ok(())
}
