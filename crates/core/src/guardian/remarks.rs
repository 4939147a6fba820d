//! What was believed, and what was seen, as lines of an incident that a person can read.
//!
//! Invariant: an incident gets at most [`REMARKS_MAX`] of these, however often a belief changes.

use super::Guardian;
use super::refusals::port_owner;
use crate::directive::Output;
use crate::health::Verdict;
use crate::health::life::{Alive, Life};
use crate::incident::What;
use crate::observation::{Exit, Listener, RunState};
use crate::time::{Moment, Now};

/// Enough for every step of a long recovery; a gateway that flaps for hours needs no line for each turn.
const REMARKS_MAX: u32 = 40;

impl Guardian {
    /// The verdict, when it is another than the record says.
    pub(super) fn note_judgement(&mut self, now: Now, out: &mut Vec<Output>) {
        let verdict = self.belief.verdict;
        let Some(incident) = &mut self.memory.incident else { return };
        if incident.judged == Some(verdict) || incident.remarks >= REMARKS_MAX {
            return;
        }
        incident.judged = Some(verdict);
        incident.remarks += 1;
        self.record(now, What::Judged { verdict }, out);
    }

    /// What the cause that is being named rests on.
    pub(super) fn note_what_is_seen(&mut self, now: Now, out: &mut Vec<Output>) {
        let text = match &self.life {
            Life::Alive(life) if self.belief.verdict == Verdict::Down => of_live(life, now.mono),
            Life::Absent(absent) if absent.incarnation.is_some() => of_end(absent.exit),
            // What is wrong with a gateway that serves is in the cause itself.
            Life::Alive(_) | Life::Absent(_) | Life::Unknown => return,
        };
        let Some(incident) = &mut self.memory.incident else { return };
        if text.is_empty() || incident.remarks >= REMARKS_MAX {
            return;
        }
        incident.remarks += 1;
        self.record(now, What::Evidence { text }, out);
    }
}

fn of_end(exit: Exit) -> String {
    match exit {
        Exit::Code { code } => format!("it exited with {code}"),
        Exit::Signal { signal, core: true } => format!("signal {signal} ended it, and it dumped core"),
        Exit::Signal { signal, core: false } => format!("signal {signal} ended it"),
        Exit::Unknown => "it ended; nobody saw how".to_owned(),
    }
}

fn of_live(life: &Alive, now: Moment) -> String {
    let mut seen = Vec::new();
    if let Some(miss) = life.first_miss {
        let silent = now.since(life.last_ok.unwrap_or(miss));
        seen.push(format!("no good answer for {}.{} s", silent / 1_000, silent % 1_000 / 100));
    }
    if let Some(look) = &life.look {
        let state = match look.state {
            RunState::Running => "running",
            RunState::Sleeping => "waiting",
            RunState::Blocked => "blocked in the kernel",
            RunState::Stopped => "stopped by a signal",
            RunState::Traced => "held by a tracer",
            RunState::Dead => "dead",
            RunState::Unknown => "not to be seen",
        };
        seen.push(format!("its main thread is {state}"));
        seen.push(format!("{} s of CPU used since its start", look.cpu_ms / 1_000));
    }
    match &life.listener {
        Listener::Absent => seen.push("nobody listens on its port".to_owned()),
        listener @ Listener::Foreign { .. } => seen.extend(port_owner(listener)),
        Listener::Own { .. } | Listener::Unknown => {}
    }
    if life.progress.backlog > 0 {
        seen.push(format!("{} connections wait to be accepted", life.progress.backlog));
    }
    seen.join("; ")
}
