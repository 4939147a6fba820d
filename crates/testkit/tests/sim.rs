//! The guard lives through simulated hours, and the oracle finds nothing to complain about.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use clawmend_testkit::sim::{self, CampaignReport};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn print(report: &CampaignReport) {
    println!(
        "measured: {} gateway-hours in {:.1} s: {:.2e} x real time; {} false kills, {} violations",
        report.gateway_hours, report.wall_s, report.speed, report.false_kills, report.violations_total
    );
    for (fault, figures) in &report.faults {
        println!("{fault:?}: {figures:?}");
    }
    println!("disturbances {:?}", report.disturbances);
    let mut rules = std::collections::BTreeMap::<&str, u64>::new();
    for violation in &report.violations {
        *rules.entry(&violation.rule).or_default() += 1;
    }
    println!("rules broken, of those kept: {rules:?}");
    for violation in report.violations.iter().take(20) {
        println!("\nseed {} at {} ms: {}: {}", violation.seed, violation.at_ms, violation.rule, violation.text);
        for line in &violation.trace {
            println!("    {line}");
        }
        println!(
            "    CLAWMEND_SEED={} cargo test -p clawmend-testkit --test sim replay -- --nocapture",
            violation.seed
        );
    }
}

const HOURS_PER_SEED: u64 = 50;

/// Seeds and hours may be set by `CLAWMEND_SEEDS` and `CLAWMEND_HOURS`.
#[test]
fn twenty_thousand_hours() {
    let hours = number("CLAWMEND_HOURS", HOURS_PER_SEED);
    let report = sim::campaign_on(0..number("CLAWMEND_SEEDS", 400), hours, 2);
    print(&report);
    assert_eq!(report.false_kills, 0);
    assert_eq!(report.violations_total, 0);
}

/// Prints the life of `CLAWMEND_SEED`.
#[test]
fn replay() {
    let Some(seed) = std::env::var("CLAWMEND_SEED").ok().and_then(|text| text.parse().ok()) else {
        println!("skipped: CLAWMEND_SEED is not set");
        return;
    };
    let tally = sim::replay(seed, number("CLAWMEND_HOURS", HOURS_PER_SEED));
    assert_eq!(tally.violations_total, 0, "{:#?}", tally.violations.first());
}
