//! `CLOCK_BOOTTIME`, `CLOCK_MONOTONIC` and the boot id.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Milliseconds since boot, sleep included.
pub fn boot_ms() -> u64 {
    millis(clock_gettime(ClockId::Boottime))
}

/// Milliseconds since boot, sleep not included.
pub fn awake_ms() -> u64 {
    millis(clock_gettime(ClockId::Monotonic))
}

/// `/proc/sys/kernel/random/boot_id`; empty when it cannot be read.
pub fn read_boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

fn millis(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
    seconds.saturating_mul(1000).saturating_add(rest)
}
