//! What is known of the present life of a gateway, kept current by evidence.
//!
//! Invariant: time in which the guard did not look never counts as silence of the gateway: [`Alive::forgive`] shifts
//! every running clock by it. Start at [`Alive::take`].

use super::slowness::Slowness;
use super::weight::Weight;
use crate::gateway::Incarnation;
use crate::observation::{
    Appeared, ChannelState, Endpoint, Evidence, Exit, Held, HttpOutcome, HttpSeen, Listener, LogSign, ProcessSample,
    Readiness, RpcSeen, RunState,
};
use crate::policy::Policy;
use crate::time::{Moment, Now};
use serde::{Deserialize, Serialize};

/// Is there a process?
#[derive(Clone, Debug, PartialEq)]
pub enum Life {
    /// Nobody has looked yet.
    Unknown,
    /// There is none.
    Absent(Absent),
    /// There is one.
    Alive(Box<Alive>),
}

/// The end of the last life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Absent {
    /// When it ended, or when we first saw that there is none.
    pub since: Now,
    /// Which life ended.
    pub incarnation: Option<Incarnation>,
    /// How.
    pub exit: Exit,
    /// It had served.
    pub served: bool,
    /// It said that it would be back, or a person asked for a restart.
    pub planned: bool,
    /// We asked it to end.
    pub by_us: bool,
}

/// What the kernel's counters have done since the gateway fell silent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Last look at which the main thread had made a voluntary switch since the look before.
    pub yielded: Option<Moment>,
    /// End of the last window of [`CPU_WINDOW_MS`] in which at least 5 % of one core was used.
    pub used_cpu: Option<Moment>,
    /// Where the present window began, and the CPU used by then.
    pub window: Option<(Moment, u64)>,
    /// Where the present step began, and the CPU used by then.
    pub step: Option<(Moment, u64)>,
    /// When [`CPU_STEP_MS`] of CPU were last used up within [`STEP_WITHIN_MS`]: progress also under a tight quota.
    pub stepped: Option<Moment>,
    /// Last time the log grew.
    pub logged: Option<Moment>,
    /// Last look at which the main thread had made a voluntary switch since the look before, with nothing holding it
    /// at either: its event loop turned, or it waited for something.
    pub turned: Option<Moment>,
    /// First look of an unbroken row in state `T`, in which it did not run.
    pub stopped: Option<Moment>,
    /// Looks in that row.
    pub stopped_looks: u32,
    /// How long before that row the look before was made: the stop may have come at any time between.
    pub stopped_uncertainty_ms: u64,
    /// Last look at which it was stopped, or held by someone: until then it could do nothing.
    pub released: Option<Moment>,
    /// First look of an unbroken row in state `D`.
    pub blocked: Option<Moment>,
    /// Beginning of an unbroken row of windows without CPU use worth the name.
    pub idle: Option<Moment>,
    /// First sight of an unbroken row without a listener.
    pub unlistened: Option<Moment>,
    /// Connections waiting to be accepted at the last look.
    pub backlog: u32,
}

/// CPU use is judged over windows of this length: the kernel counts it in ticks of 10 ms, and an idle gateway uses
/// one every second or two (0.5–0.8 % of a core, OpenClaw 2026.9.6).
pub const CPU_WINDOW_MS: u64 = 2_000;

/// CPU that counts as a step of a start, when it is used within [`STEP_WITHIN_MS`]. An idle process needs over two
/// minutes for it (0.5–0.8 % of a core), a start that is held to a fiftieth of a core less than one.
pub const CPU_STEP_MS: u64 = 1_000;
/// See [`CPU_STEP_MS`].
pub const STEP_WITHIN_MS: u64 = 60_000;

/// What is kept of the last look at the process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// When.
    pub at: Moment,
    /// Main thread's state.
    pub state: RunState,
    /// CPU used by all threads since its start.
    pub cpu_ms: u64,
    /// Voluntary context switches of the main thread.
    pub voluntary: u64,
    /// Resident memory.
    pub rss_kib: u64,
    /// Someone holds it on purpose.
    pub held: Option<Held>,
}

