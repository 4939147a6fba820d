//! `[policy]`: a preset, and single figures that differ from it.

use serde::{Deserialize, Deserializer, de::Error as _};

/// `[policy]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// Where the figures come from.
    pub preset: Preset,
    /// What differs from the preset: `[policy.override]`.
    #[serde(rename = "override")]
    pub overrides: PolicyOverrides,
}

/// A named set of figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Evidence decides, figures are learned.
    #[default]
    Adaptive,
    /// The timings of the two-level guard document.
    TwoLevel,
    /// The timings of the four-level self-healing document.
    FourLevel,
}

/// Single figures; `None` keeps the preset's. Durations are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyOverrides {
    /// Between two probes of a healthy gateway.
    #[serde(deserialize_with = "between::<100, 3_600_000, _>")]
    pub probe_interval_ms: Option<u64>,
    /// Between two probes once something is suspicious.
    #[serde(deserialize_with = "between::<50, 600_000, _>")]
    pub confirm_interval_ms: Option<u64>,
    /// Between two looks at the process.
    #[serde(deserialize_with = "between::<100, 3_600_000, _>")]
    pub process_interval_ms: Option<u64>,
    /// An answer that takes longer than this raises suspicion.
    #[serde(deserialize_with = "between::<20, 60_000, _>")]
    pub late_after_ms: Option<u64>,
    /// A probe that takes longer than this is given up.
    #[serde(deserialize_with = "between::<100, 600_000, _>")]
    pub probe_timeout_ms: Option<u64>,
    /// How long a process may burn CPU without answering.
    #[serde(deserialize_with = "between::<1_000, 3_600_000, _>")]
    pub spin_budget_ms: Option<u64>,
    /// How long a process may be silent while it waits.
    #[serde(deserialize_with = "between::<1_000, 3_600_000, _>")]
    pub stall_budget_ms: Option<u64>,
    /// How long a boot may take before anything was learned.
    #[serde(deserialize_with = "between::<5_000, 3_600_000, _>")]
    pub boot_budget_ms: Option<u64>,
    /// How long a boot may make no progress at all.
    #[serde(deserialize_with = "between::<1_000, 3_600_000, _>")]
    pub boot_idle_ms: Option<u64>,
    /// How long a new life must serve before the remedy counts as proven.
    #[serde(deserialize_with = "between::<0, 3_600_000, _>")]
    pub verify_ms: Option<u64>,
    /// How long a gateway must be well on a config before that config counts as proven.
    #[serde(deserialize_with = "between::<1_000, 86_400_000, _>")]
    pub config_proven_after_ms: Option<u64>,
    /// How long a channel must be known to have given up before it is started again.
    #[serde(deserialize_with = "between::<1_000, 3_600_000, _>")]
    pub channel_deaf_ms: Option<u64>,
    /// First pause between two starts of such a channel; it doubles, up to 20 times the first.
    #[serde(deserialize_with = "between::<1_000, 3_600_000, _>")]
    pub channel_retry_ms: Option<u64>,
    /// First pause between two starts after a start that did not help.
    #[serde(deserialize_with = "between::<0, 3_600_000, _>")]
    pub backoff_first_ms: Option<u64>,
    /// Longest pause between two starts.
    #[serde(deserialize_with = "between::<1_000, 86_400_000, _>")]
    pub backoff_max_ms: Option<u64>,
    /// Starts by the guard in any hour (a count).
    #[serde(deserialize_with = "between::<1, 1_000, _>")]
    pub starts_per_hour: Option<u64>,
    /// An answer of the health endpoint that takes longer is a long one; several are told. 0: none is.
    #[serde(deserialize_with = "between::<0, 600_000, _>")]
    pub slow_answer_ms: Option<u64>,
    /// Memory below this, in MiB, is never too much, whatever is usual. 0: none is.
    #[serde(deserialize_with = "between::<0, 1_048_576, _>")]
    pub memory_high_mib: Option<u64>,
    /// A person is told of an incident that is open for this long.
    #[serde(deserialize_with = "between::<1_000, 86_400_000, _>")]
    pub escalate_after_ms: Option<u64>,
}

fn between<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    let figure = u64::deserialize(deserializer)?;
    if (MIN..=MAX).contains(&figure) {
        Ok(Some(figure))
    } else {
        Err(D::Error::custom(format!("{figure} is out of range, expected {MIN} to {MAX}")))
    }
}
