//! What the doctor makes of an open incident: when it is asked, and what becomes of its answer.
//!
//! Invariants: one question at a time, at most [`Examination::PER_INCIDENT`] in one incident; an answer about another
//! incident does nothing. A lesson is drawn once, when the incident is over, and only for a case one of whose own
//! remedies was tried.

use super::Guardian;
use crate::approval::ends;
use crate::diagnosis::case::RemedyAction;
use crate::diagnosis::opinion::{Opinion, Suspicion};
use crate::diagnosis::{Cause, RefusalReason};
use crate::directive::{Action, IncidentId, Lesson, Output, Question};
use crate::health::Verdict;
use crate::incident::{Incident, Named, Outcome, What};
use crate::time::{Moment, Now};

/// What was asked about the present incident, and answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Examination {
    incident: Option<IncidentId>,
    asked: Option<(Moment, Cause)>,
    times: u32,
    /// No answer has come to the last question.
    waiting: bool,
    opinion: Option<Opinion>,
    /// Remedies that were tried: how often, and when last. One entry for each kind.
    tried: Vec<(RemedyAction, usize, Moment)>,
    /// An AI was asked.
    consulted: bool,
    /// Steps of an AI that are still to be tried, the next one last.
    counsel: Vec<Action>,
    /// The last step was an AI's, and nothing but its own consequences has followed.
    credit: Option<Action>,
}

impl Examination {
    /// Questions in one incident.
    const PER_INCIDENT: u32 = 6;
    /// Between two of them about different causes.
    const SPACING_MS: u64 = 20_000;
    /// Before the second about the same cause: what led to it may be logged late. It doubles.
    const AGAIN_MS: u64 = 30_000;
    /// Longest wait for an answer: a disk may hang.
    const PATIENCE_MS: u64 = 5 * 60_000;
    /// How long after an incident began the logs are complete enough to be read.
    const LOGS_SETTLE_MS: u64 = 1_000;
    /// How long before the onset what led to it may have been logged.
    const BEFORE_MS: u64 = 2 * 60_000;

    /// What it most likely is.
    pub(super) fn suspicion(&self) -> Option<&Suspicion> {
        self.opinion.as_ref()?.causes.first()
    }

    /// The doctor has said something of this incident.
    pub(super) fn has_answered(&self) -> bool {
        self.opinion.is_some()
    }

    /// When a remedy may be tried again; `None`: not in this incident.
    pub(super) fn again_at(&self, action: RemedyAction, most: usize, spacing_ms: u64) -> Option<Moment> {
        match self.tried.iter().find(|(tried, ..)| *tried == action) {
            None => Some(Moment(0)),
            Some((_, times, last)) => (*times < most).then(|| last.plus(spacing_ms)),
        }
    }

    /// Once per incident.
    pub(super) fn ask_for_counsel(&mut self) -> bool {
        !std::mem::replace(&mut self.consulted, true)
    }

    /// Steps of an AI, in its order.
    pub(super) fn take_counsel(&mut self, mut actions: Vec<Action>) {
        actions.reverse();
        self.counsel = actions;
    }

    /// Its next step; each comes once.
    pub(super) fn next_counsel(&mut self) -> Option<Action> {
        self.counsel.pop()
    }

    /// A step goes out. What follows from an AI's step that ends the process is a part of it; any other step of somebody
    /// else's takes the credit away.
    pub(super) fn note_author(&mut self, by_ai: bool, action: &Action) {
        let follows = |step: &Action| ends(step) && (action.is_start() || action.is_kill());
        if by_ai {
            self.credit = Some(action.clone());
        } else if !self.credit.as_ref().is_some_and(follows) {
            self.credit = None;
        }
    }

    /// A step did not do its work, so nothing tells what the gateway came back by.
    pub(super) fn deny_credit(&mut self) {
        self.credit = None;
    }

    fn note(&mut self, action: RemedyAction, at: Moment) {
        match self.tried.iter_mut().find(|(tried, ..)| *tried == action) {
            Some((_, times, last)) => (*times, *last) = (times.saturating_add(1), at),
            None => self.tried.push((action, 1, at)),
        }
    }
}

impl Guardian {
    /// Asks once the cause is named, again when another one is, and ever more rarely while the incident goes on.
    pub(super) fn ask_the_doctor(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(incident) = &self.memory.incident else { return };
        if self.examination.incident != Some(incident.id) {
            self.examination = Examination { incident: Some(incident.id), ..Examination::default() };
        }
        let Some(cause) = incident.cause.clone().filter(|cause| *cause != Cause::PlannedRestart) else { return };
        let examination = &self.examination;
        let due = match &examination.asked {
            None => incident.opened.plus(Examination::LOGS_SETTLE_MS),
            Some((at, _)) if examination.waiting => at.plus(Examination::PATIENCE_MS),
            Some((at, about)) if *about == cause => {
                at.plus(Examination::AGAIN_MS << (examination.times.clamp(1, 6) - 1))
            }
            Some((at, _)) => at.plus(Examination::SPACING_MS),
        };
        if examination.times >= Examination::PER_INCIDENT {
            return;
        }
        if now.mono < due {
            return self.wake_at(due);
        }
        let question = Self::question(now, incident, cause.clone());
        self.examination.asked = Some((now.mono, cause));
        self.examination.waiting = true;
        self.examination.times += 1;
        out.push(Output::Examine(question));
    }

