//! Keeping the record: opening, naming, proving and closing incidents.
//!
//! Invariant: at most one incident is open; whatever is done is done within one. It is closed by a row of good
//! evidence that lasts for the policy's verification window, or by a person's wish.

use super::{Guardian, Recovery};
use crate::diagnosis::Cause;
use crate::directive::{Action, DirectiveId, IncidentId, Output};
use crate::gateway::Incarnation;
use crate::health::Verdict;
use crate::health::life::Life;
use crate::incident::{Incident, IncidentEvent, Outcome, What};
use crate::observation::Gone;
use crate::plan::Restored;
use crate::time::{Moment, Now};

impl Guardian {
    /// Writes an event into the open incident, if there is one.
    pub(super) fn record(&self, now: Now, what: What, out: &mut Vec<Output>) {
        if let Some(incident) = &self.memory.incident {
            let event = IncidentEvent { incident: incident.id, mono: now.mono, wall: now.wall, what };
            out.push(Output::Record(event));
        }
    }

    /// Brings the record up to what is believed now.
    pub(super) fn keep_record(&mut self, now: Now, out: &mut Vec<Output>) {
        self.note_suspicion(now);
        if self.memory.standing.hands_off() && self.memory.incident.is_none() {
            return;
        }
        if self.belief.verdict == Verdict::Stopped {
            return self.close_by_wish(now, out);
        }
        self.open_for_belief(now, out);
        self.note_judgement(now, out);
        self.name_cause(now, out);
        self.note_serving(now, out);
        self.prove(now, out);
        self.ask_the_doctor(now, out);
        self.escalate(now, out);
    }

    fn note_suspicion(&mut self, now: Now) {
        match self.belief.verdict {
            Verdict::Suspect | Verdict::Down => {
                self.suspect_since.get_or_insert(now.mono);
            }
            Verdict::Healthy
            | Verdict::Degraded
            | Verdict::Starting
            | Verdict::Draining
            | Verdict::Stopped
            | Verdict::Paused
            | Verdict::Unknown => self.suspect_since = None,
        }
    }

    /// When the present fault of a live process began, and how far back that may lie.
    fn onset(&self, now: Moment) -> (Moment, u64) {
        let life = match &self.life {
            Life::Alive(life) => life,
            Life::Absent(absent) if absent.incarnation.is_some() => return (absent.since.mono, 0),
            Life::Absent(_) | Life::Unknown => return (now, 0),
        };
        if let Some(stopped) = life.progress.stopped {
            return (stopped, life.progress.stopped_uncertainty_ms);
        }
        match (life.first_miss, life.last_ok) {
            (Some(miss), Some(ok)) => (miss, miss.since(ok)),
            (Some(miss), None) => (miss, 0),
            (None, _) => (now, self.synthetic_uncertainty().unwrap_or_else(|| u64::from(self.policy.probe_ms))),
        }
    }

    fn open_for_belief(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.memory.incident.is_some() {
            return;
        }
        let (onset, uncertainty) = self.onset(now.mono);
        let worth_it = match self.belief.verdict {
            Verdict::Down => true,
            Verdict::Suspect => {
                let at = onset.plus(self.policy.record_after_ms);
                if now.mono < at {
                    self.wake_at(at);
                }
                now.mono >= at
            }
            Verdict::Degraded => self.belief.cause.is_some(),
            Verdict::Healthy
            | Verdict::Starting
            | Verdict::Draining
            | Verdict::Stopped
            | Verdict::Paused
            | Verdict::Unknown => false,
        };
        if worth_it {
            self.open(now, onset, uncertainty, out);
        }
    }

    /// The end of a process is worth a record at once, unless a person wanted it.
    pub(super) fn open_for_end(&mut self, now: Now, gone: &Gone, out: &mut Vec<Output>) {
        let standing = &self.memory.standing;
        if self.memory.incident.is_some() || standing.forbids_start() || self.memory.unit_stopped {
            return;
        }
        if self.word_awaited(now.mono).is_some() {
            return;
        }
        self.open(now, now.mono.minus(0), gone.uncertainty_ms, out);
        if let Some(incident) = &mut self.memory.incident {
            incident.incarnation = Some(gone.incarnation.clone());
        }
    }

    /// The life that is there, or the last one that was.
    fn life_concerned(&self) -> Option<&Incarnation> {
        match &self.life {
            Life::Alive(life) => Some(&life.incarnation),
            Life::Absent(absent) => absent.incarnation.as_ref(),
            Life::Unknown => None,
        }
    }

