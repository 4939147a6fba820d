//! Births and deaths, and what the service manager says of them.

use super::Guardian;
use super::refusals::port_owner;
use crate::diagnosis::{Cause, RefusalReason};
use crate::directive::Output;
use crate::gateway::{Form, Incarnation};
use crate::health::Boot;
use crate::health::life::{Absent, Alive, Life};
use crate::incident::What;
use crate::observation::{ActiveState, Appeared, Exit, Gone, JobKind, ServiceSeen};
use crate::time::{Moment, Now};
use crate::wish::{Desired, Pause};

/// The cause that an end by itself gets.
pub(super) fn cause_of(exit: Exit) -> Cause {
    match exit {
        Exit::Code { code: 0 } => Cause::Exited,
        Exit::Code { code } => Cause::Crashed { how: format!("exit {code}") },
        Exit::Signal { signal, .. } => Cause::Crashed { how: format!("signal {signal}") },
        Exit::Unknown => Cause::Crashed { how: "ended; nobody saw how".to_owned() },
    }
}

/// Signals that a process gets by its own fault: ILL 4, ABRT 6, BUS 7 or 10, FPE 8, SEGV 11.
fn own_fault(exit: Exit) -> bool {
    match exit {
        Exit::Code { code } => !matches!(code, 0 | 130 | 137 | 143),
        Exit::Signal { signal, .. } => matches!(signal, 4 | 6 | 7 | 8 | 10 | 11),
        Exit::Unknown => false,
    }
}

/// It counts in OpenClaw's crash-loop breaker. Exit 78 leaves no mark in its boot ledger; a start that failed on a
/// taken port does (`startup_failed`).
pub(super) fn is_unclean(exit: Exit) -> bool {
    !exit.is_clean() && !exit.is_refusal()
}

impl Guardian {
    pub(super) fn appeared(&mut self, now: Now, appeared: &Appeared, out: &mut Vec<Output>) {
        if matches!(&self.life, Life::Alive(life) if life.incarnation == appeared.incarnation) {
            return;
        }
        let born = now.mono.minus(appeared.age_ms);
        self.book_our_kill(now);
        self.book_missed_end(born, &appeared.incarnation);
        let follows_our_end = matches!(&self.life, Life::Absent(absent) if absent.by_us || absent.planned);
        // Nothing that was started by hand was started by us, also after an end that a person had us bring about.
        let by_hand = self.profile.form == Form::Foreign;
        let ours = !by_hand && (appeared.by.is_some() || self.starting_it() || (follows_our_end && !self.rested));
        // What the manager starts again by itself was not asked for by a person.
        let asked_for = self.rested || matches!(self.life, Life::Unknown) || by_hand;
        self.rested = false;
        self.called = None;
        if !ours && asked_for {
            self.started_by_others(now, born, appeared.at_boot, out);
        } else if ours && self.memory.unit_stopped && !self.memory.start_wished {
            self.memory.revived_by_us = true;
        }
        // The next guard sees the same life come to light again.
        if self.memory.living.as_ref() != Some(&appeared.incarnation) {
            self.memory.pace.starts.push(born);
        }
        self.memory.restart_wished = false;
        self.memory.standing.ended_in_pause = false;
        self.memory.start_wished = false;
        self.memory.refusal = None;
        // What the life before this one said is nothing that this one said.
        self.last_refused = None;
        self.swept = false;
        self.planned_end = false;
        self.channels.clear();
        self.setback.clear();
        self.changed_since_start = false;
        self.around.synthetic.reopen();
        self.config_at_start = self.around.config.as_ref().map_or(0, |config| config.fingerprint);
        self.memory.living = Some(appeared.incarnation.clone());
        self.life = Life::Alive(Box::new(Alive::new(appeared, now.mono)));
        self.start_is_done(now, out);
        self.quiet = false;
        self.well_since = None;
        if let Some(incident) = &mut self.memory.incident {
            if incident.start_issued_after_ms.is_none() && born >= incident.onset {
                incident.start_issued_after_ms = Some(born.since(incident.onset));
            }
            self.record(now, What::Started { incarnation: appeared.incarnation.clone() }, out);
        }
        out.push(Output::Persist);
    }

