//! What an earlier guard left half-done: ends that nobody booked, kills whose end is not on record.
//!
//! Invariant: our own kill is in the breaker's window exactly once, also when we died over it or when nobody told how
//! the process ended; and no directive survives the guard that gave it.

use super::Guardian;
use super::lives::is_unclean;
use crate::directive::{Action, ActionResult, Directive, Output};
use crate::gateway::Incarnation;
use crate::health::life::Life;
use crate::incident::What;
use crate::observation::{Gone, KillLeft};
use crate::time::{Moment, Now};

/// From the record of a kill to the kill itself at most: what a guard waits for a slow disk, and a little.
const KILL_FOLLOWS_MS: u64 = 2_500;

impl Guardian {
    /// The end of this life is in the budgets, so that what was on record for it may be settled.
    #[must_use]
    pub fn has_booked(&self, life: &Incarnation) -> bool {
        self.memory.has_counted(life)
    }

    /// A life before the present one ended; a keeper told of it late.
    pub(super) fn ended_earlier(&mut self, now: Now, gone: &Gone, out: &mut Vec<Output>) {
        if self.memory.has_counted(&gone.incarnation) {
            return;
        }
        if is_unclean(gone.exit) {
            self.memory.unclean.insert(now.mono.minus(gone.uncertainty_ms));
        }
        self.memory.note_counted_before(gone.incarnation.clone());
        out.push(Output::Persist);
    }

    /// A life that ended while its kill was on record was ended by us, as far as anybody can tell. One that lives was
    /// spared: what is to become of it is decided anew.
    pub(super) fn kill_left(&mut self, now: Now, left: &KillLeft, out: &mut Vec<Output>) {
        let Directive { id, incident, target, action, reason } = &left.directive;
        let open = self.memory.incident.as_ref().map(|open| open.id);
        if incident.is_some() && open == *incident {
            if !left.recorded {
                let what = What::Acted { directive: *id, action: action.clone(), reason: reason.clone() };
                self.record(now, what, out);
            }
            let result = result_of(action, left.ended);
            self.record(now, What::Result { directive: *id, result }, out);
            self.last_action = left.ended.then(|| action.clone());
        }
        if let (Action::Kill, true, Some(life)) = (action, left.ended, target) {
            self.killed_earlier = Some(life.clone());
            self.book_kill(now.mono.minus(left.age_ms.saturating_sub(KILL_FOLLOWS_MS)), life);
        }
        self.quiet = false;
        out.push(Output::Persist);
    }

    /// This life ended by our hand, or while it was being ended.
    pub(super) fn killed_by_us(&self, life: &Incarnation) -> bool {
        let present = matches!(&self.life, Life::Alive(alive) if alive.incarnation == *life);
        self.killed_earlier.as_ref() == Some(life) || (present && self.present_is_killed())
    }

    /// A new life is here, and the end of the one before was not told: if we killed it, that counts all the same.
    pub(super) fn book_our_kill(&mut self, now: Now) {
        if !self.present_is_killed() {
            return;
        }
        if let Life::Alive(alive) = &self.life {
            let life = alive.incarnation.clone();
            self.book_kill(now.mono, &life);
        }
    }

    fn present_is_killed(&self) -> bool {
        let under_way = self.outstanding.as_ref().is_some_and(|outstanding| outstanding.action == Action::Kill);
        matches!(&self.life, Life::Alive(alive) if under_way || alive.killed.is_some())
    }

    fn book_kill(&mut self, at: Moment, life: &Incarnation) {
        if !self.memory.has_counted(life) {
            self.memory.unclean.insert(at);
            self.memory.note_counted(life.clone());
        }
    }
}

fn result_of(action: &Action, ended: bool) -> ActionResult {
    if *action == Action::Kill && !ended {
        return ActionResult::Moot { reason: "not carried out: the guard that wanted it ended first".to_owned() };
    }
    ActionResult::Unknown { reason: "the guard ended before it could tell".to_owned() }
}