/// One life and what we know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Alive {
    /// Whose.
    pub incarnation: Incarnation,
    /// When it began.
    pub born: Moment,
    /// When this guard first saw it. An older process was watched by nobody before that.
    pub seen: Moment,
    /// Its own restart ends the process.
    pub restarts_by_exit: bool,
    /// First good `/healthz`.
    pub served: Option<Moment>,
    /// First `/readyz` with `ready` true.
    pub ready: Option<Moment>,
    /// Last good `/healthz`.
    pub last_ok: Option<Moment>,
    /// First missed reply since then.
    pub first_miss: Option<Moment>,
    /// Missed replies since then.
    pub misses: u32,
    /// The last miss said that nobody listens.
    pub refused: bool,
    /// The last answer was not the gateway's JSON.
    pub not_health: bool,
    /// Last `/readyz`.
    pub readiness: Readiness,
    /// When it was seen.
    pub readiness_at: Option<Moment>,
    /// `/startupz` said so last.
    pub starting: bool,
    /// Last look.
    pub look: Option<Look>,
    /// Kernel evidence.
    pub progress: Progress,
    /// Who listens.
    pub listener: Listener,
    /// It announced a restart inside the process; until when it may be away.
    pub back_by: Option<Moment>,
    /// It announced an end; a restart by exit when `true`.
    pub ending: Option<bool>,
    /// It drains; until when it may.
    pub drain_by: Option<Moment>,
    /// It said that its start failed and that it stays alive without listening.
    pub startup_failed: bool,
    /// We asked it to end.
    pub asked_to_end: Option<Moment>,
    /// It was stopped by a signal when we asked: it was woken, and has little to lose.
    pub woken: bool,
    /// We killed it.
    pub killed: Option<Moment>,
    /// CPU used when it was last known to serve, or at birth: what a start has burnt is counted from here.
    pub cpu_base_ms: u64,
    /// Channel accounts, when the subscription told them.
    pub channels: Vec<ChannelState>,
    /// First sight of an unbroken row in which a channel had given up.
    pub deaf: Option<Moment>,
    /// Whether its answers take too long.
    pub slowness: Slowness,
    /// Whether it takes too much memory.
    pub weight: Weight,
}

impl Alive {
    /// A life as it comes to light.
    #[must_use]
    pub fn new(appeared: &Appeared, now: Moment) -> Self {
        Self {
            incarnation: appeared.incarnation.clone(),
            born: now.minus(appeared.age_ms),
            seen: now,
            restarts_by_exit: appeared.restarts_by_exit,
            served: None,
            ready: None,
            last_ok: None,
            first_miss: None,
            misses: 0,
            refused: false,
            not_health: false,
            readiness: Readiness::default(),
            readiness_at: None,
            starting: false,
            look: None,
            progress: Progress::default(),
            listener: Listener::Unknown,
            back_by: None,
            ending: None,
            drain_by: None,
            startup_failed: false,
            asked_to_end: None,
            woken: false,
            killed: None,
            cpu_base_ms: 0,
            channels: Vec::new(),
            deaf: None,
            slowness: Slowness::default(),
            weight: Weight::default(),
        }
    }

    /// Takes evidence that concerns a live process. Other evidence is ignored.
    pub fn take(&mut self, now: Moment, evidence: &Evidence, policy: &Policy) {
        match evidence {
            Evidence::Http(seen) => self.take_http(now, seen, policy),
            Evidence::Process(sample) if sample.incarnation == self.incarnation => self.take_sample(now, sample),
            Evidence::Listener(listener) => self.take_listener(now, listener),
            Evidence::Log(sign) => self.take_log(now, sign, policy),
            Evidence::Rpc(seen) => self.take_rpc(now, seen, policy),
            Evidence::Process(_)
            | Evidence::Appeared(_)
            | Evidence::Gone(_)
            | Evidence::EndedEarlier(_)
            | Evidence::KillLeft(_)
            | Evidence::NotThere
            | Evidence::Synthetic(_)
            | Evidence::Service(_)
            | Evidence::ServiceUnseen
            | Evidence::ForeignJob(_)
            | Evidence::Config(_)
            | Evidence::ConfigDoubt(_)
            | Evidence::Disk(_)
            | Evidence::LockHolder(_)
            | Evidence::Surroundings(_)
            | Evidence::Guard(_)
            | Evidence::Person(_)
            | Evidence::FlagFile(_)
            | Evidence::Examined(_)
            | Evidence::Decision(_)
            | Evidence::Counsel(_)
            | Evidence::Result { .. } => {}
        }
    }