    /// Somebody else started it, so somebody wants it to run. Not so at boot, and not a process that was there
    /// before the stop was asked for.
    fn started_by_others(&mut self, now: Now, born: Moment, at_boot: bool, out: &mut Vec<Output>) {
        if at_boot || self.profile.form == Form::Child {
            return;
        }
        let before = self.memory.standing.clone();
        let standing = &mut self.memory.standing;
        let later = match (standing.stopped_at, self.memory.stopped) {
            (None, _) => true,
            // The clock for people may have been set since then.
            (Some(at), Some(stop)) if stop.wall == at => born > stop.mono,
            (Some(at), _) => now.wall_of(born) > at,
        };
        if later {
            standing.desired = Desired::Running;
            standing.stopped_at = None;
            self.memory.unit_stopped = false;
            self.memory.revived_by_us = false;
            if standing.emergency {
                // The person who started it said so; the guard still keeps its hands off.
                standing.emergency = false;
                let reason = Some("started by hand during an emergency stop".to_owned());
                standing.pause = Some(Pause { since: now.wall, until: None, reason });
            }
        }
        if before != self.memory.standing {
            out.push(Output::Remember(self.memory.standing.clone()));
        }
    }

    pub(super) fn gone(&mut self, now: Now, gone: &Gone, out: &mut Vec<Output>) {
        let ended = now.mono.minus(gone.uncertainty_ms.min(1));
        let life = match &self.life {
            Life::Alive(life) if life.incarnation == gone.incarnation => Some(life.as_ref().clone()),
            // A late word on how the last life ended.
            Life::Absent(absent) if absent.incarnation.as_ref() == Some(&gone.incarnation) => {
                if absent.exit == Exit::Unknown {
                    self.exit_known(now, gone.exit, out);
                }
                return;
            }
            Life::Unknown => None,
            Life::Alive(_) | Life::Absent(_) => return,
        };
        self.port_owner = life.as_ref().and_then(|life| port_owner(&life.listener));
        let planned = self.was_planned(life.as_ref(), gone.exit);
        let killed = self.killed_by_us(&gone.incarnation);
        let asked = killed || life.as_ref().is_some_and(|life| life.asked_to_end.is_some());
        let verify = self.policy.verify_ms;
        // A life that ended while no guard looked says nothing of how long lives last.
        if let Some(life) = &life {
            let lasted = life.served.is_some_and(|at| now.mono.since(at) >= verify);
            self.pace_after(lasted, planned, asked);
        }
        let absent = Absent {
            since: now,
            incarnation: Some(gone.incarnation.clone()),
            exit: gone.exit,
            served: life.as_ref().is_some_and(|life| life.served.is_some()),
            planned,
            by_us: asked,
        };
        self.life = Life::Absent(absent);
        self.outstanding_end_is_done();
        self.setback.clear();
        self.quiet = false;
        // Who is stopped by a person was what it was before: its incident is closed by that.
        if !(self.memory.standing.forbids_start() || self.memory.unit_stopped) {
            self.well_since = None;
        }
        self.down_since = ended;
        self.note_end_in_pause(gone.exit, out);
        self.open_for_end(now, gone, out);
        let known = life.is_none() && gone.exit.is_refusal() && self.memory.refusal.is_some();
        // Where nobody reaps it, nobody will tell more.
        let told = gone.exit != Exit::Unknown || matches!(self.profile.form, Form::Child | Form::Foreign);
        if !known && (told || killed) {
            self.exit_counted(now, gone.exit, out);
            if life.is_none() {
                self.invite_if_readable();
            }
        }
        out.push(Output::Persist);
    }

