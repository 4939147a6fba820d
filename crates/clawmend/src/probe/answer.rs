//! Judges one HTTP answer of a health endpoint.
//!
//! Invariant: only the documented JSON with the documented status counts (OpenClaw 2026.7 to 2026.9). A gateway
//! answers unknown paths with 200 and a web page, so the status alone says nothing.

use crate::openclaw::redact::redact;
use clawmend_core::observation::{Endpoint, EventLoop, HttpOutcome, Readiness};
use serde::Deserialize;

/// At most this many entries of a list are kept, each at most [`MAX_NAME`] characters long.
const MAX_LIST: usize = 64;
const MAX_NAME: usize = 96;

#[derive(Deserialize)]
struct Live<'a> {
    ok: Option<bool>,
    #[serde(borrow)]
    status: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    ready: bool,
    #[serde(default)]
    failing: Vec<String>,
    #[serde(default)]
    suppressed: Vec<String>,
    event_loop: Option<Loop>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Loop {
    #[serde(default)]
    degraded: bool,
    degraded_since_ms: Option<f64>,
    #[serde(default)]
    delay_p99_ms: f32,
    #[serde(default)]
    delay_max_ms: f32,
}

/// What a whole answer means.
#[must_use]
pub fn judge(endpoint: Endpoint, status: u16, body: &[u8]) -> HttpOutcome {
    let outcome = match endpoint {
        Endpoint::Healthz => {
            live(body).filter(|says| status == 200 && *says == ("live".into(), Some(true))).map(|_| HttpOutcome::Ok)
        }
        Endpoint::Startupz => live(body).and_then(|(says, ok)| match (status, says.as_str(), ok) {
            (200, "started", Some(true)) => Some(HttpOutcome::Ok),
            (503, "starting", _) => Some(HttpOutcome::Starting),
            (503, "draining", _) => Some(HttpOutcome::Draining),
            _ => None,
        }),
        Endpoint::Readyz => readiness(status, body),
    };
    outcome.unwrap_or(HttpOutcome::NotHealth { status })
}

fn live(body: &[u8]) -> Option<(String, Option<bool>)> {
    let live: Live<'_> = serde_json::from_slice(body).ok()?;
    Some((live.status.into_owned(), live.ok))
}

fn readiness(status: u16, body: &[u8]) -> Option<HttpOutcome> {
    let says: Ready = serde_json::from_slice(body).ok()?;
    if (status, says.ready) != (200, true) && (status, says.ready) != (503, false) {
        return None;
    }
    let names = |list: Vec<String>| list.iter().take(MAX_LIST).map(|name| redact(name, MAX_NAME)).collect();
    Some(HttpOutcome::Readiness(Readiness {
        ready: says.ready,
        failing: names(says.failing),
        suppressed: names(says.suppressed),
        event_loop: says.event_loop.map(|seen| EventLoop {
            degraded: seen.degraded,
            degraded_for_ms: seen.degraded_since_ms.map_or(0, whole),
            delay_p99_ms: seen.delay_p99_ms,
            delay_max_ms: seen.delay_max_ms,
        }),
    }))
}

/// Milliseconds without their fraction; the cast saturates, also for what is no number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
const fn whole(ms: f64) -> u64 {
    ms as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_answers_count() {
        use Endpoint::{Healthz, Readyz, Startupz};
        let not = |status| HttpOutcome::NotHealth { status };
        let cases = [
            (Healthz, 200, r#"{"ok":true,"status":"live"}"#, HttpOutcome::Ok),
            (Healthz, 503, r#"{"ok":true,"status":"live"}"#, not(503)),
            (Healthz, 200, r#"{"ok":false,"status":"live"}"#, not(200)),
            (Healthz, 200, r#"{"status":"not live"}"#, not(200)),
            (Healthz, 200, "<!doctype html>", not(200)),
            (Healthz, 200, "", not(200)),
            (Healthz, 200, r#"{"ok":true,"status":"live"} trailing"#, not(200)),
            (Startupz, 200, r#"{"ok":true,"status":"started","version":"2026.9.6","uptimeMs":1}"#, HttpOutcome::Ok),
            (Startupz, 503, r#"{"ok":false,"status":"starting","pendingReason":"x"}"#, HttpOutcome::Starting),
            (Startupz, 503, r#"{"ok":false,"status":"draining"}"#, HttpOutcome::Draining),
            (Startupz, 200, "<!doctype html><title>OpenClaw</title>", not(200)),
            (Startupz, 200, r#"{"ok":true,"status":"live"}"#, not(200)),
            (Readyz, 200, r#"{"ready":false,"failing":[]}"#, not(200)),
            (Readyz, 503, r#"{"ready":true}"#, not(503)),
            (Readyz, 200, r#"{"ok":true}"#, not(200)),
        ];
        for (endpoint, status, body, expected) in cases {
            assert_eq!(judge(endpoint, status, body.as_bytes()), expected, "{endpoint:?} {status} {body}");
        }
    }

    #[test]
    fn a_real_readiness_is_read() {
        let body = r#"{"ready":true,"failing":[],"suppressed":["telegram"],"uptimeMs":2758,"eventLoop":{"degraded":true,
            "degradedSinceMs":1203.5,"reasons":["cpu"],"intervalMs":1202.5,"delayP99Ms":430.4,"delayMaxMs":430.4}}"#;
        let HttpOutcome::Readiness(seen) = judge(Endpoint::Readyz, 200, body.as_bytes()) else { unreachable!() };
        assert_eq!(seen.suppressed, ["telegram"]);
        let turn = seen.event_loop.unwrap_or_default();
        assert_eq!((turn.degraded, turn.degraded_for_ms), (true, 1203));
        let body = r#"{"ready":false,"failing":["gateway-draining"]}"#;
        let HttpOutcome::Readiness(seen) = judge(Endpoint::Readyz, 503, body.as_bytes()) else { unreachable!() };
        assert!(seen.draining());
    }
}