    /// Time in which we did not look does not count against it.
    pub fn forgive(&mut self, now: Moment, unseen_ms: u64) {
        let clocks = [
            &mut self.first_miss,
            &mut self.progress.yielded,
            &mut self.progress.turned,
            &mut self.progress.used_cpu,
            &mut self.progress.stepped,
            &mut self.progress.logged,
            &mut self.progress.stopped,
            &mut self.progress.released,
            &mut self.progress.blocked,
            &mut self.progress.idle,
            &mut self.progress.unlistened,
            &mut self.back_by,
            &mut self.drain_by,
            &mut self.asked_to_end,
        ];
        for clock in clocks.into_iter().flatten() {
            *clock = clock.plus(unseen_ms);
        }
        // Deadlines may lie ahead; the rest never does.
        if let Some((at, _)) = &mut self.progress.step {
            *at = at.plus(unseen_ms).min(now);
        }
        for clock in [&mut self.first_miss, &mut self.progress.stopped].into_iter().flatten() {
            *clock = (*clock).min(now);
        }
        self.slowness.forgive(now, unseen_ms);
        self.weight.forgive(now, unseen_ms);
        self.progress.stopped_looks = self.progress.stopped_looks.min(1);
        self.progress.window = None;
        self.born = self.born.plus(unseen_ms).min(now);
        self.seen = self.seen.plus(unseen_ms).min(now);
    }

    fn take_http(&mut self, now: Moment, seen: &HttpSeen, policy: &Policy) {
        match (&seen.outcome, seen.endpoint) {
            (HttpOutcome::Ok, Endpoint::Healthz) => {
                // What somebody held or stopped could not answer, and a start takes its time.
                let excused = self.ready.is_none() || self.was_halted(now, seen.latency_ms);
                self.slowness.answered(now, if excused { 0 } else { seen.latency_ms }, policy);
                self.answered(now);
            }
            (HttpOutcome::Ok, Endpoint::Startupz) => self.starting = false,
            (HttpOutcome::Starting, _) => self.starting = true,
            (HttpOutcome::Draining, _) => self.note_drain(now, policy),
            (HttpOutcome::Readiness(readiness), _) => {
                if readiness.draining() {
                    self.note_drain(now, policy);
                } else if self.ending.is_none() {
                    self.drain_by = None;
                }
                if readiness.ready && self.ready.is_none() {
                    self.ready = Some(now);
                }
                if self.readiness != *readiness {
                    self.readiness.clone_from(readiness);
                }
                self.readiness_at = Some(now);
            }
            (HttpOutcome::Late | HttpOutcome::TimedOut | HttpOutcome::Broken, Endpoint::Healthz) => {
                if seen.outcome == HttpOutcome::TimedOut
                    && self.ready.is_some()
                    && !self.was_halted(now, seen.latency_ms)
                {
                    self.slowness.given_up(now, seen.latency_ms, policy);
                }
                self.missed(now, u64::from(seen.latency_ms), false);
                self.not_health = false;
            }
            (HttpOutcome::Refused, Endpoint::Healthz) => self.missed(now, u64::from(seen.latency_ms), true),
            (HttpOutcome::NotHealth { .. }, Endpoint::Healthz) => {
                self.missed(now, u64::from(seen.latency_ms), false);
                self.not_health = true;
            }
            // A slow /readyz alone is no silence, and a probe that could not be made says nothing.
            (HttpOutcome::Ok, Endpoint::Readyz)
            | (HttpOutcome::Late | HttpOutcome::TimedOut | HttpOutcome::Broken | HttpOutcome::Refused, _)
            | (HttpOutcome::NotHealth { .. } | HttpOutcome::CannotTell { .. }, _) => {}
        }
    }

