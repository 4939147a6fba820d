//! Takes callbacks from the network: bounded in size, time, number and rate, before anything looks at what they hold.
//!
//! Invariants: only POST at exactly the path that was set gets any further, so nothing changes by opening a link; one request a
//! connection, at most [`MAX_CONNECTIONS`] of them, each over after [`WHOLE`]; an answer says nothing of why. Start at [`serve`].

use super::callback::Headers;
use super::rate::Bucket;
use super::refusals::{Origin, Refusals};
use crate::host::clock;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Largest body, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// Connections at the same time; more are closed.
pub const MAX_CONNECTIONS: usize = 16;
/// Within this the head of a request must be there.
pub const HEAD: Duration = Duration::from_secs(5);
/// Within this the whole body must be there.
pub const BODY: Duration = Duration::from_secs(5);
/// Within this a connection is over.
pub const WHOLE: Duration = Duration::from_secs(15);
/// Longest head, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Longest header that is looked at, in bytes.
const MAX_HEADER: usize = 256;
/// Most characters of the addresses that a proxy names.
const MAX_FORWARDED: usize = 64;
/// Requests at once, and then one for each of so many ms.
const RATE: (u32, u64) = (40, 100);

/// A request whose body is here.
#[derive(Debug)]
pub struct Posted {
    /// What it claims.
    pub headers: Headers,
    /// What it holds.
    pub body: Bytes,
    /// Who sent it, for the log.
    pub from: Origin,
    /// Dropping it answers that it failed.
    pub reply: oneshot::Sender<Reply>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP.
    pub status: u16,
    /// JSON.
    pub body: String,
}

impl Reply {
    /// It was understood, and there is nothing to say.
    #[must_use]
    pub fn nothing() -> Self {
        Self::ok("{}".to_owned())
    }

    /// This.
    #[must_use]
    pub const fn ok(body: String) -> Self {
        Self { status: 200, body }
    }

    /// It does not count; why is in the log.
    #[must_use]
    pub fn refused() -> Self {
        Self { status: 403, body: "{}".to_owned() }
    }
}

fn now_ms() -> u64 {
    clock::now().mono.0
}

/// What all connections share.
struct Gate {
    path: String,
    calls: mpsc::Sender<Posted>,
    refusals: Arc<Refusals>,
    rate: Mutex<Bucket>,
}

/// Takes requests until the future is dropped; with it all connections end.
pub async fn serve(listener: TcpListener, path: String, calls: mpsc::Sender<Posted>, refusals: Arc<Refusals>) {
    let gate = Arc::new(Gate { path, calls, refusals, rate: Mutex::new(Bucket::new(RATE.0, RATE.1)) });
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: accepting again at once would only burn CPU.
                tracing::warn!(%error, "a callback's connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            gate.refusals
                .tell(&Origin::Request { peer: address.ip(), forwarded: String::new() }, "too many connections");
            continue;
        };
        let gate = Arc::clone(&gate);
        connections.spawn(async move {
            let _place = place;
            // Its end, whatever it was, is the end of that connection alone.
            let _ = timeout(WHOLE, converse(stream, address.ip(), gate)).await;
        });
    }
}

async fn converse(stream: TcpStream, peer: IpAddr, gate: Arc<Gate>) {
    let answer = service_fn(move |request| {
        let gate = Arc::clone(&gate);
        async move { Ok::<_, Infallible>(response(gate.answer(peer, request).await)) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false).max_buf_size(MAX_HEAD);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a callback's connection ended early");
    }
}

impl Gate {
    async fn answer(&self, peer: IpAddr, request: Request<Incoming>) -> Reply {
        let from = Origin::Request { peer, forwarded: forwarded(request.headers()) };
        let refuse = |why: &str, status: StatusCode| {
            self.refusals.tell(&from, why);
            Reply { status: status.as_u16(), body: "{}".to_owned() }
        };
        if !self.rate.lock().unwrap_or_else(PoisonError::into_inner).take(now_ms()) {
            return refuse("too many requests", StatusCode::TOO_MANY_REQUESTS);
        }
        if request.uri().path() != self.path {
            return refuse("another path", StatusCode::NOT_FOUND);
        }
        if request.method() != Method::POST {
            return refuse("not POST", StatusCode::METHOD_NOT_ALLOWED);
        }
        let headers = headers(request.headers());
        let body = match timeout(BODY, Limited::new(request.into_body(), MAX_BODY).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return refuse("its body is too long, or was cut off", StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => return refuse("its body did not come in time", StatusCode::REQUEST_TIMEOUT),
        };
        let (reply, answer) = oneshot::channel();
        if self.calls.try_send(Posted { headers, body, from: from.clone(), reply }).is_err() {
            return refuse("too many at once", StatusCode::TOO_MANY_REQUESTS);
        }
        answer.await.unwrap_or_else(|_| refuse("the guard did not answer", StatusCode::SERVICE_UNAVAILABLE))
    }
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}

fn headers(all: &HeaderMap) -> Headers {
    let one = |name: &str| {
        // One that stands there twice is none.
        let mut values = all.get_all(name).iter();
        let value = values.next()?.to_str().ok().filter(|value| value.len() <= MAX_HEADER)?;
        values.next().is_none().then(|| value.to_owned())
    };
    Headers {
        timestamp: one("x-lark-request-timestamp"),
        nonce: one("x-lark-request-nonce"),
        signature: one("x-lark-signature"),
    }
}

/// Addresses only: nothing else of it goes into a log.
fn forwarded(all: &HeaderMap) -> String {
    let value = all.get("x-forwarded-for").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let fine = |c: &char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | ',' | ' ');
    value.chars().filter(fine).take(MAX_FORWARDED).collect()
}