    /// What anybody is asked about an incident.
    pub(super) fn question(now: Now, incident: &Incident, cause: Cause) -> Question {
        let since = now.wall_of(incident.onset.minus(Examination::BEFORE_MS));
        Question { incident: incident.id, cause, since }
    }

    /// The doctor has answered.
    pub(super) fn examined(&mut self, now: Now, opinion: &Opinion, out: &mut Vec<Output>) {
        if self.memory.incident.as_ref().is_none_or(|incident| incident.id != opinion.incident)
            || self.examination.incident != Some(opinion.incident)
        {
            return;
        }
        self.examination.waiting = false;
        let causes = opinion.causes.iter().take(Opinion::MAX_CAUSES);
        let causes: Vec<Named> = causes
            .map(|one| Named {
                case: one.case.clone(),
                cause: one.cause,
                sure_percent: one.sure_percent,
                evidence: one.evidence.iter().take(Suspicion::MAX_EVIDENCE).cloned().collect(),
            })
            .collect();
        let known = self.examination.opinion.as_ref().map(|opinion| opinion.causes.iter().map(|one| one.case.as_str()));
        if known.is_none_or(|known| !known.eq(causes.iter().map(|one| one.case.as_str()))) {
            self.record(now, What::Examined { causes }, out);
        }
        self.explain_refusal(opinion);
        self.examination.opinion = Some(opinion.clone());
        if opinion.causes.is_empty() {
            self.consult(now, out);
        }
        self.quiet = false;
    }

    /// A refusal that nobody understood gets the doctor's words.
    fn explain_refusal(&mut self, opinion: &Opinion) {
        if let (Some(refusal), Some(first)) = (&mut self.memory.refusal, opinion.causes.first())
            && refusal.reason == RefusalReason::Unexplained
            && refusal.detail.is_empty()
        {
            refusal.detail = first.evidence.first().unwrap_or(&first.advice).clone();
        }
    }

    /// What the doctor would have a person do, where nothing helps by itself.
    pub(super) fn doctors_advice(&self) -> Option<String> {
        let unwell = matches!(self.belief.verdict, Verdict::Down | Verdict::Degraded);
        let first = self.examination.suspicion()?;
        (unwell && first.needs_person()).then(|| first.advice.clone())
    }

    /// A step of a case goes out.
    pub(super) fn note_remedy(&mut self, now: Moment, action: &Action) {
        if let Some(remedy) = remedy_of(action) {
            self.examination.note(remedy, now);
        }
        if *action == Action::FreeLogs {
            self.logs_again = Some(now.plus(self.logs_wait_ms));
        }
    }

    /// The incident is over: whether the case that was named first has helped.
    pub(super) fn learn(&mut self, now: Now, outcome: Outcome, out: &mut Vec<Output>) {
        let examination = std::mem::take(&mut self.examination);
        if let (Outcome::Recovered, Some(_), Some(incident)) = (outcome, &examination.credit, examination.incident) {
            out.push(Output::CounselHelped(incident));
        }
        let Some(first) = examination.suspicion() else { return };
        let tried = |remedy: RemedyAction| examination.tried.iter().any(|(tried, ..)| *tried == remedy);
        if !first.remedies.iter().any(|remedy| tried(remedy.action)) {
            return;
        }
        let worked = match outcome {
            Outcome::Recovered => true,
            Outcome::HumanFixed | Outcome::Ineffective | Outcome::WaitingForHuman => false,
            // It says nothing of the remedy.
            Outcome::SelfRecovered | Outcome::Planned | Outcome::Denied => return,
        };
        let (Some(incident), case) = (examination.incident, first.case.clone()) else { return };
        self.record(now, What::Learned { case: case.clone(), worked }, out);
        out.push(Output::Learned(Lesson { incident, case, worked }));
    }
}

/// What an action is called in a case.
const fn remedy_of(action: &Action) -> Option<RemedyAction> {
    match action {
        Action::Spawn | Action::Hasten | Action::StartUnit { .. } => Some(RemedyAction::Start),
        Action::RestartUnit | Action::Terminate { .. } | Action::Kill => Some(RemedyAction::Restart),
        Action::RestoreConfig { .. } => Some(RemedyAction::RestoreConfig),
        Action::FreeLogs => Some(RemedyAction::FreeOwnLogs),
        Action::ReloadSecrets => Some(RemedyAction::ReloadSecrets),
        Action::SetLockAside => Some(RemedyAction::QuarantineLock),
        Action::StartChannel { .. } => Some(RemedyAction::StartChannel),
        Action::StopUnit | Action::EnableUnit { .. } | Action::Sweep => None,
    }
}
