//! Figures as data: how long to wait, how often to try. Presets reproduce the timings that users know.
//!
//! Nothing in here decides; [`crate::health`] and [`crate::plan`] read it. Start at [`Policy::adaptive`].

use serde::{Deserialize, Serialize};

/// Which set of figures a person chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// By evidence (default).
    #[default]
    Adaptive,
    /// The two-level guard: a look every 30 s, waits of 5, 10, 20 s, then a forced clean-up.
    TwoLevel,
    /// The four-level guard: a look every 3 min, waits of 10, 30, 90, 180, 600 s.
    FourLevel,
}

/// All figures. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Which preset these figures began from.
    pub preset: Preset,
    /// Between two HTTP probes while all is well.
    pub probe_ms: u32,
    /// Between two looks at the process while all is well.
    pub look_ms: u32,
    /// Between two HTTP probes while a suspicion is confirmed.
    pub confirm_probe_ms: u32,
    /// Between two looks at the process while a suspicion is confirmed.
    pub confirm_look_ms: u32,
    /// A reply later than this raises suspicion.
    pub late_ms: u32,
    /// A reply later than this counts as none.
    pub timeout_ms: u32,
    /// Two failures closer together than this count as one (the two-level guard's debounce).
    pub debounce_ms: u64,
    /// How long a process must be seen stopped (state `T`), without having run in between, before we act.
    pub frozen_confirm_ms: u64,
    /// How long a stopped process that was woken and asked to end may take before it is killed.
    pub wake_grace_ms: u64,
    /// How long an event loop may burn CPU without a reply. Legitimate stalls of 16–24 s were seen in the field.
    pub spin_budget_ms: u64,
    /// How long a gateway may be silent for any other reason.
    pub stall_budget_ms: u64,
    /// How long a live, idle process may have no listener before it counts as lost.
    pub deaf_idle_ms: u64,
    /// How long a restart inside the process may take without a listener, when one was announced or progress is seen.
    pub inner_restart_ms: u64,
    /// How long a start may show no progress at all (no CPU, no log line).
    pub boot_idle_ms: u64,
    /// How much CPU a start may burn before it counts as a spin; learned boots raise it (×10).
    pub boot_cpu_ms: u64,
    /// How long an orderly end may take when the gateway named no deadline of its own. The unit allows 330 s.
    pub drain_ms: u64,
    /// How long a process that was asked to end and does not answer may take before it is killed.
    pub term_grace_ms: u64,
    /// How long it must serve after a remedy before the remedy counts as proven.
    pub verify_ms: u64,
    /// How long it must be well on a config before that config counts as proven.
    pub config_proven_after_ms: u64,
    /// Waits before the n-th start in a row that did not last. The last one repeats.
    pub backoff_ms: Vec<u64>,
    /// Waits before the n-th restart of a silent gateway in a row. Empty: none.
    pub restart_wait_ms: Vec<u64>,
    /// After so many restarts in a row that did not help, what the dead lives left behind is swept away too.
    pub sweep_after: u32,
    /// Starts within 5 min above which starts are spaced by the longest backoff.
    pub starts_per_5_min: u32,
    /// Starts per hour by our hand.
    pub starts_per_hour: u32,
    /// Window of OpenClaw's own crash-loop breaker.
    pub unclean_window_ms: u64,
    /// Unclean ends within that window that we may be part of. OpenClaw starts deaf after the third.
    pub unclean_limit: u32,
    /// When a refused start is tried again although nothing that we can see has changed, and the cause is known.
    pub refused_retry_ms: u64,
    /// The same, when the cause is not known.
    pub unexplained_retry_ms: u64,
    /// A silence shorter than this is not worth a record.
    pub record_after_ms: u64,
    /// How long a new life must serve before suppressed channels are started.
    pub channel_settle_ms: u64,
    /// How long a channel must be known to have given up before it is started again.
    pub channel_deaf_ms: u64,
    /// The first wait between two starts of such a channel. It doubles, up to 20 times the first.
    pub channel_retry_ms: u64,
    /// An AI is asked about what no case explains.
    pub ask_ai: bool,
    /// Steps of an AI that can be taken back and stay within the gateway run without a person.
    pub ai_auto_heal: bool,
    /// A person is asked before anything is done to a gateway that has a process, and before its files are touched. It
    /// is started without asking.
    pub confirm: bool,
    /// How long a proposal waits for a person.
    pub approval_ms: u64,
    /// An incident that is open for so long is told to a person.
    pub escalate_after_ms: u64,
    /// Free space below which the gateway counts as degraded.
    pub disk_low_bytes: u64,
    /// An answer of its health endpoint that takes longer is a long one; zero: no answer is.
    pub slow_answer_ms: u32,
    /// Three long answers within this are told to a person; none within it, and that is over.
    pub slow_window_ms: u64,
    /// Memory below this is never too much, whatever is usual; zero: none is.
    pub memory_high_bytes: u64,
    /// How long it must take too much memory before a person is told.
    pub memory_confirm_ms: u64,
    /// Between two messages through the gateway to its model; zero: none is sent.
    pub synthetic_ms: u64,
    /// A message without a whole answer after this is given up. OpenClaw's own limits took 83 s to tell of a provider
    /// that refuses connections (2026.9.6).
    pub synthetic_timeout_ms: u32,
    /// An answer later than this is too slow.
    pub synthetic_slow_ms: u32,
    /// Bad answers in a row before a person is told.
    pub synthetic_failures: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self::adaptive()
    }
}

