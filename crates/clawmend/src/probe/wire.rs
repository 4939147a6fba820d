//! Frames of the gateway's WebSocket protocol 4 (OpenClaw 2026.7 to 2026.9), what matters of them.
//!
//! Invariant: a frame is read in two steps, head first, so that a large payload that nobody needs is never built up
//! in memory; the token is only ever in the one text made by [`connect_request`].

use crate::openclaw::channels::{HealthPayload, StatusPayload};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The protocol that we speak.
pub(super) const PROTOCOL: u32 = 4;
/// Id of the `connect` request; others count on from it.
pub(super) const CONNECT_ID: u64 = 1;

/// The head of any frame.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) event: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) ok: bool,
    #[serde(default)]
    pub(super) error: Option<ErrorBody>,
}

impl Head<'_> {
    /// The request that this answers.
    pub(super) fn answers(&self) -> Option<u64> {
        (self.kind == "res").then(|| self.id.as_deref()?.parse().ok()).flatten()
    }
}

/// Why a request failed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorBody {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) details: Option<ErrorDetails>,
    #[serde(default)]
    pub(super) retry_after_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorDetails {
    #[serde(default)]
    pub(super) code: Option<String>,
}

impl ErrorBody {
    /// The most exact code that it carries.
    pub(super) fn exact(&self) -> &str {
        self.details.as_ref().and_then(|details| details.code.as_deref()).unwrap_or(&self.code)
    }
}

/// A frame's payload of a known shape.
#[derive(Deserialize)]
pub(super) struct Body<P> {
    pub(super) payload: P,
}

#[derive(Deserialize)]
pub(super) struct Hello {
    #[serde(default)]
    pub(super) server: Server,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Server {
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    pub(super) boot_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shutdown {
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) restart_expected_ms: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct Started {
    #[serde(default)]
    pub(super) started: bool,
    #[serde(default)]
    pub(super) outcome: Option<StartOutcome>,
}

/// `config.get`, what matters of it: the rest of the config is never built up.
#[derive(Deserialize)]
pub(super) struct ConfigGot {
    #[serde(default)]
    pub(super) hash: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct StartOutcome {
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) reason: Option<String>,
}

pub(super) fn payload<'a, P: Deserialize<'a>>(text: &'a str) -> Option<P> {
    serde_json::from_str::<Body<P>>(text).ok().map(|body| body.payload)
}

pub(super) fn status(text: &str) -> Option<StatusPayload> {
    payload(text)
}

pub(super) fn health(text: &str) -> Option<HealthPayload> {
    payload(text)
}

#[derive(Serialize)]
struct Request<P> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    method: &'static str,
    params: P,
}

pub(super) fn request<P: Serialize>(id: u64, method: &'static str, params: P) -> String {
    serde_json::to_string(&Request { kind: "req", id: id.to_string(), method, params }).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connect<'a> {
    min_protocol: u32,
    max_protocol: u32,
    client: Client,
    role: &'static str,
    scopes: &'static [&'static str],
    caps: [&'static str; 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<Auth<'a>>,
}

#[derive(Serialize)]
struct Client {
    id: &'static str,
    version: &'static str,
    platform: &'static str,
    mode: &'static str,
}

#[derive(Serialize)]
struct Auth<'a> {
    token: &'a str,
}

/// The `connect` request of a backend on the same host: this id and mode get their scopes without a device key.
pub(super) fn connect_request(token: Option<&SecretString>) -> String {
    let client = Client {
        id: "gateway-client",
        version: crate::version::VERSION,
        platform: std::env::consts::OS,
        mode: "backend",
    };
    request(
        CONNECT_ID,
        "connect",
        Connect {
            min_protocol: PROTOCOL,
            max_protocol: PROTOCOL,
            client,
            role: "operator",
            // `channels.start`, `secrets.reload` and `config.patch` need admin; nothing else is called that changes anything.
            scopes: &["operator.read", "operator.write", "operator.admin"],
            caps: [],
            auth: token.map(|token| Auth { token: token.expose_secret() }),
        },
    )
}
