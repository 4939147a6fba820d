//! What the figures prove, each with words for people.

use super::{Figures, Host, Process};
use clawmend_core::diagnosis::case::Fact;
use clawmend_core::diagnosis::class::HangClass;
use clawmend_core::diagnosis::hang::{HangEvidence, classes};
use clawmend_core::observation::RunState;

/// A start may take so long; before that a gateway without a listener is normal (boots of 240 s were seen).
const BOOT_MS: u64 = 240_000;
/// The end of a start keeps the event loop busy for seconds at a time; before this nothing is called a spin.
const YOUNG_MS: u64 = 60_000;
/// The event loop is slow for longer than a start or the end of a stall explains.
const SLOW_FOR_MS: u64 = 5_000;
/// Share of a core below which a process does not spin.
const BURNS: f64 = 0.3;

/// What a guard that has watched for longer knows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Watched {
    /// For how long it has had no answer, in milliseconds.
    pub silent_ms: Option<u64>,
    /// How its memory has grown over half an hour, as a share of what it had.
    pub memory_growth: Option<f64>,
}

/// The facts.
#[must_use]
pub fn of(figures: &Figures, watched: Watched) -> Vec<(Fact, String)> {
    let mut facts = Vec::new();
    if let Some(process) = &figures.process {
        facts.extend(stopped(process));
        facts.extend(spinning(process));
        facts.extend(not_listening(process));
    }
    let evidence = evidence(figures, watched);
    for found in classes(&evidence) {
        let more = measured(figures, found.class);
        let said = if more.is_empty() { found.because } else { format!("{} ({more})", found.because) };
        facts.push((Fact::Hang(found.class), said));
    }
    facts
}

/// In the core's terms. What only a gateway in trouble may be judged by stays out while it answers well: a busy host
/// is no fault of one that answers at once.
fn evidence(figures: &Figures, watched: Watched) -> HangEvidence {
    let Some(process) = &figures.process else {
        // A lock whose pid is another program's now is what keeps older versions from starting.
        return HangEvidence { dead_owner: Some(figures.reused_pid.is_some()), ..HangEvidence::default() };
    };
    let silent = is_silent(process) && process.age_ms.is_none_or(|age| age >= YOUNG_MS);
    let troubled = silent || is_slow(process);
    let outbound = process.connections.as_ref();
    HangEvidence {
        cpu_cores: Some(cores(process)),
        yields: process.yields.map(|count| count > 0),
        silent_ms: silent.then(|| process.looked_ms.max(watched.silent_ms.unwrap_or(0))),
        memory_share: memory_share(process, &figures.host),
        // More work is no fault of one that answers well.
        memory_growth: watched.memory_growth.filter(|_| troubled),
        descriptor_share: share(process.descriptors.map(u64::from), process.descriptor_limit),
        dead_owner: Some(silent && figures.dead_locks > 0),
        instances: Some(figures.instances),
        connections_to_one: outbound.and_then(|all| all.remotes.iter().map(|one| one.established).max()),
        waiting_for_connection: None,
        unanswered_connections: outbound.map(|all| all.unanswered),
        pressure: pressure(&figures.host).filter(|_| troubled),
        withheld: withheld(process, &figures.host).filter(|_| troubled),
    }
}

fn is_silent(process: &Process) -> bool {
    process.answers.as_ref().is_some_and(super::Answers::is_silent)
}

fn is_slow(process: &Process) -> bool {
    process.answers.as_ref().is_some_and(|answers| {
        !answers.is_prompt() && answers.loop_degraded_ms.is_none_or(|for_ms| for_ms >= SLOW_FOR_MS)
    })
}

fn stopped(process: &Process) -> Option<(Fact, String)> {
    let held = process.held.is_some();
    (process.state == [RunState::Stopped; 2] && !held)
        .then(|| (Fact::Stopped, format!("the kernel says that pid {} is stopped by a signal (state T)", process.pid)))
}

/// Only while it owes an answer: a process may compute as long as it likes.
fn spinning(process: &Process) -> Option<(Fact, String)> {
    let burns = cores(process) >= BURNS && process.yields == Some(0) && process.state == [RunState::Running; 2];
    let young = process.age_ms.is_none_or(|age| age < YOUNG_MS);
    (burns && !young && is_silent(process) && process.held.is_none()).then(|| {
        let (cpu, looked) = (process.cpu_ms, process.looked_ms);
        let said = format!(
            "pid {} burned {cpu} ms of CPU in {looked} ms, never gave it up by itself, and left /healthz without an answer",
            process.pid
        );
        (Fact::Spinning, said)
    })
}

