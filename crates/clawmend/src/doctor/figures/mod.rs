//! Figures of the gateway that runs here: what the kernel and its own endpoints say of it, within about two seconds.
//!
//! [`measure`] looks, [`facts::of`] says what the figures prove. Invariants: only a process that a lock of this home
//! proves (pid and start time) is looked at; nothing is changed, sent or signalled but `GET /healthz` and
//! `GET /readyz` to a socket that this very process owns; what a system does not tell is `None` and proves nothing.

mod answers;
mod connections;
pub mod facts;
#[cfg(all(test, target_os = "linux"))]
pub(crate) mod tests;

pub use answers::Answers;
pub use connections::{Connections, Remote};

use crate::host::process::{self, Depth, Look, Sampler};
use crate::host::{clock, limits, machine, pressure, socket};
use crate::openclaw::config;
use crate::openclaw::discovery::{DEFAULT_PORT, Home};
use crate::openclaw::lock::{self, LockFile};
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::{Held, ProcessSample, RunState};
use serde::Serialize;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Between the two looks at a gateway that answers.
const SHORT: Duration = Duration::from_millis(500);
/// The same for one that does not: its answer is waited for as long.
const LONG: Duration = Duration::from_secs(2);

/// What was seen of a home.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// The process; `None` when no lock proves one.
    pub process: Option<Process>,
    /// Live processes that a lock of this home proves.
    pub instances: u32,
    /// Lock files in the name of a process that has ended.
    pub dead_locks: u32,
    /// A process that is not the lock's has its pid now.
    pub reused_pid: Option<u32>,
    /// The machine.
    pub host: Host,
}

/// One process over two looks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Process {
    /// Its pid.
    pub pid: u32,
    /// For how long it lives.
    pub age_ms: Option<u64>,
    /// Between the two looks.
    pub looked_ms: u64,
    /// Its state at both.
    pub state: [RunState; 2],
    /// CPU that it used in between.
    pub cpu_ms: u64,
    /// How often its main thread gave up the CPU by itself in between; `None` where the system does not count.
    pub yields: Option<u64>,
    /// Resident memory, in KiB.
    pub rss_kib: u64,
    /// Its threads.
    pub threads: u32,
    /// Its open descriptors.
    pub descriptors: Option<u32>,
    /// How many it may have.
    pub descriptor_limit: Option<u64>,
    /// How much memory its cgroup may use.
    pub memory_limit_bytes: Option<u64>,
    /// How long a CPU quota held it back in between.
    pub throttled_ms: Option<u64>,
    /// Somebody holds it on purpose.
    pub held: Option<Held>,
    /// Where it listens; `None` where the system does not tell.
    pub listens: Option<Vec<Listens>>,
    /// What its endpoints said; `None` when there was no socket to ask.
    pub answers: Option<Answers>,
    /// Its connections; `None` where the system does not tell.
    pub connections: Option<Connections>,
}

/// A socket that waits for connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Listens {
    /// Where.
    pub at: SocketAddr,
    /// Connections that wait to be accepted.
    pub waiting: u32,
}

/// The machine in that time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Host {
    /// Kernel and its version.
    pub kernel: Option<String>,
    /// CPUs.
    pub cpus: Option<usize>,
    /// Tasks that ran or waited to, over the last minute.
    pub load_1m: Option<f64>,
    /// All memory.
    pub memory_bytes: Option<u64>,
    /// Memory that could be had.
    pub available_bytes: Option<u64>,
    /// Percent of the last minute in which some task waited for a CPU.
    pub cpu_pressure: Option<f32>,
    /// For memory.
    pub memory_pressure: Option<f32>,
    /// For the disk.
    pub io_pressure: Option<f32>,
    /// CPU time that the hypervisor gave to others between the looks, of all CPUs.
    pub stolen_ms: Option<u64>,
}

