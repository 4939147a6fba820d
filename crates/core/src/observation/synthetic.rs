//! What came of a message through the gateway's own chat endpoint, to its model and back.
//!
//! The endpoint is `POST /v1/chat/completions`; its answers are those of OpenClaw 2026.9.6.

use serde::{Deserialize, Serialize};

/// One message's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyntheticSeen {
    /// From the question to the whole answer, or to the moment we gave up.
    pub latency_ms: u32,
    /// What came.
    pub outcome: SyntheticOutcome,
}

/// What came back. Details are redacted and short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum SyntheticOutcome {
    /// The model answered.
    Answered,
    /// No whole answer within the limit of the policy.
    TimedOut,
    /// The gateway says that its provider failed.
    ProviderFailing {
        /// What it said.
        detail: String,
    },
    /// "internal error" with status 500: the gateway keeps the reason to itself. A full disk looks like this, and a key
    /// that it has switched off for a while after its provider refused it (OpenClaw 2026.9.6).
    InternalError {
        /// What its log says of it, or what it answered.
        detail: String,
    },
    /// A rate limit, a quota, or no credit left.
    Quota {
        /// What it said.
        detail: String,
    },
    /// The provider refuses the gateway's credentials.
    CredentialsRejected {
        /// What it said.
        detail: String,
    },
    /// The gateway names its own full disk.
    DiskFull,
    /// The gateway has no such endpoint: `gateway.http.endpoints.chatCompletions.enabled` is off.
    EndpointOff,
    /// The gateway refuses our token.
    Unauthorized,
    /// The question could not be put, or what came is no answer that we know: says nothing of the provider.
    CannotTell {
        /// Why.
        reason: String,
    },
}
