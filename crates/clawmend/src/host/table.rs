//! Process look-ups through `sysinfo`, for systems without `/proc`.
//!
//! Start times are what `sysinfo` tells: seconds since the epoch. Coarser than Linux, so two lives of one pid within
//! a second would look alike; pids are not reused that fast on macOS and Windows.

use super::process::Look;
use super::{clock, printable};
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::{ProcessSample, RunState};
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

/// Which boot: its time, since these systems have no id for it that can be had safely.
pub fn boot_id() -> String {
    System::boot_time().map(|seconds| format!("boot-{seconds}")).unwrap_or_default()
}

/// See the facade.
pub fn incarnation_of(pid: u32) -> Option<Incarnation> {
    let mut system = System::new().ok()?;
    refreshed(&mut system, pid, ProcessRefreshKind::nothing()).map(life)
}

/// See the facade.
pub fn name(pid: u32) -> String {
    let Ok(mut system) = System::new() else { return String::new() };
    let found = refreshed(&mut system, pid, ProcessRefreshKind::nothing());
    found.map(|process| printable(process.name().as_encoded_bytes(), 64)).unwrap_or_default()
}

/// See the facade.
pub fn environ_value(of: &Incarnation, key: &str) -> Option<String> {
    let mut system = System::new().ok()?;
    let wanted = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
    let found = refreshed(&mut system, of.pid, wanted).filter(|process| life(process) == *of)?;
    found.environ().iter().find_map(|entry| Some(entry.to_str()?.strip_prefix(key)?.strip_prefix('=')?.to_owned()))
}

/// See the facade.
pub fn environ(of: &Incarnation) -> Vec<(String, String)> {
    let Ok(mut system) = System::new() else { return Vec::new() };
    let wanted = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
    let Some(found) = refreshed(&mut system, of.pid, wanted).filter(|process| life(process) == *of) else {
        return Vec::new();
    };
    let entries = found.environ().iter().filter_map(|entry| entry.to_str()?.split_once('='));
    entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// See the facade.
pub fn children(of: &Incarnation) -> Vec<Incarnation> {
    let Some(system) = everybody() else { return Vec::new() };
    let parent = Some(Pid::from_u32(of.pid));
    system.processes().values().filter(|process| process.parent() == parent).map(life).collect()
}

/// See the facade.
pub fn descendants(of: &Incarnation) -> Vec<Incarnation> {
    let Some(system) = everybody() else { return Vec::new() };
    let below = |process: &&Process| process.pid().as_u32() != of.pid && leads_to(&system, process.pid(), of.pid);
    system.processes().values().filter(below).map(life).collect()
}

/// See the facade.
pub fn is_descendant(pid: u32, of: &Incarnation) -> bool {
    let is_theirs = |system: System| leads_to(&system, Pid::from_u32(pid), of.pid);
    incarnation_of(of.pid).as_ref() == Some(of) && everybody().is_some_and(is_theirs)
}

/// See the facade.
#[derive(Debug)]
pub struct Sampler {
    life: Incarnation,
    system: Option<System>,
}

impl Sampler {
    /// See the facade.
    pub fn new(life: Incarnation) -> Self {
        Self { life, system: System::new().ok() }
    }

    /// Inspector clients are not looked for here.
    pub fn set_gateway_port(&mut self, _port: Option<u16>) {}

    /// Context switches, tracer and descriptors are not told here and stay at zero or `None`.
    pub fn sample(&mut self, _depth: crate::host::process::Depth) -> Look {
        let wanted = ProcessRefreshKind::nothing().with_cpu().with_memory();
        let Some(system) = &mut self.system else {
            return Look::CannotTell("the process table cannot be read".to_owned());
        };
        match refreshed(system, self.life.pid, wanted) {
            Some(process) if life(process) == self.life => Look::Alive(ProcessSample {
                incarnation: self.life.clone(),
                state: run_state(process.status()),
                cpu_ms: process.accumulated_cpu_time(),
                voluntary: 0,
                involuntary: 0,
                rss_kib: process.memory() / 1024,
                threads: 0,
                descriptors: None,
                throttled: None,
                held: None,
            }),
            Some(_) | None => Look::Gone,
        }
    }
}

fn everybody() -> Option<System> {
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
    Some(system)
}

fn refreshed(system: &mut System, pid: u32, wanted: ProcessRefreshKind) -> Option<&Process> {
    let pid = Pid::from_u32(pid);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, wanted);
    system.process(pid)
}

fn life(process: &Process) -> Incarnation {
    Incarnation { pid: process.pid().as_u32(), start: process.start_time(), boot: clock::boot_id().to_owned() }
}

fn leads_to(system: &System, from: Pid, ancestor: u32) -> bool {
    let mut current = Some(from);
    for _ in 0..256 {
        match current {
            Some(pid) if pid.as_u32() == ancestor => return true,
            Some(pid) => current = system.process(pid).and_then(Process::parent),
            None => return false,
        }
    }
    false
}

fn run_state(status: ProcessStatus) -> RunState {
    if status == ProcessStatus::Run {
        RunState::Running
    } else if matches!(status, ProcessStatus::Sleep | ProcessStatus::Idle) {
        RunState::Sleeping
    } else if status == ProcessStatus::Stop {
        RunState::Stopped
    } else if matches!(status, ProcessStatus::Zombie | ProcessStatus::Dead) {
        RunState::Dead
    } else if status == ProcessStatus::UninterruptibleDiskSleep {
        RunState::Blocked
    } else {
        RunState::Unknown
    }
}
