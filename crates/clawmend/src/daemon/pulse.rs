//! The guard's look at itself: how late it is, whether the machine slept, and its own service's watchdog.
//!
//! Invariant: what it reports is measured from clocks alone, so a starved or sleeping guard cannot flatter itself.

use crate::host::clock;
use clawmend_core::observation::GuardSelf;
use clawmend_core::time::{Moment, Now};
use std::cell::Cell;

/// Lateness below this is not worth a word, in milliseconds.
const WORTH_MS: u64 = 100;

/// Measures one loop.
#[derive(Debug)]
pub struct Pulse {
    planned: Option<Moment>,
    mono: u64,
    boot: Moment,
}

impl Pulse {
    /// From now on.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self { planned: None, mono: clock::monotonic_ms(), boot: now.mono }
    }

    /// The loop goes to sleep until that moment.
    pub fn plan(&mut self, at: Moment) {
        self.planned = Some(at);
    }

    /// The loop woke up. `on_time` when it was woken by news, which has no time.
    pub fn wake(&mut self, now: Now, by_news: bool) -> Option<GuardSelf> {
        let mono = clock::monotonic_ms();
        // The boot clock counts sleep, the monotonic clock does not.
        let slept_ms = now.mono.since(self.boot).saturating_sub(mono.saturating_sub(self.mono));
        let slept_ms = if slept_ms >= 1_000 { slept_ms } else { 0 };
        let awake = now.mono.minus(slept_ms);
        let late_ms = match self.planned.take() {
            // News that waited while we should have been woken by time tell of lateness too.
            Some(planned) if !by_news || awake > planned => awake.since(planned),
            Some(_) | None => 0,
        };
        self.mono = mono;
        self.boot = now.mono;
        (slept_ms > 0 || late_ms >= WORTH_MS).then_some(GuardSelf {
            late_ms,
            slept_ms,
            cpu_pressure: None,
            memory_pressure: None,
        })
    }
}

/// Says to our own service manager that we are well, from inside the loop that must turn.
#[derive(Debug)]
pub struct ServiceWatchdog {
    every_ms: Option<u64>,
    last: Cell<Moment>,
}

impl ServiceWatchdog {
    /// As the service manager asked for it in the environment.
    #[must_use]
    pub fn from_environment() -> Self {
        Self { every_ms: asked_interval_ms().map(|ms| (ms / 2).max(50)), last: Cell::new(Moment(0)) }
    }

    /// Told at each turn of the loop; speaks when it is time.
    pub fn turn(&self, now: Now) {
        if self.every_ms.is_some_and(|every| now.mono.since(self.last.get()) >= every) {
            self.last.set(now.mono);
            say(&Saying::Alive);
        }
    }

    /// When it must speak next.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        self.every_ms.map(|every| self.last.get().plus(every))
    }
}

/// What a service can say of itself.
#[derive(Debug)]
pub enum Saying<'a> {
    /// It is up.
    Ready,
    /// Its loop turns.
    Alive,
    /// It goes down in order.
    Stopping,
    /// One line for `systemctl status`.
    Status(&'a str),
}

#[cfg(target_os = "linux")]
fn asked_interval_ms() -> Option<u64> {
    sd_notify::watchdog_enabled().and_then(|every| u64::try_from(every.as_millis()).ok())
}

/// Says it. Without a service manager nobody listens, which is fine.
#[cfg(target_os = "linux")]
pub fn say(saying: &Saying<'_>) {
    let state = match saying {
        Saying::Ready => sd_notify::NotifyState::Ready,
        Saying::Alive => sd_notify::NotifyState::Watchdog,
        Saying::Stopping => sd_notify::NotifyState::Stopping,
        Saying::Status(text) => sd_notify::NotifyState::Status(text),
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

#[cfg(not(target_os = "linux"))]
fn asked_interval_ms() -> Option<u64> {
    None
}

/// Only systemd listens.
#[cfg(not(target_os = "linux"))]
pub fn say(saying: &Saying<'_>) {
    if let Saying::Status(text) = saying {
        tracing::debug!(text, "status");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clawmend_core::time::Wall;

    #[test]
    fn lateness_is_counted_from_the_plan_and_sleep_apart() {
        let now = clock::now();
        let mut pulse = Pulse::new(now);
        pulse.plan(now.mono.minus(400));
        let seen = pulse.wake(clock::now(), false).unwrap();
        assert!((400..1_400).contains(&seen.late_ms), "{seen:?}");
        assert_eq!(seen.slept_ms, 0);
        // An hour on the boot clock that the monotonic clock does not know is an hour of sleep, not of lateness.
        let later = Now { mono: now.mono.plus(3_600_000), wall: Wall(0) };
        pulse.plan(now.mono.plus(500));
        let seen = pulse.wake(later, false).unwrap();
        assert!(seen.slept_ms > 3_590_000, "{seen:?}");
        assert!(seen.late_ms < 60_000, "{seen:?}");
    }
}