/// Looks at the gateway of `home`. Blocks for about two seconds at most. `uid` is the gateway's user.
#[must_use]
pub fn measure(home: &Home, uid: u32) -> Figures {
    let locks = lock::find(home, uid, &std::env::temp_dir());
    let proven: Vec<(&LockFile, Incarnation)> =
        locks.iter().filter_map(|file| Some((file, file.prove(process::incarnation_of)?))).collect();
    let dead: Vec<&LockFile> = locks.iter().filter(|file| file.prove(process::incarnation_of).is_none()).collect();
    let mut lives: Vec<&Incarnation> = proven.iter().map(|(_, life)| life).collect();
    lives.sort();
    lives.dedup();
    let before = machine::read();
    let looked = proven.first().and_then(|(file, life)| look(home, file, life));
    let after = machine::read();
    let minute = pressure::minute();
    Figures {
        instances: u32::try_from(lives.len()).unwrap_or(u32::MAX),
        dead_locks: u32::try_from(dead.len()).unwrap_or(u32::MAX),
        // Without a start time a lock says nothing of who has its pid now.
        reused_pid: dead
            .iter()
            .find(|file| file.start_time.is_some() && process::incarnation_of(file.pid).is_some())
            .map(|file| file.pid),
        process: looked,
        host: Host {
            stolen_ms: before.stolen_ms.zip(after.stolen_ms).map(|(before, after)| after.saturating_sub(before)),
            kernel: after.kernel,
            cpus: after.cpus,
            load_1m: after.load_1m,
            memory_bytes: after.memory_bytes,
            available_bytes: after.available_bytes,
            cpu_pressure: minute.cpu,
            memory_pressure: minute.memory,
            io_pressure: minute.io,
        },
    }
}

fn look(home: &Home, file: &LockFile, life: &Incarnation) -> Option<Process> {
    let view = config::read(home, |name| std::env::var(name).ok()).view;
    let port = file.port.or(home.port).or(view.as_ref().and_then(|view| view.port)).unwrap_or(DEFAULT_PORT);
    let sockets = socket::listening(life.pid);
    let own = sockets.iter().flatten().find(|socket| socket.addr.port() == port).copied();
    let mut sampler = Sampler::new(life.clone());
    sampler.set_gateway_port(Some(port));
    let begun = Instant::now();
    let held_back = limits::of(life).throttled_us;
    let Look::Alive(first) = sampler.sample(Depth::Whole) else { return None };
    let answers = own.map(|own| answers::ask(own.addr, view.as_ref().is_some_and(|view| view.tls), LONG));
    let window = if answers.as_ref().is_some_and(Answers::is_prompt) { SHORT } else { LONG };
    std::thread::sleep(window.saturating_sub(begun.elapsed()));
    let Look::Alive(second) = sampler.sample(Depth::Closely) else { return None };
    let looked_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let limits = limits::of(life);
    let throttled_ms = held_back.zip(limits.throttled_us).map(|(before, after)| after.saturating_sub(before) / 1000);
    // Counted again: what waits now has been left waiting over the whole time.
    let listens = socket::listening(life.pid)
        .map(|all| all.iter().map(|one| Listens { at: one.addr, waiting: one.backlog }).collect());
    Some(Process {
        pid: life.pid,
        age_ms: process::age_ms(life, clock::now()),
        looked_ms,
        state: [first.state, second.state],
        cpu_ms: second.cpu_ms.saturating_sub(first.cpu_ms),
        yields: yields(&first, &second),
        rss_kib: second.rss_kib,
        threads: second.threads,
        descriptors: second.descriptors,
        descriptor_limit: limits.descriptors,
        memory_limit_bytes: limits.memory_bytes,
        throttled_ms,
        held: second.held.or(first.held),
        listens,
        answers,
        connections: connections::of(life.pid, port),
    })
}

/// Where nothing is ever counted, nothing is known.
fn yields(first: &ProcessSample, second: &ProcessSample) -> Option<u64> {
    let counted = second.voluntary > 0 || second.involuntary > 0;
    counted.then(|| second.voluntary.saturating_sub(first.voluntary))
}
