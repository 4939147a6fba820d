//! Why: causes, and how they are told apart.
//!
//! [`Cause`] is what the guard itself can prove within a second. The rest is the doctor's: [`rank`] weighs what
//! [`case`]s, logs and measurements say, and abstains when they do not say enough. What it makes of an open incident comes
//! back to the state machine as an [`opinion`]. Start at [`rank::diagnose`].

pub mod advice;
pub mod case;
pub mod class;
pub mod counsel;
pub mod draft;
pub mod hang;
pub mod opinion;
pub mod rank;
pub mod record;
pub mod similar;
pub mod template;

use serde::{Deserialize, Serialize};

/// Why a gateway refused to start (exit 78, or 1 on a taken port).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// The config is missing, does not parse, or does not fit the schema.
    Config,
    /// No space, or a folder that cannot be written.
    Disk,
    /// Another process holds the lock of this home.
    Duplicate,
    /// Another process holds the port.
    Port,
    /// Another program is needed: Node is not one that OpenClaw accepts, its own package lacks a part, or its data was
    /// written by a newer version.
    Runtime,
    /// It did not say anything that we understand.
    Unexplained,
}

/// The cause of an incident. Codes are stable: see [`Cause::code`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Cause {
    /// It ended by a signal or a failure code.
    Crashed {
        /// "signal 9", "exit 1".
        how: String,
    },
    /// It ended in order, although nobody that we know of asked for it.
    Exited,
    /// It ended in order to come back: its own restart.
    PlannedRestart,
    /// It refused to start.
    RefusedToStart {
        /// Why.
        reason: RefusalReason,
        /// What it said, redacted, or what our own look found.
        detail: String,
    },
    /// It lives, but listens nowhere.
    NotListening,
    /// Stopped by a signal (state `T`).
    Frozen,
    /// Its event loop never yields (state `R`, CPU burning, no voluntary switch).
    Spinning,
    /// It waits for ever (state `D`, or idle with a growing queue).
    Stuck,
    /// Its cgroup is frozen: not ours to cure.
    CgroupFrozen,
    /// A debugger holds it: not ours to cure.
    Traced,
    /// A client is connected to its inspector: not ours to cure.
    Inspected,
    /// Its start neither progresses nor ends.
    BootStuck,
    /// Its orderly end passed its own deadline.
    DrainStuck,
    /// Another program listens on its port.
    PortStolen {
        /// Who, for people.
        owner: String,
    },
    /// OpenClaw's breaker did not start channels.
    ChannelsSuppressed,
    /// A channel is deaf although the gateway is healthy.
    ChannelDeaf {
        /// `telegram/default`.
        channel: String,
    },
    /// The config on disk is broken; the running gateway still uses the old one.
    ConfigInvalid {
        /// Where and what.
        detail: String,
    },
    /// The disk is nearly full.
    DiskNearlyFull,
    /// It serves, and its answers take too long, again and again.
    SlowAnswers {
        /// How long.
        detail: String,
    },
    /// It serves, and takes far more memory than is usual for it.
    MemoryHigh {
        /// How much.
        detail: String,
    },
    /// `/readyz` names something else that is not ready.
    NotReady {
        /// What it says.
        detail: String,
    },
    /// Its disk is full: it serves, and every turn fails.
    DiskFull,
    /// The provider of its model fails.
    ProviderFailing {
        /// What the gateway says of it, redacted.
        detail: String,
    },
    /// Its model answers too slowly, or not at all.
    ProviderSlow {
        /// How slowly.
        detail: String,
    },
    /// A rate limit, a quota, or no credit left.
    ProviderQuota {
        /// What the gateway says of it, redacted.
        detail: String,
    },
    /// The provider of its model refuses the credentials.
    CredentialsRejected {
        /// What the gateway says of it, redacted.
        detail: String,
    },
    /// It was silent for a while and came back.
    Stalled,
    /// The evidence does not say.
    Unknown,
}

impl Cause {
    /// Stable code for scripts, metrics and records.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Crashed { .. } => "crashed",
            Self::Exited => "exited",
            Self::PlannedRestart => "planned_restart",
            Self::RefusedToStart { .. } => "refused_to_start",
            Self::NotListening => "not_listening",
            Self::Frozen => "frozen",
            Self::Spinning => "spinning",
            Self::Stuck => "stuck",
            Self::CgroupFrozen => "cgroup_frozen",
            Self::Traced => "traced",
            Self::Inspected => "inspected",
            Self::BootStuck => "boot_stuck",
            Self::DrainStuck => "drain_stuck",
            Self::PortStolen { .. } => "port_stolen",
            Self::ChannelsSuppressed => "channels_suppressed",
            Self::ChannelDeaf { .. } => "channel_deaf",
            Self::ConfigInvalid { .. } => "config_invalid",
            Self::DiskNearlyFull => "disk_nearly_full",
            Self::SlowAnswers { .. } => "slow_answers",
            Self::MemoryHigh { .. } => "memory_high",
            Self::NotReady { .. } => "not_ready",
            Self::DiskFull => "disk_full",
            Self::ProviderFailing { .. } => "provider_failing",
            Self::ProviderSlow { .. } => "provider_slow",
            Self::ProviderQuota { .. } => "provider_quota",
            Self::CredentialsRejected { .. } => "credentials_rejected",
            Self::Stalled => "stalled",
            Self::Unknown => "unknown",
        }
    }

    /// The variable part, for people; empty where the code says it all.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Crashed { how } => how,
            Self::RefusedToStart { detail, .. }
            | Self::ConfigInvalid { detail }
            | Self::NotReady { detail }
            | Self::SlowAnswers { detail }
            | Self::MemoryHigh { detail }
            | Self::ProviderFailing { detail }
            | Self::ProviderSlow { detail }
            | Self::ProviderQuota { detail }
            | Self::CredentialsRejected { detail } => detail,
            Self::PortStolen { owner } => owner,
            Self::ChannelDeaf { channel } => channel,
            Self::Exited
            | Self::PlannedRestart
            | Self::NotListening
            | Self::Frozen
            | Self::Spinning
            | Self::Stuck
            | Self::CgroupFrozen
            | Self::Traced
            | Self::Inspected
            | Self::BootStuck
            | Self::DrainStuck
            | Self::ChannelsSuppressed
            | Self::DiskNearlyFull
            | Self::DiskFull
            | Self::Stalled
            | Self::Unknown => "",
        }
    }
}
