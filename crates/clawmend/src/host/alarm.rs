//! Waking up at a moment of the boot clock.
//!
//! Invariant: never before the moment. One wait is one wake-up, which the runtime's own timer does not promise: its
//! wheel wakes up at each of its levels on the way (tokio 1.54: twice for half a second, more for minutes).

use super::{clock, os};
use clawmend_core::time::Moment;
use std::time::Duration;

/// Wakes whoever waits for it. Must be made inside of a tokio runtime.
#[derive(Debug)]
pub struct Alarm {
    /// `None`: the system has no such timer for us, and the runtime's does.
    timer: Option<os::alarm::Timer>,
}

impl Alarm {
    /// A new one; nothing is armed yet.
    #[must_use]
    pub fn new() -> Self {
        Self { timer: os::alarm::Timer::new().inspect_err(|error| tracing::debug!(%error, "no timer")).ok() }
    }

    /// Waits for the moment. May be dropped and asked again, for the same moment or another one.
    pub async fn reached(&mut self, moment: Moment) {
        if let Some(timer) = &mut self.timer {
            match timer.reached(moment).await {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "the timer failed"),
            }
            self.timer = None;
        }
        tokio::time::sleep(Duration::from_millis(moment.since(clock::now().mono))).await;
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test(flavor = "current_thread")]
    async fn it_is_never_early_and_can_be_set_anew() {
        for mut alarm in [Alarm::new(), Alarm { timer: None }] {
            let began = clock::now().mono;
            alarm.reached(began.plus(30)).await;
            assert!(clock::now().mono >= began.plus(30));
            // Given up before it rang, and rung while nobody waited: neither makes the next wait shorter.
            let near = clock::now().mono.plus(5);
            tokio::select! {
                biased;
                () = std::future::ready(()) => {}
                () = alarm.reached(near) => {}
            }
            let _ = tokio::time::timeout(Duration::ZERO, alarm.reached(near)).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            let far = clock::now().mono.plus(60);
            alarm.reached(far).await;
            assert!(clock::now().mono >= far);
            // What has passed is reached at once.
            let begin = Instant::now();
            alarm.reached(Moment(0)).await;
            alarm.reached(Moment(0)).await;
            assert!(begin.elapsed() < Duration::from_secs(5));
        }
    }
}
