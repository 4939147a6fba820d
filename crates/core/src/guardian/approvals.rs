//! Asking a person first: proposals, decisions, and what becomes of them.
//!
//! Invariants: what waits for a person is not done without; an approval is used once, for the action, the life and the
//! incident that were shown, and passes the same check as everything else; each proposal ends on record.

use super::Guardian;
use crate::approval::{Decision, Proposal, ProposalId, Stand, ends};
use crate::check::{Origin, permit};
use crate::diagnosis::advice::Tier;
use crate::diagnosis::case::RemedyAction;
use crate::diagnosis::counsel::CounselStep;
use crate::directive::{Action, IncidentId, Output};
use crate::gateway::{Form, Incarnation};
use crate::health::Verdict;
use crate::health::life::Life;
use crate::incident::What;
use crate::time::Now;

impl Guardian {
    /// Proposals in one incident.
    const PROPOSALS_MAX: usize = 8;
    /// How often the same is proposed again after it lapsed.
    const AGAIN_MAX: usize = 3;

    /// This step waits until a person says so.
    pub(super) fn waits_for_a_person(&self, action: &Action, origin: Origin, target: Option<&Incarnation>) -> bool {
        let asked = match origin {
            Origin::Person | Origin::Failover => false,
            Origin::Ladder | Origin::Case | Origin::Ai => self.policy.confirm && action.can_wait_for_a_person(),
        };
        asked && !self.is_approved(action, target)
    }

    /// The next step waits for a person.
    pub(super) fn asks_a_person(&self) -> bool {
        self.memory.proposals.iter().any(|proposal| proposal.stand == Stand::Open)
    }

    fn is_approved(&self, action: &Action, target: Option<&Incarnation>) -> bool {
        let incident = self.memory.incident.as_ref().map(|incident| incident.id);
        let ours = self.memory.proposals.iter().filter(|proposal| Some(proposal.incident) == incident);
        ours.into_iter().any(|proposal| proposal.covers(action, target))
    }

    /// It goes out now: the approval is used up.
    pub(super) fn use_approval(&mut self, action: &Action, target: Option<&Incarnation>) {
        if let Some(used) = self
            .memory
            .proposals
            .iter_mut()
            .find(|proposal| proposal.stand == Stand::Approved && proposal.covers(action, target))
        {
            used.stand = Stand::Used;
        }
    }

    /// Puts a step before a person, unless that was done.
    pub(super) fn propose(&mut self, now: Now, action: Action, origin: Origin, reason: String, out: &mut Vec<Output>) {
        let Some(incident) = self.memory.incident.as_ref().map(|incident| incident.id) else { return };
        self.tidy_proposals(incident);
        let target = self.life_for_proposals();
        let same = |proposal: &&Proposal| proposal.action == action && proposal.target == target;
        let known: Vec<Stand> = self.memory.proposals.iter().filter(same).map(|proposal| proposal.stand).collect();
        let settled = known.iter().any(|stand| matches!(stand, Stand::Open | Stand::Approved | Stand::Denied));
        if settled || known.len() >= Self::AGAIN_MAX || self.memory.proposals.len() >= Self::PROPOSALS_MAX {
            return;
        }
        self.memory.last_proposal += 1;
        let until = now.mono.plus(self.policy.approval_ms);
        let proposal = Proposal {
            id: ProposalId(self.memory.last_proposal),
            incident,
            target,
            action,
            origin,
            reason,
            until,
            until_wall: now.wall_of(until),
            stand: Stand::Open,
        };
        self.record(now, What::Proposed { proposal: proposal.clone() }, out);
        self.memory.proposals.push(proposal);
        out.push(Output::Persist);
        out.push(Output::Changed);
    }

    /// Those of other incidents are over.
    fn tidy_proposals(&mut self, incident: IncidentId) {
        self.memory.proposals.retain(|proposal| proposal.incident == incident);
    }

    fn life_for_proposals(&self) -> Option<Incarnation> {
        match &self.life {
            Life::Alive(life) => Some(life.incarnation.clone()),
            Life::Absent(absent) => absent.incarnation.clone(),
            Life::Unknown => None,
        }
    }

    /// A person has decided. What does not fit any more does nothing, and is on record all the same.
    pub(super) fn decided(&mut self, now: Now, decision: &Decision, out: &mut Vec<Output>) {
        let target = self.life_for_proposals();
        let open = self.memory.incident.as_ref().map(|incident| incident.id);
        let Some(proposal) = self.memory.proposals.iter_mut().find(|proposal| proposal.id == decision.proposal) else {
            return;
        };
        let obstacle = if !proposal.is_open(now.mono) {
            Some("it was decided before, or its time is over")
        } else if Some(proposal.incident) != open {
            Some("its incident is over")
        } else if proposal.target != target {
            Some("the process that it was meant for is gone")
        } else {
            None
        };
        if obstacle.is_none() {
            proposal.stand = if decision.approve { Stand::Approved } else { Stand::Denied };
        }
        let what = What::Decided {
            proposal: decision.proposal,
            approved: decision.approve,
            by: decision.by.clone(),
            void: obstacle.map(str::to_owned),
        };
        self.record(now, what, out);
        out.push(Output::Persist);
        out.push(Output::Changed);
        self.quiet = false;
    }

