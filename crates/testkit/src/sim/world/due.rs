//! What the oracle waits for: whether it has come, and by when it must.

use super::super::fitted;
use super::super::oracle::Fault;
use super::super::process::NEVER;
use super::super::script::Later;
use super::{Out, UncleanEnd, WORDS_MS, World};

impl World {
    /// Something should have happened by now.
    pub(super) fn deadline(&mut self) {
        let now = self.now;
        // From when the window is clear it has a little time, also if that is just before the deadline.
        let cleared = fitted::BREAKER_WINDOW_MS + 12_000;
        // It counts from when the guard came to know of it: the careful answer, where it was told late.
        let counts = |end: &&UncleanEnd| now.saturating_sub(end.known) < cleared;
        let unclean = self.unclean_ends.iter().rev().take_while(counts).count();
        let later = if self.wishes.no_start() || !self.setting.mends() {
            Some(NEVER)
        } else if self.out_kind != Out::No {
            Some(now + 10_000)
        } else if now < self.guard_out_until.saturating_add(3_000) {
            // It has only just woken, and has to look first.
            Some(self.guard_out_until + 3_000)
        } else {
            match &self.process {
                Some(process) if process.held().is_some() => Some(now + 60_000),
                Some(process) if process.drains_well() => Some(process.next_at().saturating_add(5_000)),
                // Our kill would trip OpenClaw's breaker: it has to wait until the window is clear.
                Some(process) if process.flaw.is_some() && unclean >= 2 => {
                    let oldest = self.unclean_ends.iter().rev().nth(1).map_or(now, |end| end.known);
                    Some(oldest.saturating_add(cleared).max(now + 1_000))
                }
                Some(_) | None => None,
            }
        };
        let mut late = None;
        for expect in &mut self.oracle.open {
            if expect.start_by <= now {
                expect.start_by = later.unwrap_or(NEVER);
                late = later.is_none().then_some(*expect);
            }
        }
        if let Some(expect) = late {
            let text = format!("{:?} since {:.3}: nothing was started", expect.fault, expect.onset as f64 / 1_000.0);
            self.oracle.broke(now, "too_late", text);
        }
    }

    /// Checks whether what was wrong is mended.
    pub fn maybe_recovered(&mut self) {
        let now = self.now;
        let Some(process) = &self.process else { return };
        if !process.serves() || process.flaw.is_some() {
            return;
        }
        let (suppressed, deaf) = (process.suppressed, process.deaf_channel);
        let guard_looks = self.out_kind == Out::No;
        let waits = self.oracle.recovered(now, guard_looks, |fault| match fault {
            Fault::Suppressed => !suppressed,
            Fault::ChannelDeaf => !deaf,
            Fault::Crash
            | Fault::Abort
            | Fault::ExitOne
            | Fault::ConfigRefused
            | Fault::DiskFull
            | Fault::PortStolen
            | Fault::Frozen
            | Fault::Spin
            | Fault::Stuck
            | Fault::ListenerLost
            | Fault::BootStuck
            | Fault::DrainStuck => true,
        });
        if waits {
            self.later.push((self.guard_out_until + WORDS_MS, Later::LookedAgain));
        }
    }
}
