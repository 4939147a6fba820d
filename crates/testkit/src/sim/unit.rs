//! The modelled systemd unit (Restart=always, RestartPreventExitStatus=78, mode `fail` and `replace` as observed with
//! systemd 252). It decides nothing; it answers calls, exits of its main process and its own timers.

use super::fitted;
use super::process::NEVER;
use clawmend_core::observation::{ActiveState, Exit, Job, JobKind, Limits, ServiceSeen};
use std::collections::VecDeque;

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `StartUnit`, after `ResetFailedUnit` when `reset`.
    Start {
        /// Clear the start limit first.
        reset: bool,
    },
    /// `TryRestartUnit`, mode `fail`.
    TryRestart,
    /// `RestartUnit`, mode `replace` (what people type).
    Restart,
    /// `StopUnit`, mode `replace`.
    Stop,
}

/// What the manager does to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing.
    None,
    /// It runs the program.
    Exec,
    /// SIGTERM, then SIGCONT.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Accepted.
    Done,
    /// Accepted, and there was nothing to do.
    Moot,
    /// Refused: another job is in the way.
    Refused,
    /// The start limit was hit.
    Limit,
}

/// The unit.
#[derive(Clone, Debug)]
pub struct Unit {
    /// State.
    pub state: ActiveState,
    /// Job under way.
    pub job: Option<Job>,
    /// In the boot sequence.
    pub enabled: bool,
    /// Counts execs.
    pub invocation: u64,
    /// How its last main process ended.
    pub last_exit: Option<Exit>,
    /// When the manager acts by itself.
    pub next_at: u64,
    starts: VecDeque<u64>,
}

impl Unit {
    /// Installed, enabled, never started.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: ActiveState::Inactive,
            job: None,
            enabled: true,
            invocation: 0,
            last_exit: None,
            next_at: NEVER,
            starts: VecDeque::with_capacity(32),
        }
    }

    /// The unit's limits.
    #[must_use]
    pub const fn limits() -> Limits {
        Limits {
            start_burst: fitted::START_BURST,
            start_interval_ms: fitted::START_INTERVAL_MS,
            stop_timeout_ms: fitted::STOP_TIMEOUT_MS,
            restart_delay_ms: fitted::RESTART_SEC_MS,
            restarts: true,
        }
    }

    /// What a look at it shows.
    #[must_use]
    pub fn seen(&self, settled: bool, main_pid: Option<u32>) -> ServiceSeen {
        ServiceSeen {
            state: self.state,
            settled,
            job: self.job,
            main_pid,
            // Forgotten at the next exec.
            last_exit: self.last_exit.filter(|_| main_pid.is_none()),
            invocation: self.invocation,
            enabled: self.enabled,
            limits: Self::limits(),
        }
    }

    fn exec(&mut self, now: u64) -> Option<Deed> {
        while self.starts.front().is_some_and(|at| now.saturating_sub(*at) >= fitted::START_INTERVAL_MS) {
            self.starts.pop_front();
        }
        self.job = None;
        self.next_at = NEVER;
        if self.starts.len() >= usize::try_from(fitted::START_BURST).unwrap_or(usize::MAX) {
            self.state = ActiveState::Failed;
            return None;
        }
        self.starts.push_back(now);
        self.state = ActiveState::Active;
        self.invocation += 1;
        Some(Deed::Exec)
    }

    /// A call. `alive`: the main process lives.
    pub fn ask(&mut self, now: u64, ask: Ask, ours: bool, alive: bool) -> (Reply, Deed) {
        let job = |kind| Some(Job { kind, ours });
        let executed = |deed: Option<Deed>| deed.map_or((Reply::Limit, Deed::None), |deed| (Reply::Done, deed));
        match (ask, self.state) {
            (Ask::Start { reset }, ActiveState::Failed | ActiveState::Inactive) => {
                if reset {
                    self.starts.clear();
                }
                executed(self.exec(now))
            }
            (Ask::Start { .. }, _) => (Reply::Moot, Deed::None),
            (Ask::TryRestart, ActiveState::Inactive | ActiveState::Failed | ActiveState::NotFound) => {
                (Reply::Moot, Deed::None)
            }
            (Ask::Restart, ActiveState::Inactive | ActiveState::Failed) => executed(self.exec(now)),
            (Ask::TryRestart, _) if self.job.is_some() => (Reply::Refused, Deed::None),
            (Ask::TryRestart | Ask::Restart, ActiveState::AutoRestart) => executed(self.exec(now)),
            (Ask::TryRestart | Ask::Restart, ActiveState::Deactivating) => {
                self.job = job(JobKind::Restart);
                (Reply::Done, Deed::None)
            }
            (Ask::TryRestart | Ask::Restart, ActiveState::Active | ActiveState::Activating) => {
                self.job = job(JobKind::Restart);
                self.stopping(now);
                (Reply::Done, if alive { Deed::Terminate } else { Deed::None })
            }
            (Ask::Stop, ActiveState::Active | ActiveState::Activating) => {
                self.job = job(JobKind::Stop);
                self.stopping(now);
                (Reply::Done, if alive { Deed::Terminate } else { Deed::None })
            }
            (Ask::Stop, ActiveState::Deactivating) => {
                self.job = job(JobKind::Stop);
                (Reply::Done, Deed::None)
            }
            (Ask::Stop, ActiveState::AutoRestart) => {
                self.state = ActiveState::Inactive;
                self.next_at = NEVER;
                (Reply::Done, Deed::None)
            }
            (Ask::Stop, ActiveState::Inactive | ActiveState::Failed | ActiveState::NotFound) => {
                (Reply::Moot, Deed::None)
            }
            (Ask::Restart, ActiveState::NotFound) => (Reply::Refused, Deed::None),
        }
    }

    fn stopping(&mut self, now: u64) {
        self.state = ActiveState::Deactivating;
        self.next_at = now + fitted::STOP_TIMEOUT_MS;
    }

    /// The main process ended. The second value is the passing state that shows for up to 2 ms first.
    pub fn exited(&mut self, now: u64, exit: Exit) -> (Deed, Option<ActiveState>) {
        self.last_exit = Some(exit);
        self.next_at = NEVER;
        let killed = matches!(exit, Exit::Signal { signal, .. } if signal != 15);
        match (self.state, self.job) {
            (ActiveState::Deactivating, Some(Job { kind: JobKind::Restart, .. })) => {
                (self.exec(now).unwrap_or(Deed::None), None)
            }
            (ActiveState::Deactivating, _) => {
                self.job = None;
                self.state = if killed { ActiveState::Failed } else { ActiveState::Inactive };
                (Deed::None, None)
            }
            (
                ActiveState::Active
                | ActiveState::Activating
                | ActiveState::AutoRestart
                | ActiveState::Inactive
                | ActiveState::Failed
                | ActiveState::NotFound,
                _,
            ) if exit.is_refusal() => {
                self.state = ActiveState::Failed;
                (Deed::None, None)
            }
            (
                ActiveState::Active
                | ActiveState::Activating
                | ActiveState::AutoRestart
                | ActiveState::Inactive
                | ActiveState::Failed
                | ActiveState::NotFound,
                _,
            ) => {
                self.state = ActiveState::AutoRestart;
                self.next_at = now + fitted::RESTART_SEC_MS;
                (Deed::None, Some(if exit.is_clean() { ActiveState::Inactive } else { ActiveState::Failed }))
            }
        }
    }

    /// Its own timer.
    pub fn timer(&mut self, now: u64) -> Deed {
        self.next_at = NEVER;
        match self.state {
            ActiveState::AutoRestart => self.exec(now).unwrap_or(Deed::None),
            ActiveState::Deactivating => Deed::Kill,
            ActiveState::Active
            | ActiveState::Activating
            | ActiveState::Inactive
            | ActiveState::Failed
            | ActiveState::NotFound => Deed::None,
        }
    }
}

