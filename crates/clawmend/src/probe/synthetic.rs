//! A message through the gateway's own chat endpoint, to its model and back.
//!
//! Invariant: the token goes to a plain socket on loopback only, which the caller proved to be the gateway's own; one
//! answer of at most [`MAX_BODY`] bytes is read within one limit of time, no redirect is followed, and every end is
//! evidence. Each question costs what a turn of the agent costs. Start at [`ask`].

use super::completion::judge;
use super::connect::{NoConnection, Scheme, Target, connect};
use super::rpc::Credential;
use clawmend_core::observation::{SyntheticOutcome, SyntheticSeen};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use std::pin::pin;
use std::time::{Duration, Instant};

/// Largest answer that is read; an answer of one word has under 1 KiB.
pub const MAX_BODY: usize = 64 * 1024;
/// Names our one session: the gateway makes one for each user that it is told (OpenClaw 2026.9.6).
const USER: &str = "clawmend-probe";
const WORDS: &str = "This is an automatic check. Answer with the one word OK, and use no tools.";

/// What to ask, and of whom.
#[derive(Clone, Debug)]
pub struct Question {
    /// A socket that the gateway was proven to own just now.
    pub target: Target,
    /// What to send for authorisation.
    pub credential: Credential,
    /// `openclaw`, or `openclaw/AGENT`.
    pub model: String,
    /// When it is given up.
    pub timeout: Duration,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    user: &'static str,
    messages: [Message; 1],
}

#[derive(Serialize)]
struct Message {
    role: &'static str,
    content: &'static str,
}

/// Asks once. Dropping the future ends the turn, too: the gateway stops what nobody waits for.
pub async fn ask(question: &Question) -> SyntheticSeen {
    let begun = Instant::now();
    let outcome = match request(question) {
        Ok(request) => tokio::time::timeout(question.timeout, exchange(question.target, request))
            .await
            .unwrap_or(SyntheticOutcome::TimedOut),
        Err(reason) => cannot_tell(reason),
    };
    SyntheticSeen { latency_ms: u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX), outcome }
}

/// The request; `Err` says why none may be sent.
fn request(question: &Question) -> Result<Request<Full<Bytes>>, &'static str> {
    let Question { target, credential, model, timeout: _ } = question;
    if target.scheme == Scheme::Tls {
        return Err("it speaks TLS with a certificate of its own, and no token goes over that");
    }
    if !target.address.ip().is_loopback() {
        return Err("it does not listen on loopback, and no token goes further");
    }
    let body = Body { model, user: USER, messages: [Message { role: "user", content: WORDS }] };
    let body = serde_json::to_vec(&body).map_err(|_| "the question could not be written")?;
    let mut request = Request::post(Uri::from_static("/v1/chat/completions"))
        .header(HOST, target.address.to_string())
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .header(CONNECTION, HeaderValue::from_static("close"))
        .header(USER_AGENT, HeaderValue::from_static(concat!("clawmend/", env!("CARGO_PKG_VERSION"))))
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| "the question could not be written")?;
    match credential {
        Credential::NotNeeded => {}
        Credential::Unknown => return Err("its token is not known here"),
        Credential::Token(token) => {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .map_err(|_| "its token has characters that no header takes")?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
    }
    Ok(request)
}

/// One request on a connection of its own. The caller bounds the time.
async fn exchange(target: Target, request: Request<Full<Bytes>>) -> SyntheticOutcome {
    let stream = match connect(target).await {
        Ok(stream) if stream.is_plain_and_local() => stream,
        Ok(_) => return cannot_tell("it is not reached on this host alone"),
        Err(NoConnection::Refused | NoConnection::Broken) => return cannot_tell("it took no connection"),
        Err(NoConnection::Ours(reason)) => return cannot_tell(&reason),
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(16 * 1024).max_headers(64);
    let Ok((mut sender, driver)) = builder.handshake(TokioIo::new(stream)).await else {
        return cannot_tell("the connection broke");
    };
    let mut driver = pin!(driver);
    let mut answer = pin!(async {
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status().as_u16();
        Some(match Limited::new(answer.into_body(), MAX_BODY).collect().await {
            Ok(body) => judge(status, &body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => cannot_tell("its answer is far too large"),
            Err(_) => cannot_tell("the connection broke within the answer"),
        })
    });
    let mut driving = true;
    let outcome = loop {
        tokio::select! {
            outcome = &mut answer => break outcome,
            // The answer may be whole although the connection has ended: the reader has the last word.
            _ = &mut driver, if driving => driving = false,
        }
    };
    outcome.unwrap_or_else(|| cannot_tell("the connection broke"))
}

fn cannot_tell(reason: &str) -> SyntheticOutcome {
    SyntheticOutcome::CannotTell { reason: reason.to_owned() }
}
