//! The standby's state machine.
//!
//! It has no timer of its own: a look comes every [`Standby::next_look_ms`], and each is followed by a decision.

use super::figures::Figures;
use super::memory::Memory;
use super::own::Silence;
use super::role::{Reason, Role};
use super::senior::{Seniors, Waits};
use super::sight::{Armed, Evidence, Order, Sight};
use super::telling::{Episode, Obstacle, Telling};
use crate::time::{Moment, Now, Wall};
use serde::{Deserialize, Serialize};

/// What comes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Carry on.
    Promote(Reason),
    /// Step back.
    Demote(Reason),
    /// Tell people, under the number of [`Memory::episode`].
    Tell(Telling),
    /// What a person has just asked for is not done.
    Refused(Refusal),
    /// [`Standby::memory`] has changed: make it durable before anything else is done.
    Persist,
}

/// Why what a person has just asked for is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It would not be done by itself either.
    Obstacle(Obstacle),
    /// Only a node that stands by can be tried.
    NotStandingBy,
}

/// A primary that must be well for longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steadying {
    /// It has been, in milliseconds.
    pub well_ms: u64,
    /// It must have been, in milliseconds.
    pub needs_ms: u64,
    /// Takeovers of late, because of which it may be longer than usual.
    pub takeovers: u32,
}

/// Decides for one standby.
#[derive(Debug)]
pub struct Standby {
    pub(super) figures: Figures,
    pub(super) memory: Memory,
    armed: Armed,
    missed: u32,
    /// The last miss was a gateway that a person has stopped.
    stopped: bool,
    repairing_since: Option<Moment>,
    pub(super) well_since: Option<Moment>,
    looked: Option<Moment>,
    /// The first look of an unbroken row at which the primary did not serve.
    pub(super) trouble: Option<Wall>,
    not_before: Moment,
    /// Of this node's own gateway.
    pub(super) silence: Silence,
    seniors: Seniors,
    /// Why it waits for one of them.
    waits: Option<Waits>,
    /// An earlier guard ended while it took over; the first look says whether that is still right.
    resumes: bool,
    /// What was told since the primary last changed.
    told: Vec<Telling>,
}

impl Standby {
    /// Begins, or goes on from what an earlier guard remembered. A step back that it left half-done is asked for again; a
    /// takeover is, once it was looked whether the primary is still lost.
    #[must_use]
    pub fn new(figures: Figures, memory: Memory, out: &mut Vec<Output>) -> Self {
        if memory.role == Role::Demoting {
            out.push(Output::Demote(Reason::Resumed));
        }
        Self {
            resumes: memory.role == Role::Promoting,
            figures,
            memory,
            armed: Armed::No { why: "the configs were not compared yet".to_owned() },
            missed: 0,
            stopped: false,
            repairing_since: None,
            well_since: None,
            looked: None,
            trouble: None,
            not_before: Moment(0),
            silence: Silence::default(),
            seniors: Seniors::default(),
            waits: None,
            told: Vec::new(),
        }
    }

    /// The same with so many standbys that come before this one.
    #[must_use]
    pub fn behind(self, seniors: usize) -> Self {
        Self { seniors: Seniors::new(seniors), ..self }
    }

    /// What outlives this guard.
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Why it waits for a standby that comes before it, although the primary is lost.
    #[must_use]
    pub const fn waits(&self) -> Option<Waits> {
        self.waits
    }

    /// It carries, the primary is well, and this is how long that must last before this node steps back; `None` where it is
    /// not so, or a person holds this node.
    #[must_use]
    pub fn steadying(&self, now: Now) -> Option<Steadying> {
        let since = self.well_since.filter(|_| self.memory.role == Role::Active && !self.memory.held)?;
        let takeovers = self.memory.recent(now.wall, self.figures.flap_window_ms);
        Some(Steadying { well_ms: now.mono.since(since), needs_ms: self.figures.steadiness_ms(takeovers), takeovers })
    }

    /// From the beginning of one look to that of the next, in milliseconds.
    #[must_use]
    pub const fn next_look_ms(&self) -> u64 {
        self.figures.next_look_ms(self.missed > 0)
    }

    /// Takes one fact.
    pub fn observe(&mut self, now: Now, evidence: &Evidence, out: &mut Vec<Output>) {
        match evidence {
            Evidence::Look(sight) => self.look(now, *sight, out),
            Evidence::Seniors(seen) => self.seniors.look(now.mono, seen),
            Evidence::Armed(armed) => self.compared(now, armed, out),
            Evidence::Person(order) => self.order(now, *order, out),
            Evidence::Own(own) => self.own(now, *own, out),
            Evidence::Done { worked } => self.done(now, *worked, out),
        }
    }

