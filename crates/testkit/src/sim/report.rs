//! Many lives, and what came of them.

use super::brain::Brain;
use super::live;
use super::oracle::{Fault, Tally, Violation};
use clawmend_core::guardian::Guardian;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What a campaign found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignReport {
    /// First seed.
    pub first_seed: u64,
    /// Number of seeds.
    pub seeds: u64,
    /// Simulated hours of each, machine awake.
    pub hours_per_seed: u64,
    /// Simulated hours in all.
    pub gateway_hours: u64,
    /// Wall seconds.
    pub wall_s: f64,
    /// Simulated seconds per wall second, all threads together.
    pub speed: f64,
    /// Threads.
    pub threads: usize,
    /// By kind of fault.
    pub faults: BTreeMap<Fault, FaultReport>,
    /// Legitimate disturbances and wishes, by name.
    pub disturbances: BTreeMap<String, u64>,
    /// Forced ends of a gateway without a fault.
    pub false_kills: u64,
    /// Rules broken in all.
    pub violations_total: u64,
    /// The first of them, with seeds and traces.
    pub violations: Vec<Violation>,
}

/// One kind of fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultReport {
    /// How often injected.
    pub injected: u64,
    /// Named with a fitting cause.
    pub found: u64,
    /// Mended.
    pub recovered: u64,
    /// A person, or the end of the process for another reason, came first.
    pub overtaken: u64,
    /// From onset to the name, median, ms.
    pub found_p50_ms: u32,
    /// 99th percentile.
    pub found_p99_ms: u32,
    /// From onset, or from the end of its cause where only a person can end that, to the start, median, ms.
    pub start_p50_ms: u32,
    /// 99th percentile.
    pub start_p99_ms: u32,
}

/// Lives through these seeds on one thread.
#[must_use]
pub fn campaign(seeds: Range<u64>, hours_per_seed: u64) -> CampaignReport {
    campaign_on(seeds, hours_per_seed, 1)
}

/// Lives through these seeds on so many threads.
#[must_use]
pub fn campaign_on(seeds: Range<u64>, hours_per_seed: u64, threads: usize) -> CampaignReport {
    campaign_of::<Guardian>(seeds, hours_per_seed, threads)
}

/// The same with any brain.
#[must_use]
pub fn campaign_of<B: Brain>(seeds: Range<u64>, hours_per_seed: u64, threads: usize) -> CampaignReport {
    let began = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let mut tally = Tally::default();
    let mut seconds = 0;
    std::thread::scope(|scope| {
        let work = || {
            let (mut mine, mut lived) = (Tally::default(), 0);
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return (mine, lived);
                }
                let (one, awake) = live::<B>(seed, hours_per_seed, false);
                mine.merge(one);
                lived += awake;
            }
        };
        let handles: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        for handle in handles {
            if let Ok((one, lived)) = handle.join() {
                tally.merge(one);
                seconds += lived;
            } else {
                tally.violations_total += 1;
            }
        }
    });
    let wall_s = began.elapsed().as_secs_f64();
    let faults = tally.injected.iter().map(|(fault, injected)| (*fault, fault_report(&tally, *fault, *injected)));
    CampaignReport {
        first_seed: seeds.start,
        seeds: seeds.end.saturating_sub(seeds.start),
        hours_per_seed,
        gateway_hours: seconds / 3_600,
        wall_s,
        speed: seconds as f64 / wall_s.max(1e-9),
        threads,
        faults: faults.collect(),
        disturbances: tally.disturbances.clone(),
        false_kills: tally.false_kills,
        violations_total: tally.violations_total,
        violations: {
            tally.violations.sort_by_key(|violation| (violation.seed, violation.at_ms));
            tally.violations
        },
    }
}

fn fault_report(tally: &Tally, fault: Fault, injected: u64) -> FaultReport {
    let count = |map: &BTreeMap<Fault, u64>| map.get(&fault).copied().unwrap_or(0);
    let mut found = tally.found_ms.get(&fault).cloned().unwrap_or_default();
    let mut start = tally.start_ms.get(&fault).cloned().unwrap_or_default();
    found.sort_unstable();
    start.sort_unstable();
    FaultReport {
        injected,
        found: count(&tally.found),
        recovered: count(&tally.recovered),
        overtaken: count(&tally.overtaken),
        found_p50_ms: percentile(&found, 50),
        found_p99_ms: percentile(&found, 99),
        start_p50_ms: percentile(&start, 50),
        start_p99_ms: percentile(&start, 99),
    }
}

fn percentile(sorted: &[u32], percent: usize) -> u32 {
    sorted.get((sorted.len().saturating_sub(1)) * percent / 100).copied().unwrap_or(0)
}
