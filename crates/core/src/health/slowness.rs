//! Whether a gateway that serves takes too long for its answers.
//!
//! Invariant: one long answer is no trouble (an event loop may be busy once), and one silence is one, however many probes
//! it swallows; several within a window are a trouble, which is over once none has come for a whole window. What comes
//! before a life was ready belongs to its start and is not told here. Judged by evidence alone: it needs no timer. Start at [`Slowness::answered`].

use crate::policy::Policy;
use crate::time::Moment;

/// The last long answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slowness {
    /// When they came, or were given up; the latest last.
    long: [Option<Moment>; Self::ENOUGH],
    /// The present silence is among them.
    in_silence: bool,
    named: bool,
}

impl Slowness {
    /// So many within the window are a trouble.
    pub const ENOUGH: usize = 3;

    /// A good answer came after so long.
    pub fn answered(&mut self, now: Moment, latency_ms: u32, policy: &Policy) {
        let silent = std::mem::take(&mut self.in_silence);
        if policy.slow_answer_ms == 0 {
            *self = Self::default();
        } else if latency_ms > policy.slow_answer_ms && !silent {
            self.note(now, policy);
        } else if self.long.last().copied().flatten().is_none_or(|last| now.since(last) > window_ms(policy)) {
            self.named = false;
        }
    }

    /// No whole answer came for so long, and the probe was given up.
    pub fn given_up(&mut self, now: Moment, waited_ms: u32, policy: &Policy) {
        let long = policy.slow_answer_ms > 0 && waited_ms >= policy.slow_answer_ms;
        if long && !std::mem::replace(&mut self.in_silence, true) {
            self.note(now, policy);
        }
    }

    /// What was measured within the last so many milliseconds may be our own lateness.
    pub fn forgive(&mut self, now: Moment, unseen_ms: u64) {
        for long in &mut self.long {
            *long = long.filter(|at| now.since(*at) > unseen_ms);
        }
    }

    /// It takes too long.
    #[must_use]
    pub const fn named(&self) -> bool {
        self.named
    }

    fn note(&mut self, now: Moment, policy: &Policy) {
        self.long.rotate_left(1);
        if let Some(last) = self.long.last_mut() {
            *last = Some(now);
        }
        let window = window_ms(policy);
        self.named |= self.long.iter().all(|at| at.is_some_and(|at| now.since(at) <= window));
    }
}

/// Where it is asked rarely, the window holds enough questions all the same.
fn window_ms(policy: &Policy) -> u64 {
    policy.slow_window_ms.max(u64::from(policy.probe_ms).saturating_mul(4))
}
