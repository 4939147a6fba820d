//! From the next step to a directive: numbering, the check, and what becomes of it.
//!
//! Invariant: nothing leaves here without [`permit`], and only one directive is under way at a time.

use super::Guardian;
use crate::budget::Pace;
use crate::check::{ForeignStop, Life as Living, Origin, Phase, Refusal, Situation, permit};
use crate::diagnosis::case::RemedyAction;
use crate::diagnosis::{Cause, RefusalReason};
use crate::directive::{Action, ActionResult, Directive, DirectiveId, Output};
use crate::health::Verdict;
use crate::health::life::{Alive, Life};
use crate::incident::What;
use crate::observation::{Job, JobKind};
use crate::plan::{self, CaseTries, Next, View};
use crate::time::{Moment, Now};
use crate::wish::Desired;

/// A directive whose result is awaited.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outstanding {
    pub id: DirectiveId,
    pub action: Action,
    pub origin: Origin,
    /// The unit's, when it was issued.
    pub invocation: Option<u64>,
    pub deadline: Moment,
}

/// Something did not work just now; when it may be tried again.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Setback {
    times: u32,
    not_before: Moment,
}

impl Setback {
    const FIRST_MS: u64 = 250;
    const LONGEST_MS: u64 = 30_000;

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn again(&mut self, now: Moment) {
        let wait = Self::FIRST_MS.saturating_mul(1 << self.times.min(10)).min(Self::LONGEST_MS);
        self.times = self.times.saturating_add(1);
        self.not_before = now.plus(wait);
    }
}

/// How long an adapter may take to answer, before we ask again.
const fn answer_ms(action: &Action) -> u64 {
    match action {
        Action::Spawn | Action::Terminate { .. } | Action::Kill | Action::Sweep => 15_000,
        Action::Hasten
        | Action::StartUnit { .. }
        | Action::RestartUnit
        | Action::StopUnit
        | Action::EnableUnit { .. }
        | Action::RestoreConfig { .. }
        | Action::FreeLogs
        | Action::ReloadSecrets
        | Action::SetLockAside
        | Action::StartChannel { .. } => 30_000,
    }
}

impl Guardian {
    /// How long a process that a manager was asked to start may take to come to light.
    pub(super) const COMES_TO_LIGHT_MS: u64 = 2_000;

    /// Names and issues the next step.
    pub(super) fn step(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.started.is_some_and(|at| now.mono.since(at) > Self::COMES_TO_LIGHT_MS) {
            self.started = None;
        }
        if let Some(outstanding) = &self.outstanding {
            let overtaken = self.stop_is_waiting(outstanding);
            if now.mono < outstanding.deadline && !overtaken {
                let deadline = outstanding.deadline;
                return self.wake_at(deadline);
            }
            if !overtaken {
                self.setback.again(now.mono);
            }
            self.outstanding = None;
        }
        if now.mono < self.setback.not_before {
            let at = self.setback.not_before;
            return self.wake_at(at);
        }
        if self.follow_approvals(now, out) {
            return;
        }
        self.propose_case(now, out);
        let case_tries =
            |remedy: RemedyAction| self.examination.again_at(remedy, plan::CASE_TRIES, plan::CASE_SPACING_MS);
        match plan::next(&self.view(now, &case_tries)) {
            Next::Nothing => self.follow_counsel(now, out),
            Next::Wait(at) => {
                self.wake_at(at.max(now.mono.plus(10)));
                self.follow_counsel(now, out);
            }
            Next::Act(action, reason) => self.issue(now, action, reason, None, out),
            Next::Tell(text) => {
                self.tell(now, text, out);
                self.follow_counsel(now, out);
            }
        }
    }

    /// A person's stop does not queue behind a remedy.
    fn stop_is_waiting(&self, outstanding: &Outstanding) -> bool {
        let standing = &self.memory.standing;
        (standing.emergency || standing.desired == Desired::Stopped) && outstanding.origin != Origin::Person
    }