    fn was_planned(&self, life: Option<&Alive>, exit: Exit) -> bool {
        if self.memory.restart_wished || self.planned_end {
            return true;
        }
        let announced = life.is_some_and(|life| life.ending == Some(true));
        announced && (exit.is_clean() || exit == Exit::Unknown)
    }

    fn pace_after(&mut self, lasted: bool, planned: bool, asked: bool) {
        let pace = &mut self.memory.pace;
        if lasted || planned {
            pace.unproductive = 0;
        } else {
            pace.unproductive = pace.unproductive.saturating_add(1);
        }
        if asked && !planned {
            self.memory.futile_restarts = self.memory.futile_restarts.saturating_add(1);
        }
    }

    fn note_end_in_pause(&mut self, exit: Exit, out: &mut Vec<Output>) {
        let standing = &mut self.memory.standing;
        let child = self.profile.form == Form::Child;
        if child && standing.hands_off() && exit.may_be_a_persons() && !standing.ended_in_pause {
            standing.ended_in_pause = true;
            out.push(Output::Remember(standing.clone()));
        }
    }

    /// The manager or the keeper told how the last life ended.
    fn exit_known(&mut self, now: Now, exit: Exit, out: &mut Vec<Output>) {
        let planned_end = self.planned_end || self.memory.restart_wished;
        if let Life::Absent(absent) = &mut self.life {
            absent.exit = exit;
            absent.planned = absent.planned || planned_end;
            if !exit.is_clean() && !planned_end {
                absent.planned = false;
            }
        }
        self.quiet = false;
        self.exit_counted(now, exit, out);
    }

    /// Books an end whose manner is known.
    fn exit_counted(&mut self, now: Now, exit: Exit, out: &mut Vec<Output>) {
        let refused = self.refusal_of(exit);
        let ended = match &self.life {
            Life::Absent(absent) => absent.incarnation.clone(),
            Life::Alive(_) | Life::Unknown => None,
        };
        let told_before = ended.as_ref().is_some_and(|life| self.memory.has_counted(life));
        if is_unclean(exit) && !told_before {
            self.memory.unclean.push(now.mono);
        }
        if let Some(life) = ended {
            self.memory.note_counted(life);
        }
        self.memory.own_fault = own_fault(exit);
        if let Some((reason, detail)) = refused {
            let (reason, detail) = self.own_look(reason, detail);
            self.refuse(now, reason, detail);
        }
        self.last_refused = None;
        out.push(Output::Persist);
    }

    pub(super) fn not_there(&mut self, now: Now) {
        if matches!(self.life, Life::Unknown) {
            self.life = Life::Absent(Absent {
                since: now,
                incarnation: None,
                exit: Exit::Unknown,
                served: false,
                planned: false,
                by_us: false,
            });
        }
    }

    pub(super) fn service_seen(&mut self, now: Now, seen: &ServiceSeen, out: &mut Vec<Output>) {
        self.service = Some(seen.clone());
        self.around.service_unseen = false;
        self.quiet = false;
        if seen.main_pid.is_none() && seen.settled {
            self.book_unseen_end(now, seen.last_exit, out);
            self.not_there(now);
            if matches!(seen.state, ActiveState::Inactive | ActiveState::Failed) {
                self.rested = true;
                self.started = None;
            }
        }
        let unknown =
            matches!(&self.life, Life::Absent(absent) if absent.exit == Exit::Unknown && absent.incarnation.is_some());
        if unknown
            && seen.main_pid.is_none()
            && let Some(exit) = seen.last_exit
        {
            self.exit_known(now, exit, out);
        }
        // Found refused, by a guard that came later.
        let refused = seen.state == ActiveState::Failed && seen.settled && seen.last_exit.is_some_and(Exit::is_refusal);
        if refused && self.memory.refusal.is_none() && matches!(self.life, Life::Absent(_)) {
            let (reason, detail) = self.own_look(RefusalReason::Unexplained, String::new());
            self.refuse(now, reason, detail);
            self.invite_if_readable();
        }
    }

