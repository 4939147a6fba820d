//! Named reasons why a serving gateway is not wholly well.

use super::life::Alive;
use super::synthetic::Synthetic;
use crate::diagnosis::Cause;
use crate::observation::{ConfigSeen, ConfigValidity, DiskSeen, Listener};
use crate::policy::Policy;
use serde::{Deserialize, Serialize};

/// One reason. Its text form is stable: see [`Reason::name`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// OpenClaw's breaker did not start this channel.
    ChannelSuppressed(String),
    /// This channel is deaf.
    ChannelDeaf(String),
    /// `/readyz` names it.
    NotReady(String),
    /// The config on disk would not start.
    ConfigInvalid(String),
    /// Little space is left.
    DiskNearlyFull,
    /// The event loop has been slow for a while.
    EventLoopSlow,
    /// Its answers take too long, again and again.
    SlowAnswers(String),
    /// It takes far more memory than is usual for it.
    MemoryHigh(String),
    /// The gateway is well, but its RPC refuses our token: probes go over HTTP alone.
    RpcUnauthorized,
    /// The gateway is well, but no token was found: probes go over HTTP alone.
    RpcNoToken,
    /// The gateway speaks another RPC protocol: probes go over HTTP alone.
    RpcProtocol,
    /// Someone else listens on the port that the config names.
    PortStolen(String),
    /// The service manager does not answer: the guard looks at the gateway itself, and does nothing through it.
    ServiceUnseen,
    /// The gateway cannot write: its turns fail.
    DiskFull,
    /// The model's provider fails.
    ProviderFailing(String),
    /// The model answers too slowly, or not at all.
    ProviderSlow(String),
    /// The provider's quota or credit is used up.
    ProviderQuota(String),
    /// The provider refuses the gateway's credentials.
    CredentialsRejected(String),
    /// The gateway has its chat endpoint switched off: the model behind it is not seen.
    SyntheticEndpointOff,
    /// The model behind the gateway is not seen.
    SyntheticUnseen(String),
}

impl Reason {
    /// Stable text for JSON and scripts: `code` or `code:detail`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::ChannelSuppressed(channel) => format!("channel_suppressed:{channel}"),
            Self::ChannelDeaf(channel) => format!("channel_deaf:{channel}"),
            Self::NotReady(what) => format!("not_ready:{what}"),
            Self::ConfigInvalid(detail) => format!("config_invalid:{detail}"),
            Self::DiskNearlyFull => "disk_nearly_full".to_owned(),
            Self::EventLoopSlow => "event_loop_slow".to_owned(),
            Self::SlowAnswers(detail) => format!("slow_answers:{detail}"),
            Self::MemoryHigh(detail) => format!("memory_high:{detail}"),
            Self::RpcUnauthorized => "rpc_unauthorized".to_owned(),
            Self::RpcNoToken => "rpc_no_token".to_owned(),
            Self::RpcProtocol => "rpc_protocol_mismatch".to_owned(),
            Self::PortStolen(owner) => format!("port_stolen:{owner}"),
            Self::ServiceUnseen => "service_unseen".to_owned(),
            Self::DiskFull => "disk_full".to_owned(),
            Self::ProviderFailing(detail) => format!("provider_failing:{detail}"),
            Self::ProviderSlow(detail) => format!("provider_slow:{detail}"),
            Self::ProviderQuota(detail) => format!("provider_quota:{detail}"),
            Self::CredentialsRejected(detail) => format!("credentials_rejected:{detail}"),
            Self::SyntheticEndpointOff => "synthetic_endpoint_off".to_owned(),
            Self::SyntheticUnseen(why) => format!("synthetic_unseen:{why}"),
        }
    }

    /// It makes the gateway degraded; the others only limit what we see.
    #[must_use]
    pub const fn degrades(&self) -> bool {
        !matches!(
            self,
            Self::RpcUnauthorized
                | Self::RpcNoToken
                | Self::RpcProtocol
                | Self::ServiceUnseen
                | Self::SyntheticEndpointOff
                | Self::SyntheticUnseen(_)
        )
    }

    /// The cause that an incident gets from it.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::ChannelSuppressed(_) => Some(Cause::ChannelsSuppressed),
            Self::ChannelDeaf(channel) => Some(Cause::ChannelDeaf { channel: channel.clone() }),
            Self::NotReady(detail) => Some(Cause::NotReady { detail: detail.clone() }),
            Self::ConfigInvalid(detail) => Some(Cause::ConfigInvalid { detail: detail.clone() }),
            Self::DiskNearlyFull => Some(Cause::DiskNearlyFull),
            Self::SlowAnswers(detail) => Some(Cause::SlowAnswers { detail: detail.clone() }),
            Self::MemoryHigh(detail) => Some(Cause::MemoryHigh { detail: detail.clone() }),
            Self::PortStolen(owner) => Some(Cause::PortStolen { owner: owner.clone() }),
            Self::DiskFull => Some(Cause::DiskFull),
            Self::ProviderFailing(detail) => Some(Cause::ProviderFailing { detail: detail.clone() }),
            Self::ProviderSlow(detail) => Some(Cause::ProviderSlow { detail: detail.clone() }),
            Self::ProviderQuota(detail) => Some(Cause::ProviderQuota { detail: detail.clone() }),
            Self::CredentialsRejected(detail) => Some(Cause::CredentialsRejected { detail: detail.clone() }),
            Self::EventLoopSlow
            | Self::RpcUnauthorized
            | Self::RpcNoToken
            | Self::RpcProtocol
            | Self::ServiceUnseen
            | Self::SyntheticEndpointOff
            | Self::SyntheticUnseen(_) => None,
        }
    }
}

