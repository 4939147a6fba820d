//! Every figure of the modelled world, and the recorded trace that it was fitted to.
//!
//! Start here to make the model truer. `tests/traces.rs` replays the traces named here, as fixtures, against these
//! figures: a fixture outside its [`Fit`] fails. Figures are for OpenClaw 2026.9.6 and systemd 252.

use super::rng::Rng;

/// Lowest, median and highest of something that was measured, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// Lowest seen.
    pub low: u64,
    /// Median seen, or the best guess from few.
    pub mid: u64,
    /// Highest seen.
    pub high: u64,
    /// Where it was seen: a fixture's name, or the field.
    pub from: &'static str,
}

impl Fit {
    /// One value: half of them between low and median, half between median and high, evenly on a log scale.
    pub fn sample(&self, rng: &mut Rng) -> u64 {
        let (low, high) = if rng.chance(500) { (self.low, self.mid) } else { (self.mid, self.high) };
        let unit = rng.between(0, 1_000_000) as f64 / 1_000_000.0;
        let (low, high) = (low.max(1) as f64, high.max(1) as f64);
        ((low.ln() + (high.ln() - low.ln()) * unit).exp() as u64).clamp(self.low, self.high)
    }

    /// Whether a measured value lies within the fit.
    #[must_use]
    pub const fn holds(&self, value: u64) -> bool {
        self.low <= value && value <= self.high
    }
}

const fn fit(low: u64, mid: u64, high: u64, from: &'static str) -> Fit {
    Fit { low, mid, high, from }
}

/// From exec to the listener and the first `/healthz`, on an idle to a loaded machine.
pub const BOOT_LISTEN: Fit = fit(4_000, 9_000, 40_000, "boot.json, boot-loaded.json");
/// The same in the field: small machines, CPU quotas, migrations.
pub const BOOT_SLOW: Fit = fit(40_000, 110_000, 236_000, "field: boots of 7 to 240 s");
/// From the listener to `/readyz` ready.
pub const LISTEN_READY: Fit = fit(600, 1_800, 5_000, "boot.json, boot-loaded.json");
/// From exec to the handlers of SIGTERM and to the row in OpenClaw's boot ledger.
pub const BOOT_HANDLERS: Fit = fit(3_100, 3_500, 3_900, "sigterm-during-boot.json; row 5-8 s after exec");
/// A restart inside the process, from the closed listener to the next `/healthz`.
pub const INNER_RESTART: Fit = fit(2_000, 3_500, 26_000, "inner-restart.json");
/// An orderly end without work in flight: from the signal to the closed listener.
pub const END_IDLE: Fit = fit(90, 200, 600, "sigterm-idle.json");
/// From the closed listener to the exit.
pub const END_CLOSE: Fit = fit(80, 350, 1_100, "sigterm-idle.json");
/// An orderly end with work in flight.
pub const END_WORK: Fit = fit(1_000, 40_000, 314_000, "drain.json; OpenClaw's own deadline is 315 s");
/// A killed process with 0.8 GB, from the signal to its end.
pub const END_KILLED: Fit = fit(5, 40, 95, "sigkill.json; kill to auto-restart 47-95 ms");
/// A refused start, from exec to exit 78.
pub const REFUSED: Fit = fit(1_700, 2_300, 3_100, "refused.json");
/// A start on a taken port, from exec to exit 1.
pub const PORT_TAKEN: Fit = fit(18_000, 22_000, 26_900, "port-taken.json");
/// A legitimate stall of the event loop.
pub const STALL: Fit = fit(300, 2_500, 24_000, "spin-20s.json; field: stalls of 16 to 24 s");
/// One answer of an idle gateway.
pub const ANSWER: Fit = fit(1, 2, 9, "sigstop.json");
/// `channels.start` over RPC, to a channel that is ready.
pub const CHANNEL_START: Fit = fit(600, 1_000, 2_500, "channel.json");
/// A call to the service manager.
pub const BUS_CALL: Fit = fit(1, 2, 12, "RestartUnit call to exec 9.2 ms (7.6-12.8)");
/// A signal of the service manager to arrive.
pub const BUS_SIGNAL: Fit = fit(1, 3, 10, "exit to auto-restart signal, after teardown");
/// A spawn through the keeper.
pub const SPAWN: Fit = fit(1, 2, 5, "keeper");
/// A durable write before a kill.
pub const FSYNC: Fit = fit(1, 4, 40, "SQLite commit on an ordinary disk");
/// The unit's `RestartSec`.
pub const RESTART_SEC_MS: u64 = 5_000;
/// The unit's `StartLimitIntervalSec`.
pub const START_INTERVAL_MS: u64 = 300_000;
/// The unit's `StartLimitBurst`.
pub const START_BURST: u32 = 10;
/// The unit's `TimeoutStopSec`.
pub const STOP_TIMEOUT_MS: u64 = 330_000;
/// OpenClaw's own limit for a drain.
pub const DRAIN_LIMIT_MS: u64 = 315_000;
/// Window and limit of OpenClaw's crash-loop breaker.
pub const BREAKER_WINDOW_MS: u64 = 300_000;
/// Unclean boots that trip it.
pub const BREAKER_LIMIT: usize = 3;
/// CPU of an idle gateway, in thousandths of a core.
pub const IDLE_CPU: u64 = 6;
/// CPU of a start, in thousandths of a core.
pub const BOOT_CPU: u64 = 750;
/// Voluntary switches of an idle main thread per second.
pub const IDLE_SWITCHES: u64 = 25;