    /// What lived when the guard before this one was last here ended while nobody looked. It counts in OpenClaw's breaker
    /// all the same; when exactly is not known, and now is the careful answer.
    fn book_unseen_end(&mut self, now: Now, exit: Option<Exit>, out: &mut Vec<Output>) {
        if !matches!(self.life, Life::Unknown) {
            return;
        }
        let uncounted = self.memory.living.take().filter(|life| !self.memory.has_counted(life));
        if let Some(life) = uncounted
            && exit.is_some_and(is_unclean)
        {
            self.memory.unclean.push(now.mono);
            self.memory.note_counted(life);
            out.push(Output::Persist);
        }
    }

    /// What lived when the guard before this one was last here is gone, and the manager has started the next one already:
    /// how it ended nobody tells any more, and at the latest it did so when the next one began. The careful answer is that
    /// it counts. A keeper keeps the ends of its children and tells them.
    fn book_missed_end(&mut self, born: Moment, present: &Incarnation) {
        if !matches!(self.life, Life::Unknown) || self.profile.form == Form::Child {
            return;
        }
        let missed = self.memory.living.take_if(|life| life != present).filter(|life| !self.memory.has_counted(life));
        if let Some(life) = missed {
            self.memory.unclean.insert(born);
            self.memory.note_counted(life);
        }
    }

    /// Until the manager answers again nothing is done through it, and nothing rests on what it said before.
    pub(super) fn service_unseen(&mut self) {
        self.service = None;
        self.around.service_unseen = true;
        self.quiet = false;
    }

    pub(super) fn foreign_job(&mut self, now: Now, kind: JobKind, out: &mut Vec<Output>) {
        match kind {
            JobKind::Stop => {
                self.memory.unit_stopped = true;
                self.called = None;
                self.memory.revived_by_us = self.starting_it();
                // It comes after whatever a person asked of us before.
                self.memory.start_wished = false;
                self.memory.restart_wished = false;
            }
            JobKind::Restart if matches!(self.life, Life::Alive(_)) => {
                self.planned_end = true;
                self.memory.unit_stopped = false;
            }
            // After a stop by another hand nothing but another hand starts it, however soon; a restart starts it, too.
            JobKind::Start | JobKind::Restart if self.rested || self.memory.unit_stopped => {
                self.started_by_others(now, now.mono, false, out);
                self.called = Some(now.mono);
            }
            // The manager's own restart after a crash is such a job too.
            JobKind::Start | JobKind::Restart => {}
        }
        self.quiet = false;
        out.push(Output::Persist);
    }

    /// A unit that rests in peace: never started, or stopped by a job. Under `Restart=always` nothing else ends there.
    pub(super) fn rests(seen: &ServiceSeen) -> bool {
        seen.settled && matches!(seen.state, ActiveState::Inactive | ActiveState::NotFound)
    }

    /// A start that we saw from its beginning teaches how long the next may take.
    pub(super) fn learn_boot(&mut self, now: Now) {
        let Life::Alive(life) = &self.life else { return };
        let wall_ms = now.mono.since(life.born);
        let watched = life.misses > 0 || wall_ms < 60_000;
        if watched && wall_ms <= 3_600_000 {
            let cpu_ms = life.look.map_or(0, |look| look.cpu_ms);
            self.memory.boots.learn(Boot { wall_ms, cpu_ms });
        }
        self.quiet = false;
    }

    /// What it takes of memory, by the last look; what is usual is learned from it.
    pub(super) fn weigh(&mut self, now: Now, out: &mut Vec<Output>) {
        let Life::Alive(life) = &mut self.life else { return };
        let (Some(look), Some(served)) = (life.look, life.served) else { return };
        let since = (served, life.seen.since(life.born));
        let usual = self.memory.weights.usual_kib();
        if let Some(kib) = life.weight.take(now.mono, look.rss_kib, since, usual, &self.policy) {
            self.memory.weights.learn(kib);
            out.push(Output::Persist);
        }
    }
}