    fn view<'a>(&'a self, now: Now, case_tries: CaseTries<'a>) -> View<'a> {
        View {
            now,
            profile: &self.profile,
            policy: &self.policy,
            standing: &self.memory.standing,
            life: &self.life,
            belief: &self.belief,
            reasons: &self.reasons,
            service: self.service.as_ref(),
            hastened: self.hastened.is_some() && self.hastened == self.service.as_ref().map(|seen| seen.invocation),
            unit_stopped: self.memory.unit_stopped,
            revived_by_us: self.memory.revived_by_us,
            restart_wished: self.memory.restart_wished,
            start_wished: self.memory.start_wished,
            restored: &self.memory.restored,
            refusal: self.memory.refusal.as_ref(),
            rival_seen: self.lock_holder.as_ref().is_some_and(|holder| holder.same_home),
            pace: &self.memory.pace,
            unclean: &self.memory.unclean,
            futile_restarts: self.memory.futile_restarts,
            down_since: self.down_since,
            swept: self.swept,
            channels: &self.channels,
            own_fault: self.memory.own_fault,
            config: self.around.config.as_ref(),
            disk_low: self.disk_low(),
            logs_again: self.logs_again,
            suspicion: self.examination.suspicion(),
            case_tries,
        }
    }

    /// Lets an action through the check and out. `origin`: where it comes from, when not from the ladder or a person.
    pub(super) fn issue(
        &mut self,
        now: Now,
        action: Action,
        reason: String,
        origin: Option<Origin>,
        out: &mut Vec<Output>,
    ) {
        let origin = origin.unwrap_or_else(|| self.origin(&action));
        let target = match &self.life {
            Life::Alive(life) => Some(life.incarnation.clone()),
            Life::Absent(absent) => absent.incarnation.clone(),
            Life::Unknown => None,
        };
        let situation = self.situation(now, target.as_ref(), &action);
        if let Err(refusal) = permit(&action, origin, &situation) {
            if self.withheld != Some(refusal.code()) {
                self.withheld = Some(refusal.code());
                self.record(now, What::Withheld { action, reason: refusal.to_string() }, out);
            }
            if refusal == Refusal::ObserveOnly && self.memory.incident.is_some() {
                self.tell(now, "the guard may only look here, and not act; a person must".to_owned(), out);
            }
            return self.wake_at(now.mono.plus(1_000));
        }
        self.withheld = None;
        if self.waits_for_a_person(&action, origin, target.as_ref()) {
            return self.propose(now, action, origin, reason, out);
        }
        self.use_approval(&action, target.as_ref());
        if action.is_start() {
            self.check_config_before_start(now, out);
        }
        self.memory.last_directive += 1;
        let id = DirectiveId(self.memory.last_directive);
        let invocation = self.service.as_ref().map(|seen| seen.invocation);
        let deadline = now.mono.plus(answer_ms(&action));
        self.outstanding = Some(Outstanding { id, action: action.clone(), origin, invocation, deadline });
        // What was well again by then owes nothing to it.
        self.examination.note_author(origin == Origin::Ai && self.well_since.is_none(), &action);
        self.note_issue(now, &action);
        self.record_action(now, id, &action, &reason, out);
        let incident = self.memory.incident.as_ref().map(|incident| incident.id);
        out.push(Output::Persist);
        out.push(Output::Do(Directive { id, incident, target, action, reason }));
        self.wake_at(now.mono.plus(answer_ms(&Action::Spawn)));
    }

    /// It takes back a start of ours that overtook a person's stop.
    fn undoes(&self, action: &Action) -> bool {
        *action == Action::StopUnit && self.memory.unit_stopped && self.memory.revived_by_us
    }

    fn origin(&self, action: &Action) -> Origin {
        let standing = &self.memory.standing;
        let stop = standing.emergency || standing.desired == Desired::Stopped;
        let person = stop
            || self.memory.start_wished
            || self.memory.restart_wished
            || self.undoes(action)
            || matches!(action, Action::EnableUnit { .. });
        if person {
            Origin::Person
        } else if matches!(action, Action::ReloadSecrets | Action::SetLockAside) {
            Origin::Case
        } else {
            Origin::Ladder
        }
    }

    /// What we did to this life changes what we do next, whatever the adapter answers.
    fn note_issue(&mut self, now: Now, action: &Action) {
        if action.is_start() {
            self.memory.pace.ours.push(now.mono);
        }
        if let Action::RestoreConfig { rejected } = action {
            self.memory.restored.note(*rejected);
        }
        self.note_remedy(now.mono, action);
        let woken = self.belief.cause == Some(Cause::Frozen);
        let Life::Alive(life) = &mut self.life else {
            if *action == Action::Sweep {
                self.swept = true;
            }
            return;
        };
        match action {
            Action::Terminate { .. } | Action::RestartUnit | Action::StopUnit => {
                life.asked_to_end.get_or_insert(now.mono);
                life.woken = life.woken || woken;
            }
            Action::StartChannel { channel, account } => {
                let wait = plan::wait_after(&self.channels, life, &self.policy, channel, account);
                self.channels.note(channel, account, now.mono.plus(wait));
            }
            Action::Kill
            | Action::Sweep
            | Action::Spawn
            | Action::Hasten
            | Action::StartUnit { .. }
            | Action::RestoreConfig { .. }
            | Action::FreeLogs
            | Action::ReloadSecrets
            | Action::SetLockAside
            | Action::EnableUnit { .. } => {}
        }
    }

