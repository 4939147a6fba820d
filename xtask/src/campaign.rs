//! Many simulated gateway hours. The result goes to docs/campaign.md and, with every figure, to docs/campaign.json:
//! any of its seeds can be lived again by number.

use crate::run::{capture, root};
use anyhow::Result;
use clawmend_testkit::sim::{CampaignReport, campaign_on};
use std::fmt::Write;
use std::process::Command;

/// One life.
const HOURS_PER_SEED: u64 = 50;
const THREADS: usize = 2;

/// Runs the simulator; `true` when no rule was broken.
///
/// # Errors
/// When the result cannot be written.
pub fn campaign(hours: u64, seed: u64) -> Result<bool> {
    let seeds = hours.div_ceil(HOURS_PER_SEED);
    println!("campaign: {seeds} lives of {HOURS_PER_SEED} h from seed {seed} on {THREADS} threads");
    let report = campaign_on(seed..seed.saturating_add(seeds), HOURS_PER_SEED, THREADS);
    let docs = root().join("docs");
    std::fs::create_dir_all(&docs)?;
    std::fs::write(docs.join("campaign.json"), serde_json::to_string_pretty(&report)? + "\n")?;
    let text = page(&report)?;
    std::fs::write(docs.join("campaign.md"), &text)?;
    println!("{text}");
    Ok(report.false_kills == 0 && report.violations_total == 0)
}

fn page(report: &CampaignReport) -> Result<String> {
    let today = capture(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let commit = capture(Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root()));
    let last_seed = report.first_seed + report.seeds.saturating_sub(1);
    let mut text = format!(
        "# Campaign\n\n\
         Written by `cargo xtask campaign` on {} at {}.\n\n\
         - {} gateway hours at 1 Hz: seeds {} to {last_seed}, {} h each\n\
         - **{} false kills, {} broken rules**\n\
         - {:.0} s on {} threads: {:.2e} × real time\n\n\
         One life again, with every step: `CLAWMEND_SEED=N cargo test -p clawmend-testkit --test sim replay -- --nocapture`\n\n\
         ## Injected faults\n\n\
         From onset; a start counts from the end of its cause where only a person can end that.\n\n\
         | fault | injected | found | mended | overtaken | found p50 ms | p99 | start p50 ms | p99 |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        today.trim(),
        commit.as_deref().unwrap_or("an unknown commit").trim(),
        report.gateway_hours,
        report.first_seed,
        report.hours_per_seed,
        report.false_kills,
        report.violations_total,
        report.wall_s,
        report.threads,
        report.speed,
    );
    for (fault, figures) in &report.faults {
        writeln!(
            text,
            "| {fault:?} | {} | {} | {} | {} | {} | {} | {} | {} |",
            figures.injected,
            figures.found,
            figures.recovered,
            figures.overtaken,
            figures.found_p50_ms,
            figures.found_p99_ms,
            figures.start_p50_ms,
            figures.start_p99_ms
        )?;
    }
    text.push_str("\n## What had to be left alone\n\n| disturbance | times |\n|---|---|\n");
    for (name, times) in &report.disturbances {
        writeln!(text, "| {name} | {times} |")?;
    }
    if !report.violations.is_empty() {
        text.push_str("\n## Broken rules\n\n");
    }
    for violation in &report.violations {
        writeln!(text, "- seed {} at {} ms: {}: {}", violation.seed, violation.at_ms, violation.rule, violation.text)?;
    }
    Ok(text)
}
