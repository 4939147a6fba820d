//! Asks a service that speaks OpenAI's chat completions.
//!
//! Invariants: the credential goes to the address in the settings and nowhere else, so a redirect is not followed; without
//! TLS only to an address of loopback, looked at after the name was resolved; certificates are verified; the answer is
//! bounded while it is read. Deliberately absent: proxies, streaming, retries.

use super::reply::MAX_REPLY;
use crate::settings::BaseUrl;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret as _, SecretString};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// Longest text of the service's own error that is kept.
const MAX_SAID: usize = 300;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No connection, or it broke.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// Where.
        host: String,
        /// Why.
        why: String,
    },
    /// It would be readable on the way.
    #[error("{host} is not this host, and its address begins with http://")]
    Readable {
        /// Where.
        host: String,
    },
    /// Nothing can be verified.
    #[error("no certificate authority is known on this host, so {host} cannot be verified")]
    NoRoots {
        /// Where.
        host: String,
    },
    /// It wants us to go elsewhere.
    #[error("it redirects ({status}) to {to}, and no redirect is followed, because the credential would go along")]
    Redirect {
        /// HTTP status.
        status: u16,
        /// Where to.
        to: String,
    },
    /// 401, 403.
    #[error("it refuses the credential ({status}): {said}")]
    Credential {
        /// HTTP status.
        status: u16,
        /// What it says.
        said: String,
    },
    /// 429.
    #[error("it is asked too often, or its credit is used up ({status}): {said}")]
    TooOften {
        /// HTTP status.
        status: u16,
        /// What it says.
        said: String,
    },
    /// Any other status than 200.
    #[error("it answered {status}: {said}")]
    Status {
        /// HTTP status.
        status: u16,
        /// What it says.
        said: String,
    },
    /// Far more than any answer.
    #[error("its answer is longer than {MAX_REPLY} bytes")]
    Flooded,
}

/// Asks. The caller bounds the time.
///
/// # Errors
/// Why there is no answer.
pub async fn ask(
    url: &BaseUrl,
    model: &str,
    credential: Option<&SecretString>,
    question: &str,
) -> Result<Vec<u8>, EndpointError> {
    let body = serde_json::json!({
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "stream": false,
    });
    let request =
        request(url, credential, body.to_string()).ok_or_else(|| unreachable(url, "the request could not be built"))?;
    let tcp = connect(url).await?;
    if !url.tls {
        return exchange(url, tcp, request).await;
    }
    let config = tls_config(url)?;
    let name = ServerName::try_from(url.host.clone()).map_err(|error| unreachable(url, error))?;
    let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(|error| unreachable(url, error))?;
    exchange(url, tls, request).await
}

fn unreachable(url: &BaseUrl, why: impl std::fmt::Display) -> EndpointError {
    EndpointError::Unreachable { host: url.host_header(), why: why.to_string() }
}

async fn connect(url: &BaseUrl) -> Result<TcpStream, EndpointError> {
    let found = tokio::net::lookup_host((url.host.as_str(), url.port)).await;
    let addresses: Vec<SocketAddr> = found.map_err(|error| unreachable(url, error))?.take(MAX_ADDRESSES).collect();
    if !url.tls && !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err(EndpointError::Readable { host: url.host_header() });
    }
    TcpStream::connect(addresses.as_slice()).await.map_err(|error| unreachable(url, error))
}

/// With the certificates that this host trusts.
fn tls_config(url: &BaseUrl) -> Result<Arc<ClientConfig>, EndpointError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(EndpointError::NoRoots { host: url.host_header() });
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unreachable(url, error))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn request(url: &BaseUrl, credential: Option<&SecretString>, body: String) -> Option<Request<Full<Bytes>>> {
    let mut builder = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/chat/completions", url.path))
        .header(HOST, url.host_header())
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(USER_AGENT, HeaderValue::from_static(concat!("clawmend/", env!("CARGO_PKG_VERSION"))));
    if let Some(credential) = credential {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", credential.expose_secret())).ok()?;
        value.set_sensitive(true);
        builder = builder.header(AUTHORIZATION, value);
    }
    builder.body(Full::new(Bytes::from(body))).ok()
}

async fn exchange<S>(url: &BaseUrl, stream: S, request: Request<Full<Bytes>>) -> Result<Vec<u8>, EndpointError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(64 * 1024).max_headers(100);
    let broken = |error: hyper::Error| unreachable(url, error);
    let (mut sender, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        let to = answer.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
        match Limited::new(answer.into_body(), MAX_REPLY).collect().await {
            Ok(body) => judge(status, to, &body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(EndpointError::Flooded),
            Err(error) => Err(unreachable(url, error)),
        }
    };
    tokio::pin!(answer, driver);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The connection may end as soon as the answer is whole: the reader has the last word.
        _ = &mut driver => answer.await,
    }
}

fn judge(status: u16, to: Option<String>, body: &[u8]) -> Result<Vec<u8>, EndpointError> {
    if status == 200 {
        return Ok(body.to_vec());
    }
    let text = String::from_utf8_lossy(body);
    let said = match super::envelope::open(&text) {
        super::envelope::Opened::Failed(said) => said,
        super::envelope::Opened::Answer(_) | super::envelope::Opened::None => shown(&text),
    };
    Err(match status {
        300..=399 => EndpointError::Redirect { status, to: shown(&to.unwrap_or_default()) },
        401 | 403 => EndpointError::Credential { status, said },
        429 | 402 => EndpointError::TooOften { status, said },
        _ => EndpointError::Status { status, said },
    })
}

fn shown(text: &str) -> String {
    let text = crate::openclaw::redact::redact(text, MAX_SAID);
    if text.is_empty() { "it does not say why".to_owned() } else { text }
}
