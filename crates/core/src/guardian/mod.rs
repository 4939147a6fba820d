//! The one state machine that composes the decisions of a single gateway.
//!
//! [`Guardian::observe`] takes evidence, [`Guardian::poll`] takes time; both put [`Output`]s into the caller's
//! buffer. [`Guardian::next_wake`] says when to poll at the latest, [`Guardian::cadence`] how closely to look.
//!
//! Invariant: it has no clock, and the same evidence at the same times gives the same outputs. In the steady state
//! of a healthy gateway a piece of evidence costs no allocation ([`Guardian::observe`] returns before judging).

mod approvals;
mod counsel;
mod examined;
mod incidents;
mod issue;
mod left;
mod lives;
mod memory;
mod refusals;
mod remarks;
mod report;
mod synthetic;
mod telling;
mod wishes;

pub use memory::{Memory, Recovery};
pub use report::Report;

use crate::diagnosis::{Cause, RefusalReason};
use crate::directive::{Action, Cadence, Output};
use crate::gateway::{Control, Form, GatewayId, Incarnation};
use crate::health::Verdict;
use crate::health::judge::{Judgement, STOPPED_LOOKS, judge};
use crate::health::life::Life;
use crate::health::reasons::{Circumstances, Reason, reasons, reasons_without_process};
use crate::health::synthetic::Synthetic;
use crate::observation::{
    ChannelState, ConfigDoubt, Evidence, Exit, GuardSelf, Listener, LockHolder, RpcSeen, ServiceSeen,
};
use crate::plan::{self, ChannelTries};
use crate::policy::Policy;
use crate::time::{Moment, Now};
use serde::{Deserialize, Serialize};

/// What is known of a gateway before any evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Name.
    pub id: GatewayId,
    /// Who owns its process.
    pub form: Form,
    /// What we may do.
    pub control: Control,
}

/// Decides for one gateway.
#[derive(Debug)]
pub struct Guardian {
    profile: Profile,
    policy: Policy,
    memory: Memory,
    life: Life,
    around: Circumstances,
    service: Option<ServiceSeen>,
    lock_holder: Option<LockHolder>,
    belief: Judgement,
    reasons: Vec<Reason>,
    shown: Verdict,
    shown_since: Now,
    /// All well and nothing under way: evidence of more of the same needs no judging.
    quiet: bool,
    outstanding: Option<issue::Outstanding>,
    setback: issue::Setback,
    swept: bool,
    config_at_start: u64,
    /// Something that it may have refused over has changed since it was last started.
    changed_since_start: bool,
    down_since: Moment,
    well_since: Option<Moment>,
    channels: ChannelTries,
    doubt_until: Moment,
    next_step: Moment,
    /// What people were told in this incident. At most [`Guardian::TOLD_MAX`].
    told: Vec<String>,
    withheld: Option<&'static str>,
    planned_end: bool,
    /// What it said when it refused to start; used when its end is booked.
    last_refused: Option<(RefusalReason, String)>,
    /// Who listened on the port of the last life when it ended, if it was a stranger.
    port_owner: Option<String>,
    /// A start of ours was taken up by the manager; its process has yet to come to light.
    started: Option<Moment>,
    /// The unit's invocation whose restart delay we have shortened: a look that still shows it is a late one.
    hastened: Option<u64>,
    /// Another hand asked the manager for a start; its process has yet to come to light.
    called: Option<Moment>,
    /// The unit was seen at rest since its last process: the next one was asked for.
    rested: bool,
    suspect_since: Option<Moment>,
    /// A life that an earlier guard ended by force; its end may yet be told.
    killed_earlier: Option<Incarnation>,
    last_action: Option<Action>,
    /// What the doctor makes of the open incident.
    examination: examined::Examination,
    /// When old logs may be looked for again, once they were.
    logs_again: Option<Moment>,
    /// How long that waits; it grows while there is nothing to delete.
    logs_wait_ms: u64,
    /// A closer look at the config has doubts about it.
    doubt: Option<ConfigDoubt>,
}

impl Guardian {
    /// How long after a sleep or a starved spell the guard distrusts what it sees.
    const DOUBT_MS: u64 = 2_000;
    /// How long the manager's word on an end may take: 5–100 ms (systemd 252), longer under load.
    const MANAGERS_WORD_MS: u64 = 1_000;
    /// Different things that people are told within one incident; more would be noise.
    const TOLD_MAX: usize = 16;
    /// Lateness below this is the ordinary noise of a scheduler.
    const LATE_MS: u64 = 200;

