//! Milliseconds since boot from the system's uptime at our start and the monotonic clock since then.

use std::sync::OnceLock;
use std::time::Instant;

pub use crate::host::table::boot_id as read_boot_id;

/// Milliseconds since boot; whole seconds of the first reading, then exact.
pub fn boot_ms() -> u64 {
    static UPTIME: OnceLock<u64> = OnceLock::new();
    let since = awake_ms();
    UPTIME.get_or_init(|| sysinfo::System::uptime().unwrap_or(0).saturating_mul(1000)).saturating_add(since)
}

/// Milliseconds since our first look, on the standard library's monotonic clock.
pub fn awake_ms() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    u64::try_from(FIRST.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}