    fn answered(&mut self, now: Moment) {
        self.last_ok = Some(now);
        if self.served.is_none() {
            self.served = Some(now);
        }
        if self.first_miss.is_some() || self.misses > 0 {
            self.first_miss = None;
            self.misses = 0;
            self.refused = false;
            self.not_health = false;
        }
        self.startup_failed = false;
        self.back_by = None;
        self.progress.unlistened = None;
        if let Some(look) = &self.look {
            self.cpu_base_ms = look.cpu_ms;
        }
    }

    /// It was held or stopped within the last so many milliseconds.
    fn was_halted(&self, now: Moment, within_ms: u32) -> bool {
        self.progress.released.is_some_and(|at| now.since(at) <= u64::from(within_ms))
    }

    fn missed(&mut self, now: Moment, waited_ms: u64, refused: bool) {
        if self.first_miss.is_none() {
            // The silence began when the question was asked, not when we lost patience; never before the last answer.
            let asked = now.minus(waited_ms);
            self.first_miss = Some(self.last_ok.map_or(asked, |ok| asked.max(ok)));
        }
        self.misses = self.misses.saturating_add(1);
        self.refused = refused;
    }

    fn note_drain(&mut self, now: Moment, policy: &Policy) {
        if self.drain_by.is_none() {
            self.drain_by = Some(now.plus(policy.drain_ms));
        }
    }

    fn take_sample(&mut self, now: Moment, sample: &ProcessSample) {
        let progress = &mut self.progress;
        match &self.look {
            Some(before) if sample.voluntary == before.voluntary => {}
            _ => progress.yielded = Some(now),
        }
        match progress.step {
            Some((_, cpu_ms)) if sample.cpu_ms.saturating_sub(cpu_ms) < CPU_STEP_MS => {}
            Some((began, _)) => {
                if now.since(began) <= STEP_WITHIN_MS {
                    progress.stepped = Some(now);
                }
                progress.step = Some((now, sample.cpu_ms));
            }
            None => progress.step = Some((now, sample.cpu_ms)),
        }
        match progress.window {
            Some((began, cpu_ms)) if now.since(began) >= CPU_WINDOW_MS => {
                let used = sample.cpu_ms.saturating_sub(cpu_ms);
                if used.saturating_mul(20) >= now.since(began) {
                    progress.used_cpu = Some(now);
                    progress.idle = None;
                } else {
                    progress.idle.get_or_insert(began);
                }
                progress.window = Some((now, sample.cpu_ms));
            }
            Some(_) => {}
            None => progress.window = Some((now, sample.cpu_ms)),
        }
        let halted = |state: RunState, held: Option<Held>| held.is_some() || state == RunState::Stopped;
        if let Some(before) = &self.look {
            let ran = sample.voluntary != before.voluntary;
            if ran && !halted(before.state, before.held) && !halted(sample.state, sample.held) {
                progress.turned = Some(now);
            }
            if ran && before.state == RunState::Stopped {
                // Each stop is a switch of its own (Linux 6.18, measured): it was continued and stopped again (as `cpulimit` does all the
                // time), so this is another stop.
                progress.stopped = None;
                progress.stopped_looks = 0;
            }
        }
        if sample.state == RunState::Stopped && progress.stopped.is_none() {
            progress.stopped_uncertainty_ms = self.look.map_or(0, |before| now.since(before.at));
        }
        row(&mut progress.stopped, sample.state == RunState::Stopped, now);
        progress.stopped_looks =
            if sample.state == RunState::Stopped { progress.stopped_looks.saturating_add(1) } else { 0 };
        row(&mut progress.blocked, sample.state == RunState::Blocked, now);
        if halted(sample.state, sample.held) {
            // It cannot answer while it is held: its silence counts from when it can.
            progress.yielded = Some(now);
            progress.released = Some(now);
            progress.idle = None;
            progress.window = None;
            if let Some(miss) = &mut self.first_miss {
                *miss = now;
                self.misses = 1;
            }
        }
        self.look = Some(Look {
            at: now,
            state: sample.state,
            cpu_ms: sample.cpu_ms,
            voluntary: sample.voluntary,
            rss_kib: sample.rss_kib,
            held: sample.held,
        });
    }

