//! The keeper as PID 1 of a container, or as the root of a process tree.
//!
//! Starts the guard and restarts it for ever, reaps every orphan, and turns SIGTERM into an orderly end of the
//! gateway, whose status becomes the container's.

use super::server::signal_life;
use crate::host::process;
use crate::host::signal::Signal;
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::Exit;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// Between the deaths of a guard and its restarts, in seconds; the last one repeats.
const PACE_SECONDS: [u64; 6] = [0, 1, 2, 5, 10, 30];
/// A guard that lived this long starts the pace anew.
const PROVEN_AFTER: Duration = Duration::from_secs(60);
/// The guard's own end after the gateway's.
const GUARD_GRACE: Duration = Duration::from_secs(5);

/// How to be PID 1.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// The guard's program and arguments.
    pub guard_argv: Vec<OsString>,
    /// How long the gateway may take for its orderly end; `None`: as long as it takes.
    pub stop_limit: Option<Duration>,
}

/// The state of a PID 1 besides the keeper's.
#[derive(Debug)]
pub struct Init {
    options: InitOptions,
    guard: Option<Guard>,
    restarts: usize,
    next_start: Instant,
    /// When the gateway is ended by force.
    force_at: Option<(Instant, Incarnation)>,
    /// When the guard is ended by force.
    guard_force_at: Option<Instant>,
    last_exit: Option<Exit>,
    stopping: bool,
    done: bool,
}

#[derive(Debug)]
struct Guard {
    life: Incarnation,
    started: Instant,
}

impl Init {
    /// Starts nothing yet.
    pub fn new(options: InitOptions) -> Self {
        Self {
            options,
            guard: None,
            restarts: 0,
            next_start: Instant::now(),
            force_at: None,
            guard_force_at: None,
            last_exit: None,
            stopping: false,
            done: false,
        }
    }

    /// What is due: a start of the guard, or, once the gateway has ended in order, the guard's own end.
    pub fn tend(&mut self, gateway_is_over: bool) {
        let now = Instant::now();
        if let Some((_, life)) = self.force_at.take_if(|(at, _)| *at <= now) {
            signal_life(&life, Signal::Kill);
        }
        if gateway_is_over {
            self.end_guard(now);
        } else if !self.stopping && self.guard.is_none() && self.next_start <= now {
            self.start_guard(now);
        }
    }

    fn start_guard(&mut self, now: Instant) {
        let started = self.options.guard_argv.split_first().and_then(|(program, arguments)| {
            // Reaped by the keeper's loop, never through this handle.
            let mut guard = Command::new(program);
            if program == "/proc/self/exe" {
                guard.arg0("clawmend");
            }
            let pid = guard.args(arguments).spawn().ok()?.id();
            process::incarnation_of(pid)
        });
        match started {
            Some(life) => self.guard = Some(Guard { life, started: now }),
            None => self.pace(now),
        }
    }

    fn pace(&mut self, now: Instant) {
        let seconds = PACE_SECONDS.get(self.restarts).or(PACE_SECONDS.last()).copied().unwrap_or(30);
        self.restarts = self.restarts.saturating_add(1);
        self.next_start = now + Duration::from_secs(seconds);
    }

    fn end_guard(&mut self, now: Instant) {
        match (&self.guard, self.guard_force_at) {
            (None, _) => self.done = true,
            (Some(guard), None) => {
                signal_life(&guard.life, Signal::Term);
                self.guard_force_at = Some(now + GUARD_GRACE);
            }
            (Some(guard), Some(at)) if at <= now => {
                signal_life(&guard.life, Signal::Kill);
                self.guard_force_at = Some(now + GUARD_GRACE);
            }
            (Some(_), Some(_)) => {}
        }
    }

    /// The guard that runs.
    pub fn guard(&self) -> Option<&Incarnation> {
        self.guard.as_ref().map(|guard| &guard.life)
    }

    /// A process was reaped; if it was the guard, its restart is due.
    pub fn reaped(&mut self, pid: u32) {
        let Some(guard) = self.guard.take_if(|guard| guard.life.pid == pid) else { return };
        if guard.started.elapsed() >= PROVEN_AFTER {
            self.restarts = 0;
        }
        self.pace(Instant::now());
    }

    /// The status that will be ours.
    pub fn gateway_ended(&mut self, exit: Exit) {
        self.last_exit = Some(exit);
        self.force_at = None;
    }

    /// Asks the gateway to end in order, waking it if it was stopped; by force at the second request.
    pub fn stop(&mut self, gateway: Option<&Incarnation>, first: bool) {
        self.stopping = true;
        let Some(life) = gateway else { return };
        if first {
            self.last_exit = None;
            signal_life(life, Signal::Term);
            signal_life(life, Signal::Cont);
            self.force_at = self.options.stop_limit.map(|limit| (Instant::now() + limit, life.clone()));
        } else {
            signal_life(life, Signal::Kill);
        }
    }

    /// How long nothing may happen.
    pub fn patience(&self) -> Option<Duration> {
        let now = Instant::now();
        let start = (self.guard.is_none() && !self.stopping).then_some(self.next_start);
        let force = self.force_at.as_ref().map(|(at, _)| *at);
        let next = [start, force, self.guard_force_at].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now))
    }

    /// Gateway and guard have ended.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The gateway's status as shells tell it: its code, or 128 and the signal. 0 if it did not run.
    pub fn exit_code(&self) -> u8 {
        match self.last_exit {
            Some(Exit::Code { code }) => u8::try_from(code & 0xff).unwrap_or(1),
            Some(Exit::Signal { signal, .. }) => u8::try_from(128 + signal).unwrap_or(1),
            Some(Exit::Unknown) => 1,
            None => 0,
        }
    }
}