impl Policy {
    /// By evidence: look often, act at once on proof, wait where a stall may be legitimate.
    #[must_use]
    pub fn adaptive() -> Self {
        Self {
            preset: Preset::Adaptive,
            probe_ms: 1_000,
            look_ms: 500,
            confirm_probe_ms: 500,
            confirm_look_ms: 100,
            late_ms: 250,
            timeout_ms: 5_000,
            debounce_ms: 0,
            frozen_confirm_ms: 150,
            wake_grace_ms: 600,
            spin_budget_ms: 30_000,
            stall_budget_ms: 60_000,
            deaf_idle_ms: 30_000,
            inner_restart_ms: 120_000,
            boot_idle_ms: 120_000,
            boot_cpu_ms: 240_000,
            drain_ms: 330_000,
            term_grace_ms: 10_000,
            verify_ms: 10_000,
            config_proven_after_ms: 60_000,
            backoff_ms: vec![0, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000],
            restart_wait_ms: Vec::new(),
            sweep_after: 3,
            starts_per_5_min: 12,
            starts_per_hour: 130,
            unclean_window_ms: 300_000,
            unclean_limit: 2,
            refused_retry_ms: 600_000,
            unexplained_retry_ms: 30_000,
            record_after_ms: 2_000,
            channel_settle_ms: 20_000,
            channel_deaf_ms: 10_000,
            channel_retry_ms: 30_000,
            ask_ai: false,
            ai_auto_heal: false,
            confirm: false,
            approval_ms: 60 * 60_000,
            escalate_after_ms: 30 * 60_000,
            disk_low_bytes: 200 << 20,
            slow_answer_ms: 5_000,
            slow_window_ms: 300_000,
            memory_high_bytes: 1 << 30,
            memory_confirm_ms: 600_000,
            synthetic_ms: 0,
            synthetic_timeout_ms: 120_000,
            synthetic_slow_ms: 30_000,
            synthetic_failures: 2,
        }
    }

    /// The two-level document's timing: cron every 30 s, limits of 5 s and 10 s, debounce 30 s, waits 5, 10, 20 s.
    #[must_use]
    pub fn two_level() -> Self {
        Self {
            preset: Preset::TwoLevel,
            probe_ms: 30_000,
            look_ms: 30_000,
            confirm_probe_ms: 30_000,
            confirm_look_ms: 5_000,
            timeout_ms: 10_000,
            late_ms: 5_000,
            debounce_ms: 30_000,
            frozen_confirm_ms: 5_000,
            wake_grace_ms: 2_000,
            backoff_ms: vec![5_000],
            restart_wait_ms: vec![5_000, 10_000, 20_000],
            sweep_after: 3,
            ..Self::adaptive()
        }
    }

    /// The four-level document's timing: a look every 3 min, waits of 10, 30, 90, 180, 600 s.
    #[must_use]
    pub fn four_level() -> Self {
        Self {
            preset: Preset::FourLevel,
            probe_ms: 180_000,
            look_ms: 30_000,
            confirm_probe_ms: 10_000,
            confirm_look_ms: 5_000,
            timeout_ms: 10_000,
            late_ms: 5_000,
            frozen_confirm_ms: 5_000,
            backoff_ms: vec![10_000, 30_000, 90_000, 180_000, 600_000],
            restart_wait_ms: vec![10_000, 30_000, 90_000, 180_000, 600_000],
            ..Self::adaptive()
        }
    }

    /// The preset's figures.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        match preset {
            Preset::Adaptive => Self::adaptive(),
            Preset::TwoLevel => Self::two_level(),
            Preset::FourLevel => Self::four_level(),
        }
    }

    /// The wait before the n-th start in a row that did not last (0 is the first).
    #[must_use]
    pub fn backoff(&self, unproductive: u32) -> u64 {
        nth(&self.backoff_ms, unproductive)
    }

    /// The wait before the n-th restart of a silent gateway in a row.
    #[must_use]
    pub fn restart_wait(&self, attempts: u32) -> u64 {
        nth(&self.restart_wait_ms, attempts)
    }
}

/// The n-th figure of a series whose last one repeats; zero for an empty series.
fn nth(series: &[u64], n: u32) -> u64 {
    let index = usize::try_from(n).unwrap_or(usize::MAX).min(series.len().saturating_sub(1));
    series.get(index).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_repeats_its_last_figure() {
        let policy = Policy::adaptive();
        assert_eq!(policy.backoff(0), 0);
        assert_eq!(policy.backoff(1), 1_000);
        assert_eq!(policy.backoff(99), 30_000);
        assert_eq!(policy.restart_wait(3), 0, "an empty series means no wait");
        assert_eq!(Policy::two_level().restart_wait(1), 10_000);
    }

    #[test]
    fn the_spin_budget_outlasts_the_stalls_seen_in_the_field() {
        assert!(Policy::adaptive().spin_budget_ms > 24_000);
    }
}