    fn compared(&mut self, now: Now, armed: &Armed, out: &mut Vec<Output>) {
        self.armed = armed.clone();
        if let (Role::Active | Role::Promoting, Armed::No { why }, false) = (self.memory.role, armed, self.resumes) {
            self.tell_once(now, Telling::NotApart { why: why.clone() }, out);
        }
    }

    fn look(&mut self, now: Now, sight: Sight, out: &mut Vec<Output>) {
        let slept = self.looked.is_some_and(|at| now.mono.since(at) > self.figures.asleep_ms());
        self.looked = Some(now.mono);
        if slept {
            // What happened meanwhile is not known, so nothing from before counts.
            self.begin_anew();
            self.silence.forget();
            self.seniors.forget();
        }
        match sight {
            Sight::Serves => {
                (self.missed, self.repairing_since) = (0, None);
                self.trouble = None;
                self.well_since.get_or_insert(now.mono);
            }
            Sight::BeingRepaired => {
                (self.missed, self.well_since) = (0, None);
                self.repairing_since.get_or_insert(now.mono);
                self.trouble.get_or_insert(now.wall);
            }
            Sight::Silent | Sight::Stopped => {
                self.missed = self.missed.saturating_add(1);
                self.stopped = sight == Sight::Stopped;
                self.trouble.get_or_insert(now.wall);
                (self.well_since, self.repairing_since) = (None, None);
            }
            Sight::Blind | Sight::Unclear => self.begin_anew(),
        }
        if std::mem::take(&mut self.resumes) {
            return self.resume(now, sight, out);
        }
        self.decide(now, out);
    }

    /// What an earlier guard decided holds, unless the primary is back by now or its guard repairs it, one that comes before
    /// this node carries, or the configs are not apart any more; a person's word holds for all but the last. A look that
    /// says nothing of the primary is followed by the next one.
    fn resume(&mut self, now: Now, sight: Sight, out: &mut Vec<Output>) {
        if self.memory.wanted == Some(Role::Watching) {
            return self.turn(now, Role::Demoting, Reason::Person, out);
        }
        if let Some(obstacle) = self.unarmed() {
            self.tell_once(now, Telling::NotPromoted { obstacle }, out);
            return self.turn(now, Role::Demoting, Reason::Resumed, out);
        }
        if self.memory.why == Some(Reason::Person) || self.memory.wanted == Some(Role::Active) {
            return out.push(Output::Promote(Reason::Resumed));
        }
        if let Some(for_ms) = self.seniors.served_for(now.mono) {
            return self.turn(now, Role::Demoting, Reason::SeniorWell { for_ms }, out);
        }
        match sight {
            Sight::Serves => self.turn(now, Role::Demoting, Reason::PrimaryWell { for_ms: 0 }, out),
            Sight::BeingRepaired if self.memory.why != Some(Reason::RepairTooLong) => {
                self.turn(now, Role::Demoting, Reason::Resumed, out);
            }
            Sight::Silent | Sight::Stopped | Sight::BeingRepaired => {
                if self.memory.why == Some(Reason::Drill) {
                    // It is none any more.
                    self.memory.why = Some(self.missed_reason());
                    self.memory.beside = false;
                    out.push(Output::Persist);
                }
                out.push(Output::Promote(Reason::Resumed));
            }
            Sight::Blind | Sight::Unclear => self.resumes = true,
        }
    }

    fn begin_anew(&mut self) {
        (self.missed, self.repairing_since, self.well_since) = (0, None, None);
        self.trouble = None;
        self.not_due();
    }

    const fn not_due(&mut self) {
        self.waits = None;
        self.seniors.not_due();
    }

    fn decide(&mut self, now: Now, out: &mut Vec<Output>) {
        if now.mono < self.not_before {
            return;
        }
        match self.memory.role {
            Role::Watching | Role::Active if self.memory.again => self.obey_again(now, out),
            Role::Watching => self.consider_promotion(now, out),
            Role::Active => {
                self.consider_the_loss(now, out);
                self.consider_demotion(now, out);
            }
            Role::Promoting | Role::Demoting => {}
        }
    }

    fn obey_again(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.memory.outstanding() != Some(Role::Active) {
            self.turn(now, Role::Demoting, Reason::Person, out);
        } else if let Some(obstacle) = self.unarmed() {
            self.tell_once(now, Telling::NotPromoted { obstacle }, out);
        } else {
            self.turn(now, Role::Promoting, Reason::Person, out);
        }
    }