    fn open(&mut self, now: Now, onset: Moment, uncertainty_ms: u64, out: &mut Vec<Output>) {
        self.memory.last_incident += 1;
        let incarnation = self.life_concerned().cloned();
        let suspected = self.suspect_since.unwrap_or(now.mono);
        self.memory.incident = Some(Incident {
            id: IncidentId(self.memory.last_incident),
            opened: now.mono,
            opened_wall: now.wall,
            onset,
            onset_uncertainty_ms: uncertainty_ms,
            incarnation: incarnation.clone(),
            cause: None,
            detected_after_ms: Some(suspected.since(onset)),
            start_issued_after_ms: None,
            serving_after_ms: None,
            actions: 0,
            escalated: false,
            judged: None,
            remarks: 0,
        });
        self.down_since = onset;
        self.last_action = None;
        self.told.clear();
        let opened = What::Opened {
            onset: now.wall_of(onset),
            onset_uncertainty_ms: uncertainty_ms,
            detected_after_ms: suspected.since(onset),
            incarnation,
        };
        self.record(now, opened, out);
        out.push(Output::Persist);
    }

    /// Names the cause, and names it better when more is known.
    fn name_cause(&mut self, now: Now, out: &mut Vec<Output>) {
        let planned = match &self.life {
            Life::Absent(absent) => absent.planned && self.memory.refusal.is_none(),
            Life::Alive(life) => life.back_by.is_some() && self.belief.verdict == Verdict::Starting,
            Life::Unknown => false,
        };
        let cause = match (&self.belief.cause, planned) {
            (Some(cause), _) => cause.clone(),
            (None, true) => Cause::PlannedRestart,
            (None, false) => return,
        };
        let Some(incident) = &self.memory.incident else { return };
        // The same again in another life is news: what was done did not last, or the guard before did not live to note
        // that it had.
        let life = self.life_concerned();
        let again = self.belief.verdict == Verdict::Down && life.is_some() && incident.incarnation.as_ref() != life;
        if incident.cause.as_ref() == Some(&cause) && !again {
            return;
        }
        // What a new life does before it serves is told by its own cause only when it is worse than a start.
        let serving = matches!(self.belief.verdict, Verdict::Degraded);
        if serving && incident.cause.is_some() && incident.actions > 0 {
            return;
        }
        let life = life.cloned();
        if let (Some(action), true) = (&self.last_action, incident.actions > 0 && self.belief.verdict == Verdict::Down)
        {
            let reason = format!("it was {} afterwards", cause.code().replace('_', " "));
            let event = What::Ineffective { action: action.clone(), reason };
            self.last_action = None;
            self.examination.deny_credit();
            self.record(now, event, out);
            self.consult(now, out);
        }
        if let Some(incident) = &mut self.memory.incident {
            incident.cause = Some(cause.clone());
            incident.incarnation = life;
        }
        self.note_what_is_seen(now, out);
        self.record(now, What::Diagnosed { cause }, out);
        out.push(Output::Persist);
    }

    fn note_serving(&mut self, now: Now, out: &mut Vec<Output>) {
        let answering = match &self.life {
            Life::Alive(life) => life.answering() && life.drain_by.is_none() && life.asked_to_end.is_none(),
            Life::Absent(_) | Life::Unknown => false,
        };
        let serving =
            answering && matches!(self.belief.verdict, Verdict::Healthy | Verdict::Degraded | Verdict::Starting);
        let Some(incident) = &mut self.memory.incident else { return };
        if serving && incident.serving_after_ms.is_none() {
            incident.serving_after_ms = Some(now.mono.since(incident.onset));
            if incident.cause.is_none() {
                incident.cause = Some(Cause::Stalled);
            }
            self.record(now, What::Serving, out);
            out.push(Output::Persist);
        } else if !answering && incident.serving_after_ms.is_some() && self.belief.verdict == Verdict::Down {
            // It fell again within the same incident.
            incident.serving_after_ms = None;
        }
    }

    /// A row of good evidence proves a recovery.
    fn prove(&mut self, now: Now, out: &mut Vec<Output>) {
        let over = match (&self.memory.incident, self.belief.verdict) {
            (_, Verdict::Healthy) => true,
            // Another trouble than the one this incident is about gets an incident of its own.
            (Some(incident), Verdict::Degraded) => incident.cause != self.belief.cause,
            (None, Verdict::Degraded) => true,
            _ => false,
        };
        if !over {
            return self.not_well(now);
        }
        let since = *self.well_since.get_or_insert(now.mono);
        let proven_at = since.plus(self.policy.verify_ms);
        if now.mono < proven_at {
            return self.wake_at(proven_at);
        }
        if self.belief.verdict == Verdict::Healthy {
            self.channels.proven_well(now.mono);
        }
        let by_restore = self.memory.restored.unverified;
        if self.memory.restored != Restored::default() {
            self.memory.restored = Restored::default();
            out.push(Output::Persist);
        }
        if self.memory.pace.unproductive != 0 || self.memory.futile_restarts != 0 {
            self.memory.pace.unproductive = 0;
            self.memory.futile_restarts = 0;
            out.push(Output::Persist);
        }
        if let Some(incident) = &self.memory.incident {
            let outcome = if by_restore { Outcome::Recovered } else { outcome_of(incident) };
            self.close(now, outcome, out);
        }
    }

