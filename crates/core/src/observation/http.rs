//! What the gateway's three health endpoints say (OpenClaw 2026.8.2 and later; 2026.7 has no `/startupz`).

use serde::{Deserialize, Serialize};

/// Which endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `/healthz`: the event loop answers.
    Healthz,
    /// `/startupz`: the start-up is complete.
    Startupz,
    /// `/readyz`: what is not ready, and why.
    Readyz,
}

/// One probe's end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpSeen {
    /// Which endpoint was asked.
    pub endpoint: Endpoint,
    /// From the request to the whole answer, or to the moment we gave up.
    pub latency_ms: u32,
    /// What came.
    pub outcome: HttpOutcome,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum HttpOutcome {
    /// `/healthz` or `/startupz` said yes in JSON.
    Ok,
    /// `/startupz` says `starting`.
    Starting,
    /// `/startupz` says `draining`.
    Draining,
    /// `/readyz` answered, ready or not.
    Readiness(Readiness),
    /// Some body that is not the documented JSON (a web page, another program): not health.
    NotHealth {
        /// HTTP status.
        status: u16,
    },
    /// The answer is late; the request still waits. Raises suspicion, proves nothing.
    Late,
    /// No answer within the probe's limit, although the connection was made.
    TimedOut,
    /// Nobody listens.
    Refused,
    /// The connection broke before the answer was whole.
    Broken,
    /// The probe could not be made for a reason on our side (no descriptors, no route): says nothing of the gateway.
    CannotTell {
        /// Why.
        reason: String,
    },
}

/// `/readyz`, parsed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Readiness {
    /// `ready`.
    pub ready: bool,
    /// `failing`: reasons such as `gateway-draining`, `startup-sidecars`, or channel ids. At most 64 are kept.
    pub failing: Vec<String>,
    /// `suppressed`: channels that OpenClaw's breaker did not start. At most 64 are kept.
    pub suppressed: Vec<String>,
    /// `eventLoop`, when reported.
    pub event_loop: Option<EventLoop>,
}

impl Readiness {
    /// The gateway ends in order and must not be interrupted.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.failing.iter().any(|reason| reason == "gateway-draining")
    }

    /// The gateway still starts.
    #[must_use]
    pub fn starting(&self) -> bool {
        self.failing.iter().any(|reason| reason == "startup-sidecars")
    }
}

/// Event-loop figures of `/readyz` (20 ms resolution).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventLoop {
    /// The gateway's own verdict; normal for a moment during boot and after a freeze.
    pub degraded: bool,
    /// For how long it has been degraded.
    pub degraded_for_ms: u64,
    /// 99th percentile of the delay in the last window.
    pub delay_p99_ms: f32,
    /// Largest delay in the last window.
    pub delay_max_ms: f32,
}