    fn take_listener(&mut self, now: Moment, listener: &Listener) {
        match listener {
            Listener::Own { backlog, .. } => {
                self.progress.unlistened = None;
                self.progress.backlog = *backlog;
            }
            Listener::Absent | Listener::Foreign { .. } => {
                self.progress.unlistened.get_or_insert(now);
                self.progress.backlog = 0;
            }
            Listener::Unknown => {}
        }
        if self.listener != *listener {
            self.listener = listener.clone();
        }
    }

    fn take_log(&mut self, now: Moment, sign: &LogSign, policy: &Policy) {
        self.progress.logged = Some(now);
        match sign {
            LogSign::Draining { timeout_ms } => self.drain_by = Some(now.plus(*timeout_ms).plus(15_000)),
            LogSign::RestartByExit => self.ending = Some(true),
            LogSign::RestartInProcess => {
                // Its drain is over, and it does not end.
                self.drain_by = None;
                self.ending = None;
                self.back_by = Some(now.plus(policy.inner_restart_ms));
            }
            LogSign::StartupFailedAlive => self.startup_failed = true,
            LogSign::StopSignal => self.ending = self.ending.or(Some(false)),
            LogSign::Grew | LogSign::BreakerTripped | LogSign::Refused { .. } => {}
        }
    }

    fn take_rpc(&mut self, now: Moment, seen: &RpcSeen, policy: &Policy) {
        match seen {
            RpcSeen::Shutdown { restart_expected_ms: Some(ms), .. } => {
                self.ending = Some(true);
                self.back_by = Some(now.plus((*ms).min(600_000)).plus(policy.inner_restart_ms));
            }
            RpcSeen::Shutdown { restart_expected_ms: None, .. } => self.ending = self.ending.or(Some(false)),
            RpcSeen::Connected { .. } => self.ending = None,
            RpcSeen::Channels { accounts } => {
                self.channels.clone_from(accounts);
                let deaf = accounts.iter().any(ChannelState::given_up);
                self.deaf = if deaf { self.deaf.or(Some(now)) } else { None };
            }
            // A connection that is lost heals no channel: what was seen last counts until something else is seen.
            RpcSeen::Lost | RpcSeen::Unauthorized | RpcSeen::NoToken | RpcSeen::ProtocolMismatch => {}
        }
    }

    /// It answers, as far as we know. What it said before it was stopped and woken says nothing of it now.
    #[must_use]
    pub fn answering(&self) -> bool {
        let woken = self.asked_to_end.filter(|_| self.woken);
        self.first_miss.is_none() && self.last_ok.is_some_and(|ok| woken.is_none_or(|woken| ok >= woken))
    }

    /// It answered before, but by its own last word its start was not over: its event loop is busy with that for
    /// seconds on end between its first `/healthz` and `/readyz` (OpenClaw 2026.9.6 on a loaded machine).
    #[must_use]
    pub fn coming_up(&self) -> bool {
        self.starting || self.readiness.starting()
    }

    /// How long it has been silent.
    #[must_use]
    pub fn silent_ms(&self, now: Moment) -> u64 {
        self.first_miss.map_or(0, |miss| now.since(miss))
    }

    /// Someone holds it on purpose.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        self.look.as_ref().and_then(|look| look.held)
    }
}

/// Keeps the first moment of an unbroken row.
fn row(first: &mut Option<Moment>, holds: bool, now: Moment) {
    if holds {
        first.get_or_insert(now);
    } else {
        *first = None;
    }
}
