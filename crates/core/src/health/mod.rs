//! What the guard believes, from evidence.
//!
//! [`life`] keeps what is known of the present process, [`judge`] turns it into a [`Verdict`] and a cause,
//! [`reasons`] names what is wrong with a gateway that serves, [`slowness`] and [`weight`] whether it is slow or takes too
//! much memory, [`synthetic`] what messages to its model have shown. A verdict is a belief: it acts on nothing.

mod boot;
pub mod judge;
pub mod life;
pub mod reasons;
pub mod slowness;
pub mod synthetic;
pub mod weight;

pub use boot::{Boot, Boots};

use serde::{Deserialize, Serialize};

/// What the guard believes of a gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Own listener, `/healthz` ok, `/readyz` ready, nothing suppressed or failing.
    Healthy,
    /// Young and progressing, or restarting inside its process.
    Starting,
    /// Ending in order.
    Draining,
    /// Serving, with named reasons.
    Degraded,
    /// First missed reply; evidence is being gathered.
    Suspect,
    /// Not serving, with a cause.
    Down,
    /// By a person's wish.
    Stopped,
    /// By a person's wish.
    Paused,
    /// The observer is impaired or cannot see.
    #[default]
    Unknown,
}

impl Verdict {
    /// Stable name for scripts and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Starting => "starting",
            Self::Draining => "draining",
            Self::Degraded => "degraded",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::Unknown => "unknown",
        }
    }

    /// Exit code of `clawmend check`: 0 healthy, 1 degraded, 2 down, 3 unknown, 4 stopped or paused.
    /// Starting, draining and suspect count as degraded.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Starting | Self::Draining | Self::Degraded | Self::Suspect => 1,
            Self::Down => 2,
            Self::Unknown => 3,
            Self::Stopped | Self::Paused => 4,
        }
    }
}
