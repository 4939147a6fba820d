//! Probes of the three health endpoints over one kept connection.
//!
//! Invariant: one request at a time, answered, timed out or broken within its limit; between two probes nothing of it
//! is scheduled. Start at [`HttpProbe::probe`].

use super::answer::judge;
use super::connect::{NoConnection, Stream, Target, connect};
use clawmend_core::observation::{Endpoint, HttpOutcome, HttpSeen};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{ACCEPT, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Largest answer that is read; the real ones are under 2 KiB.
const MAX_BODY: usize = 64 * 1024;

/// When a probe is late, and when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// After this without an answer, [`HttpOutcome::Late`] is told and the probe waits on.
    pub late_after: Duration,
    /// After this without a whole answer, the probe is [`HttpOutcome::TimedOut`].
    pub timeout: Duration,
}

/// Probes one socket, over and over.
pub struct HttpProbe {
    target: Target,
    host: HeaderValue,
    kept: Option<Kept>,
}

/// A connection between two requests. It is driven only while a request is under way.
struct Kept {
    sender: SendRequest<Empty<Bytes>>,
    driver: Connection<TokioIo<Stream>, Empty<Bytes>>,
}

/// How one exchange failed.
enum Failed {
    /// The kept connection had been closed before it gave any byte of an answer: try a new one.
    Stale,
    With(HttpOutcome),
}

impl HttpProbe {
    /// A probe of a socket that the gateway was proven to own.
    #[must_use]
    pub fn new(target: Target) -> Self {
        let host = HeaderValue::from_str(&target.address.to_string()).unwrap_or(HeaderValue::from_static("localhost"));
        Self { target, host, kept: None }
    }

    /// What it probes.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }

    /// Asks once. `on_late` hears at once when the answer is late; the returned evidence is the final one. Dropping
    /// the future ends the request and its connection.
    pub async fn probe(&mut self, endpoint: Endpoint, limits: Limits, on_late: impl FnOnce(HttpSeen)) -> HttpSeen {
        let begun = Instant::now();
        let seen = |outcome| HttpSeen { endpoint, latency_ms: millis(begun.elapsed()), outcome };
        let mut ask = pin!(self.ask(endpoint));
        let early = tokio::time::timeout(limits.late_after.min(limits.timeout), ask.as_mut()).await;
        if let Ok(outcome) = early {
            return seen(outcome);
        }
        on_late(seen(HttpOutcome::Late));
        let left = limits.timeout.saturating_sub(begun.elapsed());
        match tokio::time::timeout(left, ask).await {
            Ok(outcome) => seen(outcome),
            Err(_) => seen(HttpOutcome::TimedOut),
        }
    }

    async fn ask(&mut self, endpoint: Endpoint) -> HttpOutcome {
        // Taken out, so that a request that is given up takes its connection with it.
        if let Some(mut kept) = self.kept.take()
            && still_open(&mut kept).await
        {
            match self.exchange(kept, endpoint, true).await {
                Ok(outcome) | Err(Failed::With(outcome)) => return outcome,
                Err(Failed::Stale) => {}
            }
        }
        let stream = match connect(self.target).await {
            Ok(stream) => stream,
            Err(NoConnection::Refused) => return HttpOutcome::Refused,
            Err(NoConnection::Broken) => return HttpOutcome::Broken,
            Err(NoConnection::Ours(reason)) => return HttpOutcome::CannotTell { reason },
        };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(16 * 1024).max_headers(64);
        match builder.handshake(TokioIo::new(stream)).await {
            Ok((sender, driver)) => match self.exchange(Kept { sender, driver }, endpoint, false).await {
                Ok(outcome) | Err(Failed::With(outcome)) => outcome,
                Err(Failed::Stale) => HttpOutcome::Broken,
            },
            Err(_) => HttpOutcome::Broken,
        }
    }

    async fn exchange(&mut self, mut kept: Kept, endpoint: Endpoint, reused: bool) -> Result<HttpOutcome, Failed> {
        let request = self
            .request(endpoint)
            .ok_or_else(|| Failed::With(HttpOutcome::CannotTell { reason: "the request could not be built".into() }))?;
        let (outcome, keep) = {
            let mut answer = pin!(read_answer(&mut kept.sender, request, endpoint, reused));
            let mut driving = true;
            poll_fn(|cx| {
                // The answer may be whole although the connection has ended: the reader has the last word.
                if driving && Pin::new(&mut kept.driver).poll(cx).is_ready() {
                    driving = false;
                }
                answer.as_mut().poll(cx).map(|result| (result, driving))
            })
            .await
        };
        let outcome = outcome?;
        // A program that does not speak the gateway's language is asked on a new connection each time.
        if keep && !matches!(outcome, HttpOutcome::NotHealth { .. }) {
            self.kept = Some(kept);
        }
        Ok(outcome)
    }

    fn request(&self, endpoint: Endpoint) -> Option<Request<Empty<Bytes>>> {
        let path = match endpoint {
            Endpoint::Healthz => "/healthz",
            Endpoint::Startupz => "/startupz",
            Endpoint::Readyz => "/readyz",
        };
        Request::builder()
            .method(Method::GET)
            .uri(Uri::from_static(path))
            .header(HOST, self.host.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(USER_AGENT, HeaderValue::from_static(concat!("clawmend/", env!("CARGO_PKG_VERSION"))))
            .body(Empty::new())
            .ok()
    }
}

/// Whether the other side has left a kept connection open. A gateway closes it after 5 s without a request.
async fn still_open(kept: &mut Kept) -> bool {
    let ended = poll_fn(|cx| Poll::Ready(Pin::new(&mut kept.driver).poll(cx).is_ready())).await;
    !ended && !kept.sender.is_closed()
}

async fn read_answer(
    sender: &mut SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    endpoint: Endpoint,
    reused: bool,
) -> Result<HttpOutcome, Failed> {
    if sender.ready().await.is_err() {
        return Err(if reused { Failed::Stale } else { Failed::With(HttpOutcome::Broken) });
    }
    let answer = match sender.send_request(request).await {
        Ok(answer) => answer,
        // Not HTTP at all: someone answered, but not a gateway.
        Err(error) if error.is_parse() => return Ok(HttpOutcome::NotHealth { status: 0 }),
        Err(_) if reused => return Err(Failed::Stale),
        Err(_) => return Err(Failed::With(HttpOutcome::Broken)),
    };
    let status = answer.status().as_u16();
    match Limited::new(answer.into_body(), MAX_BODY).collect().await {
        Ok(body) => Ok(judge(endpoint, status, &body.to_bytes())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Ok(HttpOutcome::NotHealth { status }),
        Err(_) => Err(Failed::With(HttpOutcome::Broken)),
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
