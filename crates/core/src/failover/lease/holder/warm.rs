//! A gateway that runs while this node does not own: mute, until it is opened under a lease.
//!
//! Invariants: it is started only with its channels off, and opened only if by its own word none is at work; from the
//! order to open it on it counts as one that speaks, and that is durable before; what cannot be opened, or is switched on
//! without a lease, ends as a whole process. Start at [`Holder::keep_warm`].

use super::super::evidence::ActId;
use super::super::memory::Active;
use super::super::output::{Directive, Telling, Why};
use super::super::record::Term;
use super::Holder;
use super::process::Process;
use crate::gateway::Incarnation;
use crate::time::Moment;

impl Holder {
    /// A mute start that nobody has carried out by then is not carried out any more, in milliseconds.
    const MUTE_START_MS: u64 = 30_000;
    /// With the lease in hand a mute gateway is waited for until so long after its start, in milliseconds: a boot took 13
    /// to 25 s. Then it is started anew under the lease.
    const MUTE_BOOT_MS: u64 = 45_000;
    /// The channels of a mute gateway may take so long to be switched on, in milliseconds: it took 0.3 to 1.8 s.
    const OPENING_MS: u64 = 20_000;

    /// Nothing of this node runs from now on.
    pub(super) fn is_cold(&mut self, now: Moment) {
        if self.node.warm {
            // One that is about to own is started for that at once. Otherwise whoever takes over comes first, on the store
            // and the network, and on the machine where several nodes share one.
            self.mute_at = now.plus(self.node.figures.retry_ms);
        }
    }

    /// Starts a mute gateway, gives up one that does not open, and one that does not come while the lease waits.
    pub(super) fn keep_warm(&mut self, now: Moment, out: &mut Vec<Directive>) {
        match self.process {
            Process::Gone => self.start_mute(now, out),
            Process::Opening { .. } | Process::MuteStarting { .. } | Process::Mute { .. } => {
                if self.patience_ends().is_some_and(|at| now >= at) {
                    self.end(now, Why::CannotOpen, out);
                }
            }
            Process::Unknown | Process::Starting | Process::Running(_) | Process::Ending { .. } => {}
        }
    }

    /// Until when is waited for a gateway that was started mute, and is needed now.
    fn patience_ends(&self) -> Option<Moment> {
        let needed = self.lease.is_some() && self.leaving.is_none();
        match self.process {
            Process::Opening { until, .. } => Some(until),
            Process::MuteStarting { since } if needed => Some(since.plus(self.node.figures.retry_ms)),
            Process::Mute { since, sure: false, .. } if needed => Some(since.plus(Self::MUTE_BOOT_MS)),
            Process::MuteStarting { .. }
            | Process::Mute { .. }
            | Process::Unknown
            | Process::Gone
            | Process::Starting
            | Process::Running(_)
            | Process::Ending { .. } => None,
        }
    }

    /// When something of it is due.
    pub(super) fn warms_at(&self) -> Option<Moment> {
        let starts = self.may_start_mute().then_some(self.mute_at.max(self.start_at));
        starts.or_else(|| self.patience_ends())
    }

    fn may_start_mute(&self) -> bool {
        self.node.warm
            && self.process == Process::Gone
            && self.lease.is_none()
            && self.leaving.is_none()
            && !self.hindered
            && !self.ends
    }

    fn start_mute(&mut self, now: Moment, out: &mut Vec<Directive>) {
        if !self.may_start_mute() || now < self.mute_at.max(self.start_at) {
            return;
        }
        // Whoever fails at it does not try in a tight loop.
        self.start_at = self.start_at.max(now.plus(self.node.figures.retry_ms));
        self.process = Process::MuteStarting { since: now };
        let act = self.next_act();
        self.last_start = act;
        out.push(Directive::StartMute { act, not_after: now.plus(Self::MUTE_START_MS) });
    }

    pub(super) fn started_mute(&mut self, now: Moment, life: &Incarnation, out: &mut Vec<Directive>) {
        self.process = Process::Mute { life: life.clone(), since: now, sure: false };
        // Its channels were just read back as switched off.
        (self.memory.mute, self.memory.active) = (Some(life.clone()), None);
        out.push(Directive::Persist);
    }

    /// Whether a process that a new guard found is the one that was left mute. Whether it still is, is looked at.
    pub(super) fn found_mute(&mut self, now: Moment, life: &Incarnation) -> bool {
        let known = self.memory.mute.as_ref() == Some(life) && self.memory.active.is_none();
        let mute = known && self.node.warm;
        if mute {
            self.process = Process::Mute { life: life.clone(), since: now, sure: false };
        }
        mute
    }

    pub(super) fn is_heard_mute(&mut self, heard: &Incarnation) {
        if let Process::Mute { life, sure, .. } = &mut self.process
            && life == heard
        {
            *sure = true;
            // The next time it is another event.
            self.told.retain(|told| *told != Telling::SwitchedOn);
        }
    }

    /// Somebody has switched a channel on, or an older config was put back.
    pub(super) fn speaks(&mut self, now: Moment, heard: &Incarnation, out: &mut Vec<Directive>) {
        if matches!(&self.process, Process::Mute { life, .. } if life == heard) {
            self.end(now, Why::SwitchedOn, out);
            self.tell_once(Telling::SwitchedOn, out);
        }
    }

    /// From here on it may speak. Whoever calls has seen to the lease and the deadman.
    pub(super) fn open(
        &mut self,
        now: Moment,
        life: &Incarnation,
        term: Term,
        not_after: Moment,
        out: &mut Vec<Directive>,
    ) {
        self.memory.mute = None;
        self.memory.active = Some(Active { term, life: Some(life.clone()), opened: false, to: None });
        let act = self.next_act();
        self.process = Process::Opening { act, life: life.clone(), until: now.plus(Self::OPENING_MS) };
        out.push(Directive::Persist);
        out.push(Directive::Open { act, term, not_after });
    }

    pub(super) fn opened(&mut self, by: ActId, out: &mut Vec<Directive>) {
        if let Process::Opening { act, life, .. } = &self.process
            && *act == by
        {
            let life = life.clone();
            self.process = Process::Running(life.clone());
            self.it_speaks(&life, out);
        }
    }

    /// It may be half open. It ends, and is started anew under the lease.
    pub(super) fn not_opened(&mut self, now: Moment, by: ActId, out: &mut Vec<Directive>) {
        if matches!(self.process, Process::Opening { act, .. } if act == by) {
            self.end(now, Why::CannotOpen, out);
        }
    }
}