    /// Begins, or goes on from what an earlier guard remembered.
    #[must_use]
    pub fn new(profile: Profile, policy: Policy, mut memory: Memory, now: Now) -> Self {
        // Unused by any guard before, even if the last one died before it could write down its last number.
        let floor = u64::try_from(now.wall.0).unwrap_or(0).saturating_mul(1_000);
        memory.last_directive = memory.last_directive.max(floor);
        if !memory.restored.unverified {
            // The guard before may have been killed half-way: it is tried again.
            memory.restored.tried.clear();
        }
        if policy.synthetic_ms == 0 {
            memory.synthetic = None;
        }
        let synthetic = Synthetic::remembered(memory.synthetic.clone());
        let around = Circumstances { synthetic, ..Circumstances::default() };
        Self {
            profile,
            policy,
            memory,
            life: Life::Unknown,
            around,
            service: None,
            lock_holder: None,
            belief: Judgement { verdict: Verdict::Unknown, cause: None, again: None },
            reasons: Vec::new(),
            shown: Verdict::Unknown,
            shown_since: now,
            quiet: false,
            outstanding: None,
            setback: issue::Setback::default(),
            swept: false,
            config_at_start: 0,
            changed_since_start: false,
            down_since: now.mono,
            well_since: None,
            channels: ChannelTries::default(),
            doubt_until: Moment(0),
            next_step: now.mono,
            told: Vec::new(),
            examination: examined::Examination::default(),
            logs_again: None,
            logs_wait_ms: plan::LOGS_SPACING_MS,
            doubt: None,
            withheld: None,
            planned_end: false,
            last_refused: None,
            port_owner: None,
            started: None,
            hastened: None,
            called: None,
            rested: false,
            suspect_since: None,
            killed_earlier: None,
            last_action: None,
        }
    }

    /// Takes one piece of evidence.
    pub fn observe(&mut self, now: Now, evidence: &Evidence, out: &mut Vec<Output>) {
        match evidence {
            Evidence::Appeared(appeared) => self.appeared(now, appeared, out),
            Evidence::Gone(gone) => self.gone(now, gone, out),
            Evidence::EndedEarlier(gone) => self.ended_earlier(now, gone, out),
            Evidence::KillLeft(left) => self.kill_left(now, left, out),
            Evidence::NotThere => self.not_there(now),
            Evidence::Service(seen) => self.service_seen(now, seen, out),
            Evidence::ServiceUnseen => self.service_unseen(),
            Evidence::ForeignJob(kind) => self.foreign_job(now, *kind, out),
            Evidence::Person(wish) => self.wish(now, wish, out),
            Evidence::FlagFile(there) => self.flag_file(*there, out),
            Evidence::Examined(opinion) => self.examined(now, opinion, out),
            Evidence::Counsel(counsel) => self.counselled(now, counsel, out),
            Evidence::Decision(decision) => self.decided(now, decision, out),
            Evidence::Guard(guard) => self.look_at_self(now, *guard),
            Evidence::Config(seen) => self.config_seen(seen),
            Evidence::ConfigDoubt(doubt) => self.config_doubted(doubt),
            Evidence::Disk(seen) => self.disk_seen(*seen),
            Evidence::LockHolder(holder) => self.lock_held(holder),
            Evidence::Surroundings(change) => self.surroundings(*change),
            Evidence::Result { directive, result } => self.result(now, *directive, result, out),
            Evidence::Synthetic(seen) => self.synthetic_seen(now, seen, out),
            Evidence::Log(sign) => {
                self.log_sign(now, sign);
                self.live_evidence(now, evidence);
            }
            Evidence::Rpc(seen) => {
                self.rpc_seen(seen);
                self.live_evidence(now, evidence);
            }
            Evidence::Process(_) => {
                self.live_evidence(now, evidence);
                self.weigh(now, out);
            }
            Evidence::Listener(_) | Evidence::Http(_) => self.live_evidence(now, evidence),
        }
        if !(self.quiet && self.still_quiet(now)) {
            self.settle(now, out);
        }
    }

    /// Lets time pass.
    pub fn poll(&mut self, now: Now, out: &mut Vec<Output>) {
        if !(self.quiet && self.still_quiet(now)) {
            self.settle(now, out);
        }
    }

