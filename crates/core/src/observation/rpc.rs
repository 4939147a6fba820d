//! What comes over the standing WebSocket subscription (protocol 4).

use serde::{Deserialize, Serialize};

/// One event of the subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rpc", rename_all = "snake_case")]
pub enum RpcSeen {
    /// Connected and authorised.
    Connected {
        /// The gateway's version.
        version: String,
        /// Its own boot id: changes with a restart inside the process.
        boot_id: Option<String>,
    },
    /// The connection ended.
    Lost,
    /// `shutdown`: it ends on purpose.
    Shutdown {
        /// Its reason, redacted.
        reason: String,
        /// When it means to be back; `None`: it does not mean to come back.
        restart_expected_ms: Option<u64>,
    },
    /// The token was refused. Probes go on over HTTP.
    Unauthorized,
    /// No token could be found, or it is a secret reference that we cannot resolve. Probes go on over HTTP.
    NoToken,
    /// The gateway speaks another protocol. Probes go on over HTTP.
    ProtocolMismatch,
    /// The state of all channel accounts.
    Channels {
        /// At most 256 are kept.
        accounts: Vec<ChannelState>,
    },
}

/// One channel account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChannelState {
    /// Such as `telegram`.
    pub channel: String,
    /// Such as `default`.
    pub account: String,
    /// Switched on in the config and with credentials.
    pub wanted: bool,
    /// It runs.
    pub running: bool,
    /// It has reached its service (`connected` of OpenClaw 2026.9.6); `None`: this channel does not say.
    #[serde(default)]
    pub connected: Option<bool>,
    /// OpenClaw's breaker did not start it.
    pub suppressed: bool,
    /// A person stopped it (`channels.stop`).
    pub stopped_by_person: bool,
    /// OpenClaw's health monitor will not restart it (`terminal-disconnect`, `blocked`).
    pub terminal: bool,
    /// Its last error, redacted and shortened.
    pub error: Option<String>,
}

impl ChannelState {
    /// It should run, does not, and nothing but a start will change that. Not so when a person stopped it.
    #[must_use]
    pub const fn given_up(&self) -> bool {
        self.wanted && !self.running && self.terminal && !self.stopped_by_person
    }
}
