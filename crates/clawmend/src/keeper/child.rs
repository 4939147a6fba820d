//! The gateway as a child: started once per directive, watched, its end kept until it is acknowledged.
//!
//! Invariant: at most one child lives; a directive starts at most one, also when it is repeated; an end is only
//! forgotten when it was acknowledged. What is known is also written to `state.json` in the keeper's folder, for
//! a successor.

use super::output::Output;
use super::protocol::{AdoptOrder, Ended, Event, Refusal, RefusalCode, SpawnOrder, Spawned};
use crate::host::files::{Durability, write_atomic};
use crate::host::{clock, process};
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::Exit;
use rustix::process::WaitStatus;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Ends that may wait for an acknowledgement; no spawn beyond.
const EXITS_MAX: usize = 64;
/// Directives whose outcome is remembered.
const DIRECTIVES_MAX: usize = 256;
/// In the raw wait status, the bit for "dumped core" (wait(2)).
const CORE_DUMPED: i32 = 0x80;

/// The child that lives, the ends that wait, and what directives led to.
#[derive(Debug)]
pub struct Child {
    record: PathBuf,
    log_dir: Option<PathBuf>,
    running: Option<Running>,
    exits: Vec<Ended>,
    /// When the last end was seen.
    ended: Option<Instant>,
    outcomes: VecDeque<(u64, Result<Spawned, Refusal>)>,
    /// The deadman is ending it, under this term.
    condemned: Option<u64>,
}

#[derive(Debug)]
struct Running {
    told: Spawned,
    /// For an adopted one: readable at its end. Our own child is told of by SIGCHLD.
    pidfd: Option<OwnedFd>,
}

/// `state.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    child: Option<Spawned>,
    exits: Vec<Ended>,
    log_dir: Option<PathBuf>,
}

impl Child {
    /// Takes up what an earlier keeper left in `dir`: a child that still lives is adopted, one that ended is reported
    /// with an unknown exit. `condemned`: the deadman has struck it already, under this term.
    pub fn load(dir: &Path, output: &mut Output, condemned: Option<u64>) -> Self {
        let record = dir.join("state.json");
        let known = std::fs::read(&record).ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
        let known = known.unwrap_or_default();
        let log_dir = known.log_dir;
        log_dir.iter().for_each(|dir| output.set_log_dir(dir));
        let mut child = Self {
            record,
            log_dir,
            running: None,
            exits: known.exits,
            ended: None,
            outcomes: VecDeque::new(),
            condemned,
        };
        child.exits.retain(|ended| ended.incarnation.boot == clock::boot_id());
        child.exits.truncate(EXITS_MAX);
        if let Some(before) = known.child.filter(|before| before.incarnation.boot == clock::boot_id()) {
            child.remember(before.directive, Ok(before.clone()));
            if child.watch(before.clone(), output).is_err() {
                child.end(before, Exit::Unknown);
            }
        }
        child.condemned = None;
        child
    }

    /// The child that lives.
    pub fn running(&self) -> Option<&Spawned> {
        self.running.as_ref().map(|running| &running.told)
    }

    /// The life that runs, or was the last to, with its nonce.
    pub fn latest(&self) -> Option<(Incarnation, String)> {
        let started = self.outcomes.iter().rev().find_map(|(_, outcome)| outcome.as_ref().ok());
        let started = self.running().or(started).map(|told| (told.incarnation.clone(), told.nonce.clone()));
        started.or_else(|| self.exits.last().map(|ended| (ended.incarnation.clone(), ended.nonce.clone())))
    }

    /// Ends from now on are the deadman's doing, under this term; or not any more.
    pub fn condemn(&mut self, term: Option<u64>) {
        self.condemned = term;
    }

    /// Of an adopted child, for `poll`.
    pub fn pidfd(&self) -> Option<&OwnedFd> {
        self.running.as_ref()?.pidfd.as_ref()
    }

    /// Ends that wait, oldest first.
    pub fn exits(&self) -> &[Ended] {
        &self.exits
    }

    /// What a directive has led to, if it was carried out.
    pub fn outcome(&self, directive: u64) -> Option<Result<Spawned, Refusal>> {
        self.outcomes.iter().find(|(known, _)| *known == directive).map(|(_, outcome)| outcome.clone())
    }

    /// Starts the gateway, once per directive. The record for a successor is written by [`Child::save`], after the
    /// reply.
    pub fn spawn(&mut self, order: &SpawnOrder, output: &mut Output) -> Result<Spawned, Refusal> {
        if let Some(outcome) = self.outcome(order.directive) {
            return outcome;
        }
        self.check_room()?;
        self.log_into(order.log_dir.clone(), output);
        let outcome = start(order, self.ended, output);
        self.remember(order.directive, outcome.clone());
        if let Ok(told) = &outcome {
            self.running = Some(Running { told: told.clone(), pidfd: None });
        }
        outcome
    }

    /// Watches a gateway that another keeper started. Repeating it changes nothing.
    pub fn adopt(&mut self, order: AdoptOrder, output: &mut Output) -> Result<Spawned, Refusal> {
        if let Some(running) = self.running().filter(|running| running.incarnation == order.incarnation).cloned() {
            self.log_into(order.log_dir, output);
            return Ok(running);
        }
        self.check_room()?;
        self.log_into(order.log_dir, output);
        let told = Spawned {
            incarnation: order.incarnation,
            nonce: order.nonce,
            directive: order.directive,
            spawned_at_ms: clock::now().mono.0,
            adopted: true,
            after_end_us: None,
        };
        let told = self.watch(told, output)?;
        self.remember(told.directive, Ok(told.clone()));
        Ok(told)
    }

    fn log_into(&mut self, dir: PathBuf, output: &mut Output) {
        output.set_log_dir(&dir);
        self.log_dir = Some(dir);
    }