impl Default for Unit {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILLED: Exit = Exit::Signal { signal: 9, core: false };

    fn started() -> Unit {
        let mut unit = Unit::new();
        assert_eq!(unit.ask(0, Ask::Start { reset: false }, false, false), (Reply::Done, Deed::Exec));
        unit
    }

    #[test]
    fn a_killed_unit_waits_and_is_started_by_its_timer_or_hastened() {
        let mut unit = started();
        assert_eq!(unit.exited(100, KILLED), (Deed::None, Some(ActiveState::Failed)));
        assert_eq!((unit.state, unit.next_at), (ActiveState::AutoRestart, 5_100));
        assert_eq!(unit.ask(200, Ask::Start { reset: true }, true, false), (Reply::Moot, Deed::None));
        assert_eq!(unit.ask(200, Ask::TryRestart, true, false), (Reply::Done, Deed::Exec));
    }

    #[test]
    fn try_restart_revives_neither_a_stopped_nor_a_stopping_unit_and_restart_does() {
        let mut unit = started();
        assert_eq!(unit.ask(1, Ask::Stop, false, true), (Reply::Done, Deed::Terminate));
        assert_eq!(unit.ask(2, Ask::TryRestart, true, true).0, Reply::Refused);
        assert_eq!(unit.exited(3, Exit::Code { code: 0 }), (Deed::None, None));
        assert_eq!(unit.ask(4, Ask::TryRestart, true, false).0, Reply::Moot);
        assert_eq!(unit.ask(4, Ask::Restart, false, false).1, Deed::Exec);
    }

    #[test]
    fn a_refusal_and_the_start_limit_leave_it_failed() {
        let mut unit = started();
        assert_eq!(unit.exited(1, Exit::Code { code: 78 }), (Deed::None, None));
        assert_eq!(unit.state, ActiveState::Failed);
        for at in 2..11 {
            assert_eq!(unit.ask(at, Ask::Start { reset: false }, true, false).1, Deed::Exec);
            unit.exited(at, Exit::Code { code: 78 });
        }
        assert_eq!(unit.ask(11, Ask::Start { reset: false }, true, false).0, Reply::Limit);
        assert_eq!(unit.ask(12, Ask::Start { reset: true }, true, false).1, Deed::Exec);
    }
}
