//! A receiver that verifies as the Standard Webhooks specification says:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use super::{Request, Says, StandIn, Verdict};
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::UNIX_EPOCH;

/// What both sides sign with.
pub const SECRET: &str = "whsec_Y2FuYXJ5MDEyMzQ1Njc4OWNhbmFyeTAxMjM0NTY3ODk=";
/// A header that it wants.
pub const HEADER: (&str, &str) = ("x-api-key", "canary-api-key");

/// For messages.
const SERVICE: &str = "a webhook";
const SECRETS: &[(&str, &str)] = &[("the webhook's secret", SECRET), ("the webhook's header", HEADER.1)];

/// Starts it. `now` is its clock, in seconds; five minutes off in either direction are too much.
///
/// # Errors
/// As [`StandIn::start`].
pub fn start(now: i64) -> Result<StandIn> {
    StandIn::start_as(SERVICE, SECRETS, contract(move || now))
}

/// Starts it on a listener of one's own, with the clock of this machine.
///
/// # Errors
/// As [`StandIn::on`].
pub fn on(listener: TcpListener) -> Result<StandIn> {
    let now = || UNIX_EPOCH.elapsed().map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    StandIn::on(listener, SERVICE, SECRETS, contract(now))
}

fn contract(now: impl Fn() -> i64) -> impl FnMut(&Request, Says<'_>) -> Verdict {
    move |request, says| {
        match says {
        Says::Unauthorized => Verdict::text(401, "unauthorized"),
        Says::RateLimited(seconds) => Verdict::text(429, "slow down").with("Retry-After", seconds),
        Says::Error(words) => Verdict::text(words.parse().unwrap_or(400), "no"),
        Says::Contract => match verified(request, now()) {
            Ok(()) => Verdict::text(200, "thank you").accepting(
                json!({"id": request.header("webhook-id"), "body": serde_json::from_slice::<Value>(&request.body).ok()}),
            ),
            Err(why) => Verdict::text(401, why),
        },
    }
    }
}

fn verified(request: &Request, now: i64) -> Result<(), &'static str> {
    if request.method != "POST" || request.header("content-type") != Some("application/json") {
        return Err("not a POST of JSON");
    }
    if request.header(HEADER.0) != Some(HEADER.1) {
        return Err("no api key");
    }
    let id = request.header("webhook-id").filter(|id| !id.is_empty() && !id.contains('.')).ok_or("no webhook-id")?;
    let sent: i64 = request.header("webhook-timestamp").and_then(|at| at.parse().ok()).ok_or("no webhook-timestamp")?;
    if (now - sent).abs() > 300 {
        return Err("the timestamp is too far off");
    }
    let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).map_err(|_| "no key")?;
    let mut signed = format!("{id}.{sent}.").into_bytes();
    signed.extend_from_slice(&request.body);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    let given = request.header("webhook-signature").ok_or("no webhook-signature")?;
    let fits = given.split(' ').filter_map(|one| one.strip_prefix("v1,")).filter_map(|one| STANDARD.decode(one).ok());
    let fits = fits.into_iter().any(|tag| ring::hmac::verify(&key, &signed, &tag).is_ok());
    if fits { Ok(()) } else { Err("the signature does not match") }
}