    /// A refusal changes nothing and is not remembered: the same directive may come again.
    fn check_room(&self) -> Result<(), Refusal> {
        if let Some(child) = self.running() {
            let message = format!("process {} still runs", child.incarnation.pid);
            return Err(Refusal { code: RefusalCode::Busy, message, child: Some(Box::new(child.clone())) });
        }
        if self.exits.len() >= EXITS_MAX {
            return Err(Refusal::new(RefusalCode::Unacknowledged, "too many ends wait for an acknowledgement"));
        }
        Ok(())
    }

    fn watch(&mut self, mut told: Spawned, output: &mut Output) -> Result<Spawned, Refusal> {
        let pidfd = crate::host::pidfd::open(&told.incarnation)
            .map_err(|error| Refusal::new(RefusalCode::Gone, error.to_string()))?;
        output.take_over(told.incarnation.pid);
        told.adopted = true;
        self.running = Some(Running { told: told.clone(), pidfd: Some(pidfd) });
        Ok(told)
    }

    fn remember(&mut self, directive: u64, outcome: Result<Spawned, Refusal>) {
        self.outcomes.retain(|(known, _)| *known != directive);
        if self.outcomes.len() >= DIRECTIVES_MAX {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((directive, outcome));
    }

    /// A child of ours changed its state. Another pid than the gateway's is an orphan that we only reap.
    pub fn changed(&mut self, pid: u32, status: WaitStatus) -> Option<Event> {
        let told = self.running().filter(|told| told.incarnation.pid == pid)?.clone();
        let (incarnation, at_ms) = (told.incarnation.clone(), clock::now().mono.0);
        if status.stopped() {
            Some(Event::Stopped { incarnation, at_ms })
        } else if status.continued() {
            Some(Event::Continued { incarnation, at_ms })
        } else {
            self.end(told, exit_of(status)).map(Event::Exited)
        }
    }

    /// The adopted child's pidfd is readable.
    pub fn adopted_ended(&mut self) -> Option<Event> {
        let told = self.running()?.clone();
        self.end(told, Exit::Unknown).map(Event::Exited)
    }

    fn end(&mut self, told: Spawned, exit: Exit) -> Option<Ended> {
        self.running = None;
        self.ended = Some(Instant::now());
        let by_force = matches!(exit, Exit::Signal { signal: 9, .. } | Exit::Unknown);
        let ended = Ended {
            incarnation: told.incarnation,
            nonce: told.nonce,
            exit,
            at_ms: clock::now().mono.0,
            deadman: self.condemned.filter(|_| by_force),
        };
        self.exits.push(ended.clone());
        Some(ended)
    }

    /// Forgets an end.
    pub fn acknowledge(&mut self, incarnation: &Incarnation) {
        self.exits.retain(|ended| ended.incarnation != *incarnation);
    }

    /// Writes `state.json`. A failure costs a successor its knowledge, nothing else: the guard can tell it to adopt.
    pub fn save(&self) {
        let record =
            Record { child: self.running().cloned(), exits: self.exits.clone(), log_dir: self.log_dir.clone() };
        if let Ok(bytes) = serde_json::to_vec(&record) {
            drop(write_atomic(&self.record, &bytes, Durability::Fast));
        }
    }
}

fn start(order: &SpawnOrder, ended: Option<Instant>, output: &mut Output) -> Result<Spawned, Refusal> {
    let Some((program, arguments)) = order.argv.split_first() else {
        return Err(Refusal::new(RefusalCode::BadRequest, "argv is empty"));
    };
    let failed = |error: std::io::Error| Refusal::new(failure_code(&error), format!("{program}: {error}"));
    let mut command = Command::new(program);
    command.args(arguments).envs(&order.env).current_dir(&order.cwd).process_group(0);
    for name in &order.env_remove {
        command.env_remove(name);
    }
    command.env("CLAWMEND_NONCE", &order.nonce).stdin(Stdio::null());
    output.begin();
    command.stdout(output.for_child().map_err(failed)?).stderr(output.for_child().map_err(failed)?);
    // Reaped by the keeper's loop, never through this handle.
    let pid = command.spawn().map_err(failed)?.id();
    // It is executed by now; what follows may have to wait for a processor.
    let after_end_us = ended.and_then(|ended| u64::try_from(ended.elapsed().as_micros()).ok());
    let spawned_at_ms = clock::now().mono.0;
    // It is not reaped yet, so the pid is its own, also if it has ended already.
    let Some(incarnation) = process::incarnation_of(pid) else {
        return Err(Refusal::new(RefusalCode::SpawnFailed, "the new process cannot be seen in /proc"));
    };
    let (nonce, directive) = (order.nonce.clone(), order.directive);
    Ok(Spawned { incarnation, nonce, directive, spawned_at_ms, adopted: false, after_end_us })
}

/// Not there, no right, or no program: only a person can change that.
fn failure_code(error: &std::io::Error) -> RefusalCode {
    let for_a_person = [
        rustix::io::Errno::NOENT,
        rustix::io::Errno::ACCESS,
        rustix::io::Errno::PERM,
        rustix::io::Errno::NOEXEC,
        rustix::io::Errno::NOTDIR,
    ];
    let errno = rustix::io::Errno::from_io_error(error);
    if errno.is_some_and(|errno| for_a_person.contains(&errno)) {
        RefusalCode::CannotRun
    } else {
        RefusalCode::SpawnFailed
    }
}

fn exit_of(status: WaitStatus) -> Exit {
    if let Some(code) = status.exit_status() {
        Exit::Code { code }
    } else if let Some(signal) = status.terminating_signal() {
        Exit::Signal { signal, core: status.as_raw() & CORE_DUMPED != 0 }
    } else {
        Exit::Unknown
    }
}