fn not_listening(process: &Process) -> Option<(Fact, String)> {
    let none = process.listens.as_ref().is_some_and(Vec::is_empty);
    let old = process.age_ms.is_some_and(|age| age >= BOOT_MS);
    (none && old && process.held.is_none() && process.state[1] != RunState::Stopped).then(|| {
        let minutes = process.age_ms.unwrap_or(0) / 60_000;
        (Fact::NotListening, format!("pid {} lives for {minutes} min, and no socket of it listens", process.pid))
    })
}

#[allow(clippy::cast_precision_loss)]
fn cores(process: &Process) -> f64 {
    process.cpu_ms as f64 / process.looked_ms.max(1) as f64
}

#[allow(clippy::cast_precision_loss)]
fn share(used: Option<u64>, of: Option<u64>) -> Option<f64> {
    let (used, of) = used.zip(of.filter(|of| *of > 0))?;
    // What was inherited from a parent with a higher limit counts beyond it.
    Some((used as f64 / of as f64).min(1.0))
}

/// Of its cgroup's limit, or of all that the machine has.
fn memory_share(process: &Process, host: &Host) -> Option<f64> {
    let limit = [process.memory_limit_bytes, host.memory_bytes].into_iter().flatten().min();
    share(Some(process.rss_kib.saturating_mul(1024)), limit)
}

/// Memory that runs out and a disk that does not keep up starve a gateway as well as other tasks' CPU.
fn pressure(host: &Host) -> Option<f64> {
    let worst = [host.cpu_pressure, host.memory_pressure, host.io_pressure].into_iter().flatten().reduce(f32::max);
    worst.map(|percent| f64::from(percent) / 100.0)
}

/// By a quota, or by the hypervisor. What was stolen from all CPUs counts as if it had been this one's, at most a core.
#[allow(clippy::cast_precision_loss)]
fn withheld(process: &Process, host: &Host) -> Option<f64> {
    let cpus = host.cpus.unwrap_or(1).max(1) as u64;
    let stolen = host.stolen_ms.map(|ms| ms / cpus);
    let most = [process.throttled_ms, stolen].into_iter().flatten().max()?;
    Some((most as f64 / process.looked_ms.max(1) as f64).min(1.0))
}

/// The figures behind a kind, for people.
fn measured(figures: &Figures, class: HangClass) -> String {
    let Some(process) = &figures.process else {
        return figures.reused_pid.map(|pid| format!("pid {pid} is another program now")).unwrap_or_default();
    };
    let mib = |bytes: u64| bytes / (1024 * 1024);
    match class {
        HangClass::MemoryLeak => {
            let limit = [process.memory_limit_bytes, figures.host.memory_bytes].into_iter().flatten().min();
            let limit = limit.map(|bytes| format!(" of {} MiB", mib(bytes))).unwrap_or_default();
            format!("{} MiB{limit}", process.rss_kib / 1024)
        }
        HangClass::DescriptorLeak => {
            let count = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
            format!("{} of {}", count(process.descriptors.map(u64::from)), count(process.descriptor_limit))
        }
        HangClass::DependencySlow | HangClass::PoolExhausted => {
            let remotes = process.connections.iter().flat_map(|all| &all.remotes);
            let named: Vec<String> = remotes
                .filter(|one| class == HangClass::PoolExhausted || one.unanswered > 0)
                .take(3)
                .map(|one| format!("{} to {}", one.unanswered.max(one.established), one.address))
                .collect();
            named.join(", ")
        }
        HangClass::HostStarved => {
            let load = figures.host.load_1m.map(|load| format!("load {load:.1}"));
            let cpus = figures.host.cpus.map(|cpus| format!("{cpus} CPUs"));
            load.into_iter().chain(cpus).collect::<Vec<_>>().join(" on ")
        }
        HangClass::StaleResidue => format!("{} lock files", figures.dead_locks),
        HangClass::EventLoopBlocked | HangClass::SeveralInstances => String::new(),
    }
}