    fn consider_promotion(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(reason) = self.lost(now) else {
            self.not_due();
            return self.consider_the_end(now, out);
        };
        let broken = reason == Reason::RepairTooLong;
        self.waits = self.seniors.keep_waiting(now.mono, broken, &self.figures);
        if self.waits.is_some() {
            return;
        }
        if let Some(obstacle) = self.obstacle() {
            return self.tell_once(now, Telling::NotPromoted { obstacle }, out);
        }
        self.turn(now, Role::Promoting, reason, out);
    }

    const fn missed_reason(&self) -> Reason {
        if self.stopped { Reason::Stopped } else { Reason::Silent { misses: self.missed } }
    }

    /// Why the primary counts as lost, where it does.
    fn lost(&self, now: Now) -> Option<Reason> {
        if self.missed >= self.figures.misses.max(1) {
            return Some(self.missed_reason());
        }
        let repaired_for = now.mono.since(self.repairing_since?);
        (repaired_for >= self.figures.repair_ms).then_some(Reason::RepairTooLong)
    }

    /// People were told that this node carries because they said so.
    fn consider_the_loss(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(reason) = self.lost(now).filter(|_| self.memory.beside) else { return };
        self.memory.beside = false;
        self.memory.note_takeover(now.wall);
        out.extend([Output::Tell(Telling::TookOver { reason, held: self.memory.held }), Output::Persist]);
    }

    /// The trouble is over when the primary has been well for as long as a standby that carries would wait: one that
    /// comes and goes is told of once. What a failed takeover has left behind is stepped back from then.
    fn consider_the_end(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(for_ms) = self.well_since.map(|since| now.mono.since(since)) else { return };
        if for_ms < self.figures.steady_ms {
            return;
        }
        if self.memory.left && !self.memory.held {
            self.turn(now, Role::Demoting, Reason::PrimaryWell { for_ms }, out);
        } else if self.memory.episode.open {
            self.told.clear();
            (self.memory.episode.open, self.memory.silent) = (false, None);
            out.extend([Output::Tell(Telling::Returned), Output::Persist]);
        }
    }

    /// Why it is not promoted although it is time.
    fn obstacle(&self) -> Option<Obstacle> {
        if self.memory.held { Some(Obstacle::Held) } else { self.unarmed() }
    }

    fn unarmed(&self) -> Option<Obstacle> {
        match &self.armed {
            Armed::Yes => None,
            Armed::No { why } => Some(Obstacle::NotApart { why: why.clone() }),
        }
    }

    fn consider_demotion(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.memory.held {
            return;
        }
        let takeovers = self.memory.recent(now.wall, self.figures.flap_window_ms);
        let needs_ms = self.figures.steadiness_ms(takeovers);
        if let Some(for_ms) = self.seniors.served_for(now.mono).filter(|for_ms| *for_ms >= needs_ms) {
            return self.turn(now, Role::Demoting, Reason::SeniorWell { for_ms }, out);
        }
        let Some(since) = self.well_since else { return };
        let for_ms = now.mono.since(since);
        if for_ms >= needs_ms {
            self.turn(now, Role::Demoting, Reason::PrimaryWell { for_ms }, out);
        } else if takeovers > 1 {
            self.tell_once(now, Telling::Unsteady { needs_ms, takeovers }, out);
        }
    }

    /// Durable first, so that the next guard knows what this one has begun.
    fn turn(&mut self, now: Now, role: Role, reason: Reason, out: &mut Vec<Output>) {
        if role == Role::Promoting {
            self.open_episode(now, out);
            self.memory.beside = match reason {
                Reason::Drill => true,
                Reason::Person => self.well_since.is_some(),
                Reason::Silent { .. }
                | Reason::Stopped
                | Reason::RepairTooLong
                | Reason::PrimaryWell { .. }
                | Reason::SeniorWell { .. }
                | Reason::Resumed => false,
            };
        } else {
            self.memory.silent = None;
        }
        (self.memory.role, self.memory.why) = (role, Some(reason));
        self.not_due();
        out.push(Output::Persist);
        out.push(if role == Role::Promoting { Output::Promote(reason) } else { Output::Demote(reason) });
    }

