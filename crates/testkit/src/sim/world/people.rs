//! What people have really asked for, and by when it must show.

use super::super::process::{NEVER, Stage, Then};
use super::{Out, World};

/// What people have really asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Stop, said to the guard.
    pub stopped: bool,
    /// Emergency stop.
    pub emergency: bool,
    /// Pause, or the flag file.
    pub paused: bool,
    /// `systemctl stop`.
    pub unit_stopped: bool,
    /// The gateway ended in a pause in a way that a person may have caused.
    pub ended_in_pause: bool,
    /// A restart said to the guard that has not happened yet.
    pub restart: bool,
    /// A start said to the guard that has not happened yet.
    pub start: bool,
}

impl Wishes {
    /// It must not run.
    #[must_use]
    pub const fn down(&self) -> bool {
        self.stopped || self.emergency || self.unit_stopped
    }

    /// The guard must not start it.
    #[must_use]
    pub const fn no_start(&self) -> bool {
        self.down() || self.paused || self.ended_in_pause
    }
}

impl World {
    /// A person's word must have been kept by now: gone (or ending) after a stop, there after a start.
    pub(super) fn wish_due(&mut self) {
        let now = self.now;
        self.wish_due = NEVER;
        if self.out_kind != Out::No {
            self.wish_due = now + 15_000;
            return;
        }
        match &self.process {
            Some(process) if self.wishes.stopped => {
                let ending = matches!(process.stage, Stage::Draining(Then::Exit) | Stage::Closing(Then::Exit));
                if process.term_waits() || ending {
                    self.wish_due = now + 60_000;
                    let asked_long_ago = self.wish_said + 345_000 + 330_000 < now;
                    if asked_long_ago && process.held().is_none() && !process.drains_well() {
                        self.oracle.broke(now, "not_stopped", "it lives long after a person stopped it");
                        self.wish_due = NEVER;
                    }
                } else {
                    self.oracle.broke(now, "not_stopped", format!("{:?} although a person stopped it", process.stage));
                }
            }
            None if self.wishes.start => {
                let since = now.saturating_sub(self.last_end.max(self.wish_said));
                if since < 8_000 {
                    self.wish_due = now + 8_000;
                } else {
                    self.oracle.broke(now, "not_started", "a person said start, and nothing runs");
                }
            }
            Some(_) if self.wishes.start => self.wish_due = now + 10_000,
            Some(_) | None => {}
        }
    }
}