    /// The disk has less room than the policy wants, or cannot be written.
    pub(super) fn disk_low(&self) -> bool {
        self.around.disk.is_some_and(|disk| !disk.writable || disk.free_bytes < self.policy.disk_low_bytes)
    }

    pub(super) fn situation<'a>(
        &'a self,
        now: Now,
        target: Option<&'a crate::gateway::Incarnation>,
        action: &Action,
    ) -> Situation<'a> {
        let foreign_job = self.service.as_ref().and_then(|seen| seen.job);
        let foreign_stop = match foreign_job {
            Some(Job { kind: JobKind::Stop, ours: false }) => ForeignStop::Job,
            _ if self.memory.unit_stopped && self.memory.revived_by_us => ForeignStop::Overtaken,
            _ if self.memory.unit_stopped => ForeignStop::Since,
            _ => ForeignStop::None,
        };
        let interval = self.service.as_ref().map_or(0, |seen| seen.limits.start_interval_ms);
        let pace = &self.memory.pace;
        Situation {
            form: self.profile.form,
            control: self.profile.control,
            standing: &self.memory.standing,
            life: match &self.life {
                Life::Unknown => Living::Unknown,
                Life::Absent(_) => Living::Absent,
                Life::Alive(life) => Living::Alive(&life.incarnation),
            },
            target,
            service: self.service.as_ref(),
            foreign_stop,
            phase: match &self.life {
                Life::Alive(life) => self.phase(life, now.mono),
                Life::Absent(_) | Life::Unknown => Phase::Gone,
            },
            held: match &self.life {
                Life::Alive(life) => life.held(),
                Life::Absent(_) | Life::Unknown => None,
            },
            verdict: self.belief.verdict,
            unclean_ends: self.memory.unclean.count(now.mono, crate::check::UNCLEAN_WINDOW_MS),
            starts_in_hour: pace.ours.count(now.mono, Pace::HOUR_MS),
            starts_limit: self.policy.starts_per_hour,
            starts_in_interval: pace.starts.count(now.mono, interval),
            outstanding: self.outstanding.as_ref().map(|outstanding| outstanding.id),
            refused_config: self
                .memory
                .refusal
                .as_ref()
                .filter(|refusal| refusal.reason == RefusalReason::Config)
                .map(|refusal| refusal.config),
            channel_stopped: self.channel_stopped(action),
            disk_low: self.disk_low(),
        }
    }

    fn phase(&self, life: &Alive, now: Moment) -> Phase {
        match (&self.belief.verdict, &self.belief.cause) {
            (_, Some(Cause::BootStuck)) => Phase::Booting { progressing: false, within_budget: false },
            (_, Some(Cause::DrainStuck)) => Phase::Draining { deadline_passed: true },
            (Verdict::Draining, _) => Phase::Draining { deadline_passed: false },
            (Verdict::Starting, _) => Phase::Booting { progressing: true, within_budget: true },
            (Verdict::Down, _) => Phase::Silent,
            (
                Verdict::Healthy
                | Verdict::Degraded
                | Verdict::Suspect
                | Verdict::Stopped
                | Verdict::Paused
                | Verdict::Unknown,
                _,
            ) => match life.asked_to_end {
                Some(asked) if life.answering() => {
                    let deadline = asked.plus(self.policy.drain_ms).plus(self.policy.term_grace_ms);
                    Phase::Draining { deadline_passed: now >= deadline }
                }
                None if life.answering() => Phase::Serving,
                Some(_) | None => Phase::Silent,
            },
        }
    }

    fn channel_stopped(&self, action: &Action) -> bool {
        let (Action::StartChannel { channel, account }, Life::Alive(life)) = (action, &self.life) else { return false };
        life.channels
            .iter()
            .any(|known| known.channel == *channel && known.account == *account && known.stopped_by_person)
    }

    /// An action has ended.
    pub(super) fn result(&mut self, now: Now, id: DirectiveId, result: &ActionResult, out: &mut Vec<Output>) {
        self.quiet = false;
        let Some(outstanding) = self.outstanding.take_if(|outstanding| outstanding.id == id) else { return };
        self.record(now, What::Result { directive: id, result: result.clone() }, out);
        if *result != ActionResult::Done {
            self.examination.deny_credit();
        }
        match result {
            ActionResult::Moot { .. } if outstanding.action == Action::FreeLogs => {
                // No other step waits for that, and it is looked for ever more rarely.
                self.logs_wait_ms = self.logs_wait_ms.saturating_mul(2).min(plan::LOGS_LONGEST_MS);
                self.logs_again = Some(now.mono.plus(self.logs_wait_ms));
            }
            ActionResult::Done => self.done(now, &outstanding, out),
            ActionResult::Moot { .. } | ActionResult::Unknown { .. } => self.setback.again(now.mono),
            ActionResult::Retry { .. } => {
                if let Action::StartChannel { channel, account } = &outstanding.action {
                    // It has a pace of its own, and no other step waits for it.
                    return self.channels.put_off(channel, account, now.mono);
                }
                self.setback.again(now.mono);
                if let Action::RestoreConfig { rejected } = &outstanding.action {
                    self.memory.restored.tried.retain(|known| known != rejected);
                }
                self.undo_note(&outstanding.action);
            }
            // Calls to a gateway that serves: no other step waits for them.
            ActionResult::NeedsPerson { reason }
                if matches!(outstanding.action, Action::StartChannel { .. } | Action::ReloadSecrets) =>
            {
                self.tell(now, reason.clone(), out);
            }
            ActionResult::NeedsPerson { reason } => {
                self.setback.again(now.mono);
                if !matches!(outstanding.action, Action::RestoreConfig { .. }) {
                    // A person mends the config, and the start that follows must not wait.
                    self.setback.not_before = now.mono.plus(Setback::LONGEST_MS);
                }
                self.undo_note(&outstanding.action);
                self.tell(now, reason.clone(), out);
            }
        }
    }

    fn done(&mut self, now: Now, outstanding: &Outstanding, out: &mut Vec<Output>) {
        let action = &outstanding.action;
        self.setback.clear();
        match action {
            Action::Kill => {
                if let Life::Alive(life) = &mut self.life {
                    life.killed = Some(now.mono);
                }
            }
            Action::EnableUnit { on } => {
                self.memory.standing.disabled_by_us = !on;
                out.push(Output::Remember(self.memory.standing.clone()));
            }
            Action::RestoreConfig { .. } => {
                self.memory.restored.unverified = true;
                out.push(Output::Persist);
            }
            Action::FreeLogs => self.logs_wait_ms = plan::LOGS_SPACING_MS,
            Action::Hasten => self.hastened = outstanding.invocation,
            // A start by the manager shows in a new process; until then it is under way.
            Action::Spawn
            | Action::StartUnit { .. }
            | Action::RestartUnit
            | Action::StopUnit
            | Action::Terminate { .. }
            | Action::Sweep
            | Action::ReloadSecrets
            | Action::SetLockAside
            | Action::StartChannel { .. } => {}
        }
        if action.is_start() {
            // Give the new process time to come to light before another step is named.
            self.started = Some(now.mono);
            self.setback.not_before = now.mono.plus(Self::COMES_TO_LIGHT_MS);
        }
    }

    /// It was not done after all.
    fn undo_note(&mut self, action: &Action) {
        if let Life::Alive(life) = &mut self.life
            && matches!(action, Action::Terminate { .. } | Action::RestartUnit | Action::StopUnit)
        {
            life.asked_to_end = None;
        }
    }

    /// A start of ours is under way.
    pub(super) fn starting_it(&self) -> bool {
        self.outstanding
            .as_ref()
            .is_some_and(|outstanding| outstanding.action.is_start() || outstanding.action == Action::RestartUnit)
            || self.started.is_some()
    }

    /// A new process is the best answer to a start.
    pub(super) fn start_is_done(&mut self, now: Now, out: &mut Vec<Output>) {
        self.started = None;
        if let Some(outstanding) = self.outstanding.take_if(|outstanding| outstanding.action.is_start()) {
            self.record(now, What::Result { directive: outstanding.id, result: ActionResult::Done }, out);
        }
    }

    /// The life it was meant for has ended: nothing to wait for.
    pub(super) fn outstanding_end_is_done(&mut self) {
        // Nor is a start to wait for what was meant for it, or for its disk. Moving locks is waited for.
        let ends = |action: &Action| {
            matches!(
                action,
                Action::Terminate { .. }
                    | Action::Kill
                    | Action::StartChannel { .. }
                    | Action::ReloadSecrets
                    | Action::FreeLogs
            )
        };
        if self.outstanding.as_ref().is_some_and(|outstanding| ends(&outstanding.action)) {
            self.outstanding = None;
        }
    }
}
