//! The report: what was measured, on what, and where it falls short.

use super::{Figure, machine};
use crate::run::capture;
use anyhow::Result;
use clawmend_testkit::lab::{NODE_VERSION, OPENCLAW_VERSION};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// Writes all figures as one page.
///
/// # Errors
/// When the program does not say its version.
pub fn report(figures: &[Figure], before: &str, after: &str, program: &Path) -> Result<String> {
    let version = capture(Command::new(program).arg("--version"))?;
    let size = std::fs::metadata(program)?.len() / 1024;
    let today = capture(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let mut text = format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench` on {}. Release build of {} ({size} KiB), real OpenClaw {OPENCLAW_VERSION} on \
         Node {NODE_VERSION} as a child.\n\n\
         Machine: {}. Load averages before: {before}; after: {after}.\n\n\
         Each crash and freeze has a fresh home and a fresh guard. \"Own clock\" is what `clawmend incidents --json` \
         says; \"outside clock\" is a program that notes the time at its first instruction and then becomes OpenClaw, \
         so it includes fork and exec.\n\n\
         | figure | n | p50 | p90 | p99 | max | unit | goal |\n|---|---|---|---|---|---|---|---|\n",
        today.trim(),
        version.trim(),
        machine::machine(),
    );
    for figure in figures {
        row(&mut text, figure)?;
    }
    Ok(text)
}

fn row(text: &mut String, figure: &Figure) -> Result<()> {
    let mut sorted = figure.samples.clone();
    sorted.sort_by(f64::total_cmp);
    let Some(max) = sorted.last() else {
        writeln!(text, "| {} | 0 | not measured | | | | {} | {} |", figure.name, figure.unit, figure.goal)?;
        return Ok(());
    };
    let at = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(rank).copied().unwrap_or(*max)
    };
    let (p50, p90, p99) = (at(50), at(90), at(99));
    let n = sorted.len();
    writeln!(
        text,
        "| {} | {n} | {p50:.3} | {p90:.3} | {p99:.3} | {max:.3} | {} | {} |",
        figure.name, figure.unit, figure.goal
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let samples = (1..=100).rev().map(f64::from).collect();
        let mut text = String::new();
        row(&mut text, &Figure { name: "x".into(), unit: "ms", goal: "≤ 1", samples }).unwrap();
        assert_eq!(text, "| x | 100 | 50.000 | 90.000 | 99.000 | 100.000 | ms | ≤ 1 |\n");
    }

    #[test]
    fn a_figure_without_samples_says_so() {
        let mut text = String::new();
        row(&mut text, &Figure::new("x", "ms", "")).unwrap();
        assert!(text.contains("not measured"));
    }
}
