//! A machine that is paused, as far as its user space goes.

use anyhow::{Result, ensure};
use clawmend_testkit::lab::{Guard, Life, lives_with_nonce, until};
use rustix::process::Signal;
use std::time::Duration;

/// Everything of one host, and none of it runs.
pub struct Frozen {
    /// The gateways come first.
    lives: Vec<Life>,
}

impl Frozen {
    /// Stops the gateway, the guard, the keeper and whatever they have started.
    pub fn freeze(guard: &Guard) -> Result<Self> {
        let gateways = guard.gateways();
        let stopped = |life: &Life| matches!(life.state(), Some('T'));
        until("a whole host to stand still", Duration::from_secs(10), || {
            let running: Vec<Life> =
                lives_with_nonce(guard.nonce()).into_iter().filter(|life| !stopped(life)).collect();
            for life in &running {
                let _ = life.signal(Signal::STOP);
            }
            running.is_empty()
        })?;
        let mut lives = lives_with_nonce(guard.nonce());
        lives.sort_by_key(|life| !gateways.contains(life));
        ensure!(lives.len() >= 3, "a gateway, its guard and its keeper: {lives:?}");
        Ok(Self { lives })
    }

    /// All of it runs on, the gateway first: that is the worst case.
    pub fn thaw(&self) -> Result<()> {
        self.lives.iter().try_for_each(|life| life.signal(Signal::CONT))
    }

    /// None of it lives.
    pub fn is_off(&self) -> bool {
        self.lives.iter().all(|life| !life.alive())
    }

    /// What stands still.
    pub fn lives(&self) -> &[Life] {
        &self.lives
    }
}
