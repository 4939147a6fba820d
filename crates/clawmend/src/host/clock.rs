//! Clocks, read together, and the name of this boot.
//!
//! Invariant: [`now`] counts sleep, [`monotonic_ms`] does not where the system can tell the two apart; the
//! difference between them grows by exactly the time that the machine slept.

use super::os;
use clawmend_core::time::{Moment, Now, Wall};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Boot clock (with sleep) and wall clock.
#[must_use]
pub fn now() -> Now {
    Now { mono: Moment(os::clock::boot_ms()), wall: wall() }
}

/// Milliseconds on a clock that stands still while the machine sleeps (Linux `CLOCK_MONOTONIC`). Its zero is
/// arbitrary: only differences mean something.
#[must_use]
pub fn monotonic_ms() -> u64 {
    os::clock::awake_ms()
}

/// Which boot of the machine this is; the same for every process of the boot, read once.
/// Empty where the system does not tell.
#[must_use]
pub fn boot_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(os::clock::read_boot_id)
}

fn wall() -> Wall {
    let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    };
    Wall(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_moves_on_and_is_not_behind_the_awake_clock() {
        let first = now();
        let awake = monotonic_ms();
        let second = now();
        assert!(second.mono >= first.mono);
        if cfg!(target_os = "linux") {
            assert!(second.mono.0 >= awake, "sleep can only add");
        }
        assert!(first.wall.0 > 1_600_000_000_000, "a plausible year");
        assert!(!boot_id().is_empty());
    }
}