    fn order(&mut self, now: Now, order: Order, out: &mut Vec<Output>) {
        // What is only tried takes nothing back.
        if order != Order::Drill {
            (self.memory.again, self.memory.wanted) = (false, None);
        }
        match (order, self.memory.role) {
            (Order::Promote, Role::Watching) => {
                if let Some(obstacle) = self.unarmed() {
                    return out.push(Output::Refused(Refusal::Obstacle(obstacle)));
                }
                self.memory.held = true;
                self.turn(now, Role::Promoting, Reason::Person, out);
            }
            (Order::Drill, role) => {
                let refusal = match role {
                    Role::Watching => self.obstacle().map(Refusal::Obstacle),
                    Role::Promoting | Role::Active | Role::Demoting => Some(Refusal::NotStandingBy),
                };
                match refusal {
                    Some(refusal) => out.push(Output::Refused(refusal)),
                    None => self.turn(now, Role::Promoting, Reason::Drill, out),
                }
            }
            (Order::Demote, role) if role == Role::Active || (role == Role::Watching && self.memory.left) => {
                self.memory.held = true;
                self.turn(now, Role::Demoting, Reason::Person, out);
            }
            (Order::Release, _) => {
                self.memory.held = false;
                self.begin_anew();
                out.push(Output::Persist);
            }
            // What is under way ends first. Where it leads to what they want it is theirs from now on, and is tried again.
            (Order::Demote, Role::Promoting | Role::Demoting) => self.end_as(Role::Watching, out),
            (Order::Promote, Role::Promoting | Role::Demoting) => self.end_as(Role::Active, out),
            (Order::Hold | Order::Promote | Order::Demote, _) => {
                self.memory.held = true;
                out.push(Output::Persist);
            }
        }
    }

    fn end_as(&mut self, role: Role, out: &mut Vec<Output>) {
        (self.memory.held, self.memory.wanted) = (true, Some(role));
        out.push(Output::Persist);
    }

    fn done(&mut self, now: Now, worked: bool, out: &mut Vec<Output>) {
        let role = match (self.memory.role, worked) {
            (Role::Promoting, true) | (Role::Demoting, false) => Role::Active,
            (Role::Promoting, false) | (Role::Demoting, true) => Role::Watching,
            (Role::Watching | Role::Active, _) => return,
        };
        // Only a takeover that failed leaves something behind.
        self.memory.left = self.memory.role == Role::Promoting && !worked;
        self.memory.role = role;
        self.memory.beside &= role == Role::Active;
        let reason = self.memory.why.take().unwrap_or(Reason::Resumed);
        // A change that failed has left things half-done, also where it ends as a person wants it: the way there is gone.
        let wanted = self.memory.wanted.take();
        self.memory.wanted = wanted.filter(|wanted| *wanted == role && !worked);
        self.memory.again = match wanted {
            Some(wanted) => wanted != role || !worked,
            None => reason == Reason::Person && !worked,
        };
        if !worked {
            self.not_before = now.mono.plus(self.figures.retry_ms);
            self.tell_failed(now, role, reason, out);
        } else if role == Role::Active {
            self.told.clear();
            // What a person says or tries says nothing of the primary.
            if !reason.is_persons() {
                self.memory.note_takeover(now.wall);
            }
            if reason == Reason::Drill {
                // It carries for as long as it would after a loss, so that they see it.
                self.begin_anew();
            }
            out.push(Output::Tell(Telling::TookOver { reason, held: self.memory.held }));
        } else {
            self.told.clear();
            self.memory.episode.open = false;
            out.push(Output::Tell(Telling::SteppedBack { reason }));
        }
        out.push(Output::Persist);
    }

    fn tell_failed(&mut self, now: Now, role: Role, reason: Reason, out: &mut Vec<Output>) {
        // What it was begun for holds, unless the primary was seen to serve since.
        let lost = self.lost(now).is_some() || (!reason.is_persons() && self.well_since.is_none());
        let again = self.memory.again || lost || role == Role::Active;
        self.tell_once(now, Telling::Failed { role, lost, again, asked: reason.is_persons() }, out);
    }

    /// Each thing once, until the primary is well again or the role changes.
    fn tell_once(&mut self, now: Now, telling: Telling, out: &mut Vec<Output>) {
        if !self.told.contains(&telling) && self.told.len() < 8 {
            self.open_episode(now, out);
            self.told.push(telling.clone());
            out.push(Output::Tell(telling));
        }
    }

    /// What follows belongs together, for whoever is told.
    pub(super) fn open_episode(&mut self, now: Now, out: &mut Vec<Output>) {
        if !self.memory.episode.open {
            let number = self.memory.episode.number.saturating_add(1);
            self.memory.episode = Episode { number, since: self.trouble.unwrap_or(now.wall), open: true };
            out.push(Output::Persist);
        }
    }
}