    /// The row is broken, unless this is a suspicion that may pass before it is worth a record: a process that is stopped
    /// and continued all the time, or whose answers are late now and then, is well all the same.
    fn not_well(&mut self, now: Now) {
        let worth_it = self.suspect_since.map(|since| since.plus(self.policy.record_after_ms));
        match (self.belief.verdict, worth_it) {
            (Verdict::Suspect, Some(at)) if now.mono < at => self.wake_at(at),
            // It is on its way out, and what it was before is not forgotten by that.
            (Verdict::Draining | Verdict::Stopped, _) => {}
            _ => self.well_since = None,
        }
    }

    fn close_by_wish(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(incident) = &self.memory.incident else { return };
        // One that was well again, and not for long enough, says nothing of what was done.
        let in_vain = incident.actions > 0 && self.well_since.is_none();
        let outcome = if in_vain { Outcome::Ineffective } else { Outcome::Planned };
        self.close(now, outcome, out);
    }

    fn close(&mut self, now: Now, outcome: Outcome, out: &mut Vec<Output>) {
        self.learn(now, outcome, out);
        self.record(now, What::Closed { outcome }, out);
        let Some(incident) = self.memory.incident.take() else { return };
        if incident.serving_after_ms.is_some() {
            self.memory.last_recovery = Some(Recovery {
                incident: incident.id,
                cause: incident.cause,
                onset_at: now.wall_of(incident.onset),
                onset_uncertainty_ms: incident.onset_uncertainty_ms,
                detected_after_ms: incident.detected_after_ms,
                start_issued_after_ms: incident.start_issued_after_ms,
                serving_after_ms: incident.serving_after_ms,
                outcome,
            });
        }
        self.told.clear();
        self.withheld = None;
        out.push(Output::Persist);
        out.push(Output::Changed);
    }

    /// An action goes out: into the record, and into the incident's figures.
    pub(super) fn record_action(
        &mut self,
        now: Now,
        id: DirectiveId,
        action: &Action,
        reason: &str,
        out: &mut Vec<Output>,
    ) {
        self.last_action = Some(action.clone());
        if let Some(incident) = &mut self.memory.incident {
            incident.actions = incident.actions.saturating_add(1);
            if action.is_start() && incident.start_issued_after_ms.is_none() {
                incident.start_issued_after_ms = Some(now.mono.since(incident.onset));
            }
        }
        let what = What::Acted { directive: id, action: action.clone(), reason: reason.to_owned() };
        self.record(now, what, out);
    }
}

/// How an incident that is proven to be over has ended.
fn outcome_of(incident: &Incident) -> Outcome {
    match &incident.cause {
        Some(Cause::PlannedRestart) => Outcome::Planned,
        // These have no remedy but a person's hand; what we did was to start it again after that.
        Some(
            Cause::RefusedToStart { .. }
            | Cause::ConfigInvalid { .. }
            | Cause::DiskNearlyFull
            | Cause::DiskFull
            | Cause::CredentialsRejected { .. }
            | Cause::PortStolen { .. }
            | Cause::CgroupFrozen
            | Cause::Traced
            | Cause::Inspected,
        ) => Outcome::HumanFixed,
        Some(
            Cause::Crashed { .. }
            | Cause::Exited
            | Cause::NotListening
            | Cause::Frozen
            | Cause::Spinning
            | Cause::Stuck
            | Cause::BootStuck
            | Cause::DrainStuck
            | Cause::ChannelsSuppressed
            | Cause::ChannelDeaf { .. }
            | Cause::NotReady { .. }
            | Cause::SlowAnswers { .. }
            | Cause::MemoryHigh { .. }
            | Cause::ProviderFailing { .. }
            | Cause::ProviderSlow { .. }
            | Cause::ProviderQuota { .. }
            | Cause::Stalled
            | Cause::Unknown,
        )
        | None => {
            if incident.actions > 0 {
                Outcome::Recovered
            } else {
                Outcome::SelfRecovered
            }
        }
    }
}