    /// Lets time pass over what is open, and does what was approved. `true`: a step was taken.
    pub(super) fn follow_approvals(&mut self, now: Now, out: &mut Vec<Output>) -> bool {
        if self.memory.proposals.is_empty() {
            return false;
        }
        let Some(incident) = self.memory.incident.as_ref().map(|incident| incident.id) else {
            self.memory.proposals.clear();
            out.push(Output::Persist);
            return false;
        };
        self.tidy_proposals(incident);
        let target = self.life_for_proposals();
        let mut lapsed = Vec::new();
        let mut due = None;
        let mut wake = None;
        for proposal in &mut self.memory.proposals {
            let gone = proposal.target != target;
            match proposal.stand {
                Stand::Open if now.mono >= proposal.until || gone => {
                    proposal.stand = Stand::Lapsed;
                    lapsed.push(proposal.id);
                }
                Stand::Open => wake = wake.into_iter().chain([proposal.until]).min(),
                Stand::Approved if gone || now.mono >= proposal.until => proposal.stand = Stand::Lapsed,
                Stand::Approved => {
                    due.get_or_insert_with(|| (proposal.action.clone(), proposal.origin, proposal.reason.clone()));
                }
                Stand::Used | Stand::Denied | Stand::Lapsed => {}
            }
        }
        if let Some(at) = wake {
            self.wake_at(at);
        }
        for id in lapsed {
            self.record(now, What::Lapsed { proposal: id }, out);
            out.push(Output::Persist);
        }
        let Some((action, origin, reason)) = due else { return false };
        // What the check does not let through now must not hold up the ladder, nor what people want.
        let by_ai = origin == Origin::Ai;
        let origin = if by_ai && ends(&action) { Origin::Case } else { origin };
        if permit(&action, origin, &self.situation(now, target.as_ref(), &action)).is_err() {
            self.wake_at(now.mono.plus(1_000));
            return false;
        }
        self.issue(now, action.clone(), format!("{reason}; a person approved it"), Some(origin), out);
        if by_ai && self.outstanding.is_some() && self.well_since.is_none() {
            self.examination.note_author(true, &action);
        }
        true
    }

    /// Steps of the leading case that the case itself leaves to a person, and that we could do.
    pub(super) fn propose_case(&mut self, now: Now, out: &mut Vec<Output>) {
        if !matches!(self.belief.verdict, Verdict::Down | Verdict::Degraded) {
            return;
        }
        let Some(suspicion) = self.examination.suspicion() else { return };
        let case = suspicion.case.clone();
        let steps: Vec<RemedyAction> = suspicion
            .remedies
            .iter()
            .filter(|remedy| suspicion.may_act && !remedy.auto)
            .map(|remedy| remedy.action)
            .collect();
        for step in steps {
            if let Some(action) = self.approvable(step, None) {
                self.propose(now, action, Origin::Case, format!("case {case} asks for it"), out);
            }
        }
    }

    /// A step of an AI that does not run by itself. `true`: a person can approve it.
    pub(super) fn propose_counsel(&mut self, now: Now, step: &CounselStep, out: &mut Vec<Output>) -> bool {
        if !step.tier.can_be_approved() || step.tier == Tier::Red {
            return false;
        }
        let Some(action) = self.approvable(step.action, step.channel.as_ref()) else { return false };
        self.propose(now, action, Origin::Ai, format!("an AI proposes it: {}", step.why), out);
        true
    }

    /// The action behind a remedy, where a person's word is all that it lacks.
    fn approvable(&self, remedy: RemedyAction, channel: Option<&(String, String)>) -> Option<Action> {
        let alive = matches!(self.life, Life::Alive(_));
        match remedy {
            RemedyAction::Restart if !alive => None,
            RemedyAction::Restart => match self.profile.form {
                Form::Child | Form::Foreign => Some(Action::Terminate { wake: false }),
                Form::Systemd | Form::Launchd | Form::ScheduledTask => Some(Action::RestartUnit),
            },
            RemedyAction::QuarantineLock => Some(Action::SetLockAside),
            RemedyAction::ReloadSecrets => alive.then_some(Action::ReloadSecrets),
            RemedyAction::FreeOwnLogs => self.disk_low().then_some(Action::FreeLogs),
            RemedyAction::StartChannel => {
                let (channel, account) = channel?.clone();
                alive.then_some(Action::StartChannel { channel, account })
            }
            // The ladder starts and restores by itself; a serving gateway's config is restored by its own command.
            RemedyAction::Start | RemedyAction::RestoreConfig | RemedyAction::Tell => None,
        }
    }
}
