//! One question each to `/healthz` and `/readyz`.

use crate::probe::connect::{Scheme, Target};
use crate::probe::http::{HttpProbe, Limits};
use clawmend_core::observation::{Endpoint, HttpOutcome};
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// An answer that takes longer is slow; a gateway at rest needs 1–3 ms (OpenClaw 2026.9.6).
const SLOW_MS: u32 = 1_000;

/// What the gateway said of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answers {
    /// How `/healthz` ended: `ok`, `timed_out`, `refused`, `broken`, `not_health`, `cannot_tell`.
    pub healthz: &'static str,
    /// How long that took.
    pub healthz_ms: u32,
    /// `/readyz` answered, and says that it is ready.
    pub ready: Option<bool>,
    /// What is not ready.
    pub failing: Vec<String>,
    /// `/readyz` says that the event loop is slow, and for how long.
    pub loop_degraded_ms: Option<u64>,
    /// The longest delay of the event loop in its last second or so.
    pub loop_delay_max_ms: Option<f32>,
}

impl Answers {
    /// It answered at once, and its event loop turns.
    #[must_use]
    pub fn is_prompt(&self) -> bool {
        self.healthz == "ok" && self.healthz_ms < SLOW_MS && self.loop_degraded_ms.is_none()
    }

    /// A connection was made, and no answer came in time.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.healthz == "timed_out"
    }
}

/// Asks a socket that the gateway was seen to own. Blocks for `patience` at most.
pub(super) fn ask(own: SocketAddr, tls: bool, patience: Duration) -> Answers {
    let nothing = |why| Answers {
        healthz: why,
        healthz_ms: 0,
        ready: None,
        failing: Vec::new(),
        loop_degraded_ms: None,
        loop_delay_max_ms: None,
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return nothing("cannot_tell");
    };
    let target = Target { address: reachable(own), scheme: if tls { Scheme::Tls } else { Scheme::Plain } };
    let limits = Limits { late_after: patience, timeout: patience };
    let answers = async {
        let mut probe = HttpProbe::new(target);
        let health = probe.probe(Endpoint::Healthz, limits, |_| {}).await;
        let mut answers = nothing(name(&health.outcome));
        answers.healthz_ms = health.latency_ms;
        if health.outcome != HttpOutcome::Ok {
            return answers;
        }
        if let HttpOutcome::Readiness(seen) = probe.probe(Endpoint::Readyz, limits, |_| {}).await.outcome {
            answers.ready = Some(seen.ready);
            answers.failing = seen.failing;
            answers.loop_delay_max_ms = seen.event_loop.map(|turn| turn.delay_max_ms);
            answers.loop_degraded_ms = seen.event_loop.filter(|turn| turn.degraded).map(|turn| turn.degraded_for_ms);
        }
        answers
    };
    runtime.block_on(async {
        match tokio::time::timeout(patience, answers).await {
            Ok(answers) => answers,
            Err(_) => {
                Answers { healthz_ms: u32::try_from(patience.as_millis()).unwrap_or(u32::MAX), ..nothing("timed_out") }
            }
        }
    })
}

const fn name(outcome: &HttpOutcome) -> &'static str {
    match outcome {
        HttpOutcome::Ok => "ok",
        HttpOutcome::TimedOut | HttpOutcome::Late => "timed_out",
        HttpOutcome::Refused => "refused",
        HttpOutcome::Broken => "broken",
        HttpOutcome::CannotTell { .. } => "cannot_tell",
        HttpOutcome::NotHealth { .. } | HttpOutcome::Starting | HttpOutcome::Draining | HttpOutcome::Readiness(_) => {
            "not_health"
        }
    }
}

/// An address that can be connected to.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let loopback = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(loopback, addr.port())
}
