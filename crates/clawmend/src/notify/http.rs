//! One request to a service beyond this host, and its answer, within bounds.
//!
//! Invariants: no redirect is followed, because the credential would go along; certificates are verified against what
//! this host trusts; an answer is bounded in size and time; an error names the host and never the address. Connections
//! are not kept: at rest this costs nothing.
//!
//! A failure says whether the service can have taken the request ([`NotDelivered::Unsure`]) or surely has not
//! ([`NotDelivered::Retry`]). Start at [`Http::send`].

use super::NotDelivered;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Proxy, RequestBuilder, StatusCode, Upgraded, Url};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 * 1024;
/// To a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// From the request to the end of the answer.
const WHOLE: Duration = Duration::from_secs(15);
/// Longest wait that a service may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// Longest text of a service that is repeated, in characters.
const MAX_SAID: usize = 200;

/// Sends requests.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    connect: Duration,
    whole: Duration,
    /// Shown when it cannot be reached: its host, without user and password.
    proxy: Option<String>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body; cut off when the connection broke in the middle of it.
    pub body: Vec<u8>,
    /// It came to its end.
    pub whole: bool,
}

impl Answer {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// How long the service asks us to wait, from `Retry-After` in seconds (a date is not read), bounded.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds: f64 = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        bounded_seconds(seconds)
    }

    /// The body as words for people: bounded, redacted, on one line.
    #[must_use]
    pub fn said(&self) -> String {
        said(&String::from_utf8_lossy(&self.body))
    }
}

/// Words of a service for people: bounded, redacted, on one line.
#[must_use]
pub fn said(text: &str) -> String {
    let text = crate::openclaw::redact::redact(text, MAX_SAID);
    if text.is_empty() { "it does not say why".to_owned() } else { text }
}

/// A wait in seconds that a service names, within bounds.
#[must_use]
pub fn bounded_seconds(seconds: f64) -> Option<Duration> {
    (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(MAX_RETRY_AFTER.as_secs_f64())))
}

impl Http {
    /// Through this proxy (`http://`, `https://` or `socks5h://`), or straight.
    ///
    /// # Errors
    /// A proxy that is none, or no certificate authority on this host.
    pub fn new(proxy: Option<&str>) -> Result<Self, String> {
        Self::with_limits(proxy, CONNECT, WHOLE)
    }

    /// To a connection, and from the request to the end of the answer: for channels that do not speak HTTP.
    #[must_use]
    pub const fn limits(&self) -> (Duration, Duration) {
        (self.connect, self.whole)
    }

    /// The same with other limits: to a connection, and from the request to the end of the answer.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_limits(proxy: Option<&str>, connect: Duration, whole: Duration) -> Result<Self, String> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls()?)
            .redirect(Policy::none())
            .connect_timeout(connect)
            .timeout(whole)
            .pool_max_idle_per_host(0)
            .no_proxy()
            .user_agent(concat!("clawmend/", env!("CARGO_PKG_VERSION")));
        let mut shown = None;
        if let Some(proxy) = proxy {
            shown = Url::parse(proxy).ok().and_then(|url| shown_host(&url));
            let proxy = Proxy::all(proxy).map_err(|_| "the proxy's address is not one that can be used".to_owned())?;
            builder = builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_string("127.0.0.1,::1,localhost")));
        }
        let client = builder.build().map_err(|error| error.without_url().to_string())?;
        Ok(Self { client, connect, whole, proxy: shown })
    }

    /// A request to be filled and given to [`Self::send`].
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// `POST` of a JSON body.
    pub fn post_json(&self, url: Url, body: &Value) -> RequestBuilder {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        self.client.post(url).header(reqwest::header::CONTENT_TYPE, json).body(body.to_string())
    }

    /// Sends it and reads the answer, whatever its status.
    ///
    /// # Errors
    /// [`NotDelivered::Retry`] when the service surely has not taken it, [`NotDelivered::Unsure`] when it may have.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, NotDelivered> {
        let mut answer = request.send().await.map_err(|error| self.failed(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        let whole = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => {
                    let room = MAX_ANSWER - body.len();
                    body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                    if body.len() == MAX_ANSWER {
                        break false;
                    }
                }
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        Ok(Answer { status, headers, body, whole })
    }

    /// Sends a request that asks for another protocol, and gives the connection from then on.
    ///
    /// # Errors
    /// The service cannot be reached, or does not change the protocol.
    pub async fn upgrade(&self, request: RequestBuilder) -> Result<(HeaderMap, Upgraded), NotDelivered> {
        let answer = request.send().await.map_err(|error| self.failed(&error))?;
        let host = answer.url().host_str().unwrap_or("the service").to_owned();
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(NotDelivered::later(format!("{host} opens no connection ({})", answer.status().as_u16())));
        }
        let headers = answer.headers().clone();
        let opened = answer.upgrade().await;
        opened.map(|opened| (headers, opened)).map_err(|_| NotDelivered::later(format!("{host} opens no connection")))
    }

    /// No connection means that nothing was sent; anything later may have arrived.
    fn failed(&self, error: &reqwest::Error) -> NotDelivered {
        let host = error.url().and_then(Url::host_str).unwrap_or("the service").to_owned();
        if error.is_builder() {
            return NotDelivered::refused("the request could not be built");
        }
        let why = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(error) };
        if !error.is_connect() {
            return NotDelivered::unsure(format!("{host} did not answer: {why}"));
        }
        let through = self.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
        NotDelivered::later(format!("{host} cannot be reached{through}: {why}"))
    }
}

/// Host and port.
fn shown_host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// The innermost reason is the one that says something; it holds no address.
fn innermost(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    said(&inner.to_string())
}

/// What every service means by its status, for those that have nothing to add. `None`: 2xx.
#[must_use]
pub fn by_status(answer: &Answer, host: &str) -> Option<NotDelivered> {
    let code = answer.status.as_u16();
    match code {
        200..=299 => None,
        300..=399 => Some(NotDelivered::person(
            format!("{host} redirects ({code}), and no redirect is followed"),
            "correct the address",
        )),
        401 | 403 | 404 | 410 => Some(NotDelivered::person(
            format!("{host} refuses it ({code}): {}", answer.said()),
            "check the address and the credential",
        )),
        429 => Some(NotDelivered::Retry { why: format!("{host} is asked too often"), after: answer.retry_after() }),
        408 | 500..=599 => {
            Some(NotDelivered::Retry { why: format!("{host} answers {code}"), after: answer.retry_after() })
        }
        _ => Some(NotDelivered::refused(format!("{host} answers {code}: {}", answer.said()))),
    }
}

/// With the certificates that this host trusts.
fn tls() -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err("no certificate authority is known on this host, so no service can be verified".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