/// What is known besides the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Circumstances {
    /// The config on disk.
    pub config: Option<ConfigSeen>,
    /// Space.
    pub disk: Option<DiskSeen>,
    /// Why the RPC subscription is not there.
    pub rpc: Option<Reason>,
    /// The service manager does not answer.
    pub service_unseen: bool,
    /// What messages to its model have shown.
    pub synthetic: Synthetic,
}

/// All reasons at present, most telling first.
#[must_use]
pub fn reasons(life: &Alive, around: &Circumstances, policy: &Policy) -> Vec<Reason> {
    let mut found = Vec::new();
    if let Some(ConfigSeen { validity, .. }) = &around.config {
        match validity {
            ConfigValidity::Invalid { line, column, message } if *line > 0 => {
                found.push(Reason::ConfigInvalid(format!("line {line}, column {column}: {message}")));
            }
            ConfigValidity::Invalid { message, .. } => found.push(Reason::ConfigInvalid(message.clone())),
            ConfigValidity::Missing => found.push(Reason::ConfigInvalid("the file is missing".to_owned())),
            ConfigValidity::Valid | ConfigValidity::Unreadable { .. } => {}
        }
    }
    if around.synthetic.disk_full() {
        found.push(Reason::DiskFull);
    }
    if around.disk.is_some_and(|disk| !disk.writable || disk.free_bytes < policy.disk_low_bytes) {
        found.push(Reason::DiskNearlyFull);
    }
    if let Listener::Foreign { name, .. } = &life.listener {
        found.push(Reason::PortStolen(name.clone()));
    }
    for channel in &life.readiness.suppressed {
        found.push(Reason::ChannelSuppressed(channel.clone()));
    }
    for what in &life.readiness.failing {
        if matches!(what.as_str(), "gateway-draining" | "startup-sidecars") {
            continue;
        }
        let channel = life.channels.iter().any(|account| account.channel == *what);
        found.push(if channel { Reason::ChannelDeaf(what.clone()) } else { Reason::NotReady(what.clone()) });
    }
    for account in life.channels.iter().filter(|account| life.deaf.is_some() && account.given_up()) {
        // One account of a channel may be deaf while the channel as a whole counts as ready.
        let deaf = Reason::ChannelDeaf(account.channel.clone());
        if !found.contains(&deaf) {
            found.push(deaf);
        }
    }
    if life.readiness.event_loop.is_some_and(|event_loop| event_loop.degraded && event_loop.degraded_for_ms > 60_000) {
        found.push(Reason::EventLoopSlow);
    }
    if life.slowness.named() {
        found.push(Reason::SlowAnswers(format!("over {} s", policy.slow_answer_ms / 1_000)));
    }
    if let Some(high) = life.weight.high() {
        let (limit, usual) = (high.limit_kib / 1_024, high.usual_kib / 1_024);
        found.push(Reason::MemoryHigh(format!("over {limit} MiB, where {usual} MiB is usual")));
    }
    found.extend(around.synthetic.reasons());
    found.extend(around.rpc.clone());
    found.extend(reasons_without_process(around));
    found
}

/// What can be said where there is no process to look at.
#[must_use]
pub fn reasons_without_process(around: &Circumstances) -> Vec<Reason> {
    if around.service_unseen { vec![Reason::ServiceUnseen] } else { Vec::new() }
}
