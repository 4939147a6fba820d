//! The report: what was measured, on what, and where it falls short.

use super::Figure;
use crate::machine;
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
pub fn report(figures: &[Figure], loads: &[String; 2], took_s: u64, program: &Path) -> Result<String> {
    let version = capture(Command::new(program).arg("--version"))?;
    let size = std::fs::metadata(program)?.len() / 1024;
    let today = capture(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let [before, after] = loads;
    let mut text = format!(
        "# Figures\n\n\
         Written by `cargo xtask bench` on {} in {took_s} s. Release build of {} ({size} KiB), real OpenClaw \
         {OPENCLAW_VERSION} on Node {NODE_VERSION}, as a child and as the unit of a systemd user manager.\n\n\
         Machine: {}. Load averages before: {before}; after: {after}.\n\n\
         Each freeze and crash of a real gateway has a fresh home and a fresh guard; the freezes come at different \
         points between two looks of the guard. \"Guard's record\" is what `clawmend incidents --json` says; \"keeper's \
         clock\" is from the moment when the keeper has reaped the old child to the moment when the new one was \
         executed; \"outside clock\" is that of the benchmark: a child notes the time at its own first words (so its \
         loading counts too), a unit's start is told by systemd. The stand-in is a child that only answers health \
         checks.\n\n\
         | figure | n | p50 | p90 | p99 | max | unit | goal | met |\n|---|---|---|---|---|---|---|---|---|\n",
        today.trim(),
        version.trim(),
        machine::machine(),
    );
    for figure in figures {
        row(&mut text, figure)?;
    }
    let missed: Vec<&str> = figures.iter().filter(|one| met(one) == Some(false)).map(|one| one.name.as_str()).collect();
    if missed.is_empty() {
        text.push_str("\nNothing that was measured falls short of its goal.\n");
    } else {
        writeln!(text, "\nWhat falls short of its goal: {}.", missed.join("; "))?;
    }
    Ok(text)
}

/// A percentile by rank of sorted samples; 100 is the greatest one.
fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied()
}

fn sorted(figure: &Figure) -> Vec<f64> {
    let mut sorted = figure.samples.clone();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Whether it reaches its goal; `None` without a goal or without samples.
fn met(figure: &Figure) -> Option<bool> {
    let sorted = sorted(figure);
    let reaches = |(percent, limit): &(usize, f64)| percentile(&sorted, *percent).map(|value| value <= *limit);
    figure.goal.iter().map(reaches).reduce(|all, one| Some(all? && one?)).flatten()
}

fn goal(figure: &Figure) -> String {
    let word = |percent: usize| if percent == 100 { "max".to_owned() } else { format!("p{percent}") };
    let parts: Vec<String> =
        figure.goal.iter().map(|(percent, limit)| format!("{} ≤ {limit}", word(*percent))).collect();
    parts.join(", ")
}

fn row(text: &mut String, figure: &Figure) -> Result<()> {
    let sorted = sorted(figure);
    let (name, unit, goal) = (&figure.name, figure.unit, goal(figure));
    let at = |percent: usize| percentile(&sorted, percent).unwrap_or_default();
    if sorted.is_empty() {
        writeln!(text, "| {name} | 0 | not measured | | | | {unit} | {goal} | |")?;
        return Ok(());
    }
    let met = met(figure).map_or("", |met| if met { "yes" } else { "**no**" });
    let (p50, p90, p99, max, n) = (at(50), at(90), at(99), at(100), sorted.len());
    writeln!(text, "| {name} | {n} | {p50:.3} | {p90:.3} | {p99:.3} | {max:.3} | {unit} | {goal} | {met} |")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn percentiles_are_ranks_and_are_held_against_the_goal() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let figure = |goal| Figure { samples: samples.clone(), ..Figure::new("x", "ms", goal) };
        let mut text = String::new();
        row(&mut text, &figure(&[(50, 50.0), (100, 99.0)])).unwrap();
        let goal = "p50 ≤ 50, max ≤ 99 | **no**";
        assert_eq!(text, format!("| x | 100 | 50.000 | 90.000 | 99.000 | 100.000 | ms | {goal} |\n"));
        assert_eq!(met(&figure(&[(50, 50.0), (100, 100.0)])), Some(true));
        assert_eq!(met(&figure(&[])), None);
    }

    #[test]
    fn a_figure_without_samples_says_so_and_has_not_met_its_goal() {
        let figure = Figure::new("x", "ms", &[(100, 1.0)]);
        let mut text = String::new();
        row(&mut text, &figure).unwrap();
        assert!(text.contains("not measured"));
        assert_eq!(met(&figure), None);
    }
}
