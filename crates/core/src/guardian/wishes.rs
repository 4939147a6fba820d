//! What people say, and how long it holds.

use super::Guardian;
use crate::directive::Output;
use crate::health::life::Life;
use crate::time::Now;
use crate::wish::{Desired, Pause, Wish};

impl Guardian {
    pub(super) fn wish(&mut self, now: Now, wish: &Wish, out: &mut Vec<Output>) {
        let standing = &mut self.memory.standing;
        match wish {
            Wish::Pause { until, reason } => {
                standing.pause = Some(Pause { since: now.wall, until: *until, reason: reason.clone() });
            }
            Wish::Resume => standing.resume(),
            Wish::Stop | Wish::EmergencyStop => {
                standing.emergency |= *wish == Wish::EmergencyStop;
                standing.stopped_by_person = true;
                self.stop(now);
            }
            Wish::StandBy => self.stop(now),
            Wish::Start => {
                (standing.emergency, standing.stopped_by_person) = (false, false);
                standing.desired = Desired::Running;
                standing.stopped_at = None;
                standing.ended_in_pause = false;
                standing.pause = None;
                self.memory.unit_stopped = false;
                self.memory.revived_by_us = false;
                // One that is on its way out is started again once it is gone.
                self.memory.start_wished = match &self.life {
                    Life::Alive(life) => life.asked_to_end.is_some() || life.drain_by.is_some(),
                    Life::Absent(_) | Life::Unknown => true,
                };
            }
            Wish::Restart => match self.life {
                Life::Alive(_) => self.memory.restart_wished = true,
                Life::Absent(_) | Life::Unknown => self.memory.start_wished = !self.memory.standing.forbids_start(),
            },
        }
        self.setback.clear();
        self.quiet = false;
        out.push(Output::Remember(self.memory.standing.clone()));
        out.push(Output::Persist);
    }

    fn stop(&mut self, now: Now) {
        self.memory.standing.desired = Desired::Stopped;
        self.memory.standing.stopped_at = Some(now.wall);
        self.memory.stopped = Some(now);
        self.memory.start_wished = false;
        self.memory.restart_wished = false;
    }

    pub(super) fn flag_file(&mut self, there: bool, out: &mut Vec<Output>) {
        if self.memory.standing.flag_file != there {
            self.memory.standing.flag_file = there;
            if !there {
                self.memory.standing.forget_the_end();
            }
            self.quiet = false;
            out.push(Output::Remember(self.memory.standing.clone()));
        }
    }

    /// A pause with an end ends by itself.
    pub(super) fn end_pause(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(ends) = self.memory.standing.pause_ends(now) else { return };
        if now.mono < ends {
            // The wall clock may be set meanwhile: look again at least once a minute.
            self.wake_at(ends.min(now.mono.plus(60_000)));
            return;
        }
        self.memory.standing.resume();
        out.push(Output::Remember(self.memory.standing.clone()));
    }
}