    /// When to poll at the latest; `None` while only evidence can change anything.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        (self.next_step != Moment(u64::MAX)).then_some(self.next_step)
    }

    /// How closely to look.
    #[must_use]
    pub fn cadence(&self) -> Cadence {
        let policy = &self.policy;
        let idle = Cadence { http_ms: policy.probe_ms, process_ms: policy.look_ms, closely: false, readiness: false };
        let Life::Alive(life) = &self.life else { return idle };
        // A stop must be seen several times within the time that confirms it.
        let stop_look = u32::try_from(policy.frozen_confirm_ms).unwrap_or(u32::MAX).div_ceil(STOPPED_LOOKS);
        let confirm_look = match life.progress.stopped {
            Some(_) => policy.confirm_look_ms.min(stop_look).max(10),
            None => policy.confirm_look_ms,
        };
        match self.belief.verdict {
            Verdict::Healthy if self.quiet => idle,
            Verdict::Healthy | Verdict::Degraded => Cadence { readiness: true, ..idle },
            Verdict::Starting | Verdict::Draining => Cadence {
                http_ms: policy.confirm_probe_ms.max(500),
                process_ms: policy.look_ms,
                closely: true,
                readiness: true,
            },
            // Nothing is done before a person says so, which may take hours.
            Verdict::Down if self.asks_a_person() => Cadence { readiness: true, ..idle },
            Verdict::Suspect | Verdict::Down | Verdict::Unknown | Verdict::Stopped | Verdict::Paused => {
                Cadence { http_ms: policy.confirm_probe_ms, process_ms: confirm_look, closely: true, readiness: true }
            }
        }
    }

    /// What the guard believes, wishes included.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.shown
    }

    /// What the gateway said of its channels last; empty without a live process, or when it has not said anything.
    #[must_use]
    pub fn channels(&self) -> &[ChannelState] {
        match &self.life {
            Life::Alive(alive) => &alive.channels,
            Life::Unknown | Life::Absent(_) => &[],
        }
    }

    /// For whom it decides.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// By which figures.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// New figures from a changed setting.
    pub fn set_policy(&mut self, policy: Policy) {
        if policy.synthetic_ms == 0 {
            // Nobody looks any more.
            self.around.synthetic = Synthetic::default();
            self.memory.synthetic = None;
        }
        self.policy = policy;
        self.quiet = false;
    }

    /// Our rights changed (a polkit rule came or went).
    pub fn set_control(&mut self, control: Control) {
        self.profile.control = control;
        self.quiet = false;
    }

    /// What must survive a restart of the guard.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    fn live_evidence(&mut self, now: Now, evidence: &Evidence) {
        if let Life::Alive(life) = &mut self.life {
            let served = life.served.is_some();
            life.take(now.mono, evidence, &self.policy);
            if !served && life.served.is_some() {
                self.learn_boot(now);
            }
        }
    }

    /// Nothing that was just seen can change a belief.
    fn still_quiet(&self, now: Now) -> bool {
        let Life::Alive(life) = &self.life else { return false };
        now.mono < self.next_step
            && life.answering()
            && life.progress.stopped.is_none()
            && life.drain_by.is_none()
            && !life.starting
            && life.readiness.ready
            && life.readiness.failing.is_empty()
            && life.readiness.suppressed.is_empty()
            && !life.readiness.event_loop.is_some_and(|event_loop| event_loop.degraded)
            && !matches!(life.listener, Listener::Foreign { .. })
            && !life.slowness.named()
            && life.weight.high().is_none()
    }

    fn look_at_self(&mut self, now: Now, guard: GuardSelf) {
        let unseen = guard.slept_ms.saturating_add(guard.late_ms);
        if unseen < Self::LATE_MS {
            return;
        }
        if let Life::Alive(life) = &mut self.life {
            life.forgive(now.mono, unseen);
        }
        if guard.slept_ms > 0 || guard.late_ms >= Self::DOUBT_MS {
            self.doubt_until = now.mono.plus(Self::DOUBT_MS);
        }
        self.quiet = false;
    }

    fn rpc_seen(&mut self, seen: &RpcSeen) {
        let rpc = match seen {
            RpcSeen::Connected { .. } => None,
            RpcSeen::Unauthorized => Some(Reason::RpcUnauthorized),
            RpcSeen::NoToken => Some(Reason::RpcNoToken),
            RpcSeen::ProtocolMismatch => Some(Reason::RpcProtocol),
            RpcSeen::Lost | RpcSeen::Shutdown { .. } | RpcSeen::Channels { .. } => return self.quiet = false,
        };
        self.around.rpc = rpc;
        self.quiet = false;
    }

    /// Judges, keeps the record, and takes the next step.
    fn settle(&mut self, now: Now, out: &mut Vec<Output>) {
        self.next_step = Moment(u64::MAX);
        self.end_pause(now, out);
        self.judge(now);
        self.keep_record(now, out);
        self.step(now, out);
        self.show(now, out);
        self.quiet = self.shown == Verdict::Healthy
            && self.memory.incident.is_none()
            && self.outstanding.is_none()
            && !self.memory.restart_wished
            && self.memory.pace.unproductive == 0
            && self.memory.futile_restarts == 0;
    }

    /// Makes sure that [`Guardian::poll`] is called at that time.
    fn wake_at(&mut self, at: Moment) {
        self.next_step = self.next_step.min(at);
    }

    fn judge(&mut self, now: Now) {
        let belief = match &self.life {
            Life::Unknown => {
                self.reasons = reasons_without_process(&self.around);
                Judgement { verdict: Verdict::Unknown, cause: None, again: None }
            }
            Life::Alive(life) => {
                let mut belief = judge(life, &self.memory.boots, &self.policy, now.mono);
                self.reasons = reasons(life, &self.around, &self.policy);
                self.reasons.extend(self.doubted());
                if belief.verdict == Verdict::Healthy && self.reasons.iter().any(Reason::degrades) {
                    belief.verdict = Verdict::Degraded;
                    belief.cause = self.reasons.iter().find_map(Reason::cause);
                }
                belief
            }
            Life::Absent(_) => {
                self.reasons = reasons_without_process(&self.around);
                self.judge_absent(now.mono)
            }
        };
        let doubtful = matches!(belief.verdict, Verdict::Suspect | Verdict::Down)
            && matches!(self.life, Life::Alive(_))
            && now.mono < self.doubt_until;
        self.belief = if doubtful {
            Judgement { verdict: Verdict::Unknown, cause: None, again: Some(self.doubt_until) }
        } else {
            belief
        };
        if let Some(again) = self.belief.again {
            self.wake_at(again);
        }
    }

    fn judge_absent(&self, now: Moment) -> Judgement {
        let down = |cause| Judgement { verdict: Verdict::Down, cause: Some(cause), again: None };
        let stopped = self.memory.standing.forbids_start()
            || self.memory.unit_stopped
            || self.service.as_ref().is_some_and(Self::rests);
        if stopped && !self.memory.start_wished {
            return Judgement { verdict: Verdict::Stopped, cause: None, again: None };
        }
        if let Some(refusal) = &self.memory.refusal {
            return down(Cause::RefusedToStart { reason: refusal.reason, detail: refusal.detail.clone() });
        }
        if let Some(until) = self.word_awaited(now) {
            return Judgement { verdict: Verdict::Suspect, cause: None, again: Some(until) };
        }
        if self.around.service_unseen && self.waits_for_the_manager() {
            return Judgement { verdict: Verdict::Unknown, cause: None, again: None };
        }
        let called = self.called.map(|at| at.plus(Self::COMES_TO_LIGHT_MS)).filter(|until| now < *until);
        match &self.life {
            // What was asked for through the manager just now has not failed.
            Life::Absent(_) if called.is_some() && self.memory.incident.is_none() => {
                Judgement { verdict: Verdict::Starting, cause: None, again: called }
            }
            // What a person stopped and now wants back has not failed.
            Life::Absent(_) if self.memory.start_wished && self.memory.incident.is_none() => {
                Judgement { verdict: Verdict::Starting, cause: None, again: None }
            }
            Life::Absent(absent) if absent.planned || absent.incarnation.is_none() => {
                Judgement { verdict: Verdict::Starting, cause: None, again: None }
            }
            Life::Absent(absent) if absent.by_us => {
                let known = self.memory.incident.as_ref().and_then(|incident| incident.cause.clone());
                down(known.unwrap_or(Cause::Exited))
            }
            Life::Absent(absent) => down(lives::cause_of(absent.exit)),
            Life::Unknown | Life::Alive(_) => Judgement { verdict: Verdict::Unknown, cause: None, again: None },
        }
    }

    /// It has no process that we know of, and whether one is on its way is for the manager to say.
    fn waits_for_the_manager(&self) -> bool {
        match &self.life {
            Life::Absent(absent) => {
                absent.planned || absent.incarnation.is_none() || self.called.is_some() || self.memory.start_wished
            }
            Life::Unknown | Life::Alive(_) => false,
        }
    }

    /// The kernel said that it ended, and the manager, which knows how and whether somebody asked for it, has not
    /// spoken yet: until then nothing is known to have failed.
    fn word_awaited(&self, now: Moment) -> Option<Moment> {
        let Life::Absent(absent) = &self.life else { return None };
        let open = absent.exit == Exit::Unknown && absent.incarnation.is_some() && !absent.planned;
        let until = absent.since.mono.plus(Self::MANAGERS_WORD_MS);
        (open && self.profile.form == Form::Systemd && self.service.is_some() && now < until).then_some(until)
    }

    /// The verdict for people: their own wish comes first.
    fn show(&mut self, now: Now, out: &mut Vec<Output>) {
        let standing = &self.memory.standing;
        let alive = matches!(self.life, Life::Alive(_));
        let stop_wished = standing.emergency || standing.desired == crate::wish::Desired::Stopped;
        let verdict = if stop_wished && alive {
            Verdict::Draining
        } else if standing.emergency {
            Verdict::Stopped
        } else if standing.hands_off() {
            Verdict::Paused
        } else {
            self.belief.verdict
        };
        if verdict != self.shown {
            self.shown = verdict;
            self.shown_since = now;
            out.push(Output::Changed);
        }
    }
}
