//! What waits to be told, in the manager's order.
//!
//! Invariant: nothing overtakes a job whose owner or type is still unknown; a slow reader loses old looks at the
//! unit, never a job.

use super::super::super::{Look, ServiceEvent};
use super::super::jobs::Jobs;
use super::HOLD_LIMIT;
use std::collections::VecDeque;
use tokio::time::Instant;

/// Entries kept for a slow reader.
const KEPT: usize = 256;

#[derive(Debug)]
enum Slot {
    Event(ServiceEvent),
    Look { look: Box<Look>, job: Option<String> },
    Job { path: String, until: Instant },
}

/// See the module.
#[derive(Debug, Default)]
pub struct Outbox {
    slots: VecDeque<Slot>,
}

impl Outbox {
    pub fn event(&mut self, event: ServiceEvent) {
        self.push(Slot::Event(event));
    }

    pub fn look(&mut self, look: Look, job: Option<String>) {
        self.push(Slot::Look { look: Box::new(look), job });
    }

    pub fn job(&mut self, path: String) {
        self.push(Slot::Job { path, until: Instant::now() + HOLD_LIMIT });
    }

    fn push(&mut self, slot: Slot) {
        if self.slots.len() >= KEPT
            && let Some(oldest) = self.slots.iter().position(|slot| matches!(slot, Slot::Look { .. }))
        {
            self.slots.remove(oldest);
        }
        if self.slots.len() < 2 * KEPT {
            self.slots.push_back(slot);
        }
    }

    /// Turns what is at the front into events as far as it is known. `true`: an event is ready.
    pub fn settle(&mut self, jobs: &Jobs) -> bool {
        loop {
            let event = match self.slots.front() {
                None => return false,
                Some(Slot::Event(_)) => return true,
                Some(Slot::Job { path, .. }) => match jobs.verdict(path) {
                    None => return false,
                    Some(verdict) => verdict.foreign.map(ServiceEvent::ForeignJob),
                },
                Some(Slot::Look { look, job }) => {
                    let mut look = look.clone();
                    look.seen.job = job.as_deref().and_then(|path| jobs.verdict(path)).and_then(|told| told.job);
                    Some(ServiceEvent::Seen(look))
                }
            };
            self.slots.pop_front();
            if let Some(event) = event {
                self.slots.push_front(Slot::Event(event));
            }
        }
    }

    /// The next event, after [`Outbox::settle`] said that there is one.
    pub fn pop(&mut self) -> Option<ServiceEvent> {
        match self.slots.pop_front()? {
            Slot::Event(event) => Some(event),
            other @ (Slot::Look { .. } | Slot::Job { .. }) => {
                self.slots.push_front(other);
                None
            }
        }
    }

    /// Until when the front may hold back the rest.
    pub fn held_until(&self) -> Option<Instant> {
        match self.slots.front() {
            Some(Slot::Job { until, .. }) => Some(*until),
            Some(Slot::Event(_) | Slot::Look { .. }) | None => None,
        }
    }

    /// The job at the front, when it has held back the rest for too long.
    pub fn overdue(&self, now: Instant) -> Option<String> {
        match self.slots.front() {
            Some(Slot::Job { path, until }) if *until <= now => Some(path.clone()),
            _ => None,
        }
    }
}
