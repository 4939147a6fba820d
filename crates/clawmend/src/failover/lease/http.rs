//! JSON over HTTP to a lease store, within bounds.
//!
//! Invariants: no redirect is followed and no proxy used, because the credential would go along; certificates are
//! verified; an answer is bounded while it is read. Nothing is sent twice here: whoever asks knows what may be.

use super::{CannotOpen, Trouble};
use crate::openclaw::files::read_bounded;
use clawmend_core::time::Wall;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest answer that is read, in bytes.
const ANSWER_MAX: usize = 256 * 1024;
/// Largest file of certificates, in bytes.
const CERTIFICATES_MAX: u64 = 1024 * 1024;
/// A connection is kept for so long after its last use: longer than between two renewals.
const IDLE: Duration = Duration::from_secs(30);

/// Speaks to one store.
#[derive(Debug)]
pub struct Http {
    client: Client,
    clock: Mutex<Option<Wall>>,
}

/// What came back, whatever its status.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// How long the store asks us to wait.
    pub retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// An answer that goes on, a line at a time.
#[derive(Debug)]
pub struct Lines {
    answer: reqwest::Response,
    place: String,
    /// What has come of the next line, and behind it.
    come: Vec<u8>,
    /// So much of that has no end of a line.
    searched: usize,
}

/// One request.
#[derive(Debug)]
pub struct Call<'a> {
    /// How.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// Host and port, for people.
    pub place: &'a str,
    /// The whole `Authorization`.
    pub authorization: Option<&'a SecretString>,
    /// The body.
    pub body: Option<&'a Value>,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Option<Value> {
        self.parse()
    }

    /// The body as this.
    pub fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Words of the store for people: bounded, redacted, on one line.
    pub fn said(&self) -> String {
        let message =
            self.json().and_then(|body| Some(body.get("message").or(body.get("error"))?.as_str()?.to_owned()));
        crate::notify::http::said(&message.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned()))
    }
}

impl Http {
    /// Trusts the authorities of this file, or those that this host trusts.
    ///
    /// # Errors
    /// There are none.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, CannotOpen> {
        let builder = Client::builder()
            .tls_backend_preconfigured(tls(ca_file)?)
            .redirect(Policy::none())
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("clawmend/", env!("CARGO_PKG_VERSION")));
        let client = builder.build().map_err(|error| CannotOpen::Tls(error.without_url().to_string()))?;
        Ok(Self { client, clock: Mutex::default() })
    }

    /// The store's own clock, in whole seconds, as its last answer said (`Date`, RFC 9110). For people: nothing is decided
    /// by it.
    pub fn clock(&self) -> Option<Wall> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends it and reads the whole answer. The caller bounds the time.
    ///
    /// # Errors
    /// No connection, or a broken one. It may have arrived.
    pub async fn send(&self, call: Call<'_>) -> Result<Reply, Trouble> {
        let place = call.place;
        self.read(self.begin(call).await?, place).await
    }

    /// Sends it, and leaves the answer to be read as it comes; `Err` inside when the store has refused it. The caller bounds
    /// the time.
    ///
    /// # Errors
    /// No connection, or a broken one.
    pub async fn lines(&self, call: Call<'_>) -> Result<Result<Lines, Reply>, Trouble> {
        let place = call.place;
        let answer = self.begin(call).await?;
        if answer.status().is_success() {
            return Ok(Ok(Lines { answer, place: place.to_owned(), come: Vec::new(), searched: 0 }));
        }
        self.read(answer, place).await.map(Err)
    }

    async fn begin(&self, call: Call<'_>) -> Result<reqwest::Response, Trouble> {
        let Call { method, url, place, authorization, body } = call;
        let mut request = self.client.request(method, url);
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_str(authorization.expose_secret())
                .map_err(|_| Trouble::Credential { why: "it cannot stand in a header".to_owned() })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(body) = body {
            let json = HeaderValue::from_static("application/json");
            request = request.header(CONTENT_TYPE, json).body(body.to_string());
        }
        request.send().await.map_err(|error| unreachable(place, &error))
    }

    async fn read(&self, mut answer: reqwest::Response, place: &str) -> Result<Reply, Trouble> {
        let retry_after = answer.headers().get(reqwest::header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|wait| wait.to_str().ok()?.trim().parse().ok().map(Duration::from_secs));
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = date(answer.headers());
        let mut body = Vec::new();
        while more(&mut answer, &mut body, place).await? {}
        Ok(Reply { status: answer.status().as_u16(), retry_after, body })
    }
}

impl Lines {
    /// The next one, without its end; `None`: the store has ended its answer. Dropping it half-way loses nothing.
    ///
    /// # Errors
    /// A broken connection, or a line that is far too long.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        loop {
            let unsearched = self.come.get(self.searched..).unwrap_or_default();
            if let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.come.drain(..=self.searched + end).collect();
                line.pop();
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.come.len();
            if !more(&mut self.answer, &mut self.come, &self.place).await? {
                return Ok(None);
            }
        }
    }
}

/// What has come behind what is there, within the bound; answers whether there may be more.
async fn more(answer: &mut reqwest::Response, come: &mut Vec<u8>, place: &str) -> Result<bool, Trouble> {
    let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(place, &error))? else { return Ok(false) };
    if come.len() + chunk.len() > ANSWER_MAX {
        return Err(Trouble::Garbled { place: place.to_owned(), what: "an answer that is far too long" });
    }
    come.extend_from_slice(&chunk);
    Ok(true)
}

fn unreachable(place: &str, error: &reqwest::Error) -> Trouble {
    Trouble::Unreachable { place: place.to_owned(), why: innermost(error) }
}

fn date(headers: &HeaderMap) -> Option<Wall> {
    let said = jiff::fmt::rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(Wall(said.timestamp().as_millisecond()))
}

/// The innermost reason is the one that says something; it holds no address.
fn innermost(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    crate::notify::http::said(&inner.to_string())
}

fn tls(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, CannotOpen> {
    let mut roots = rustls::RootCertStore::empty();
    let found = match ca_file {
        Some(path) => authorities(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = roots.add_parsable_certificates(found);
    if added == 0 {
        return Err(ca_file.map_or(CannotOpen::NoRoots, |path| CannotOpen::NoCertificate { path: path.to_owned() }));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CannotOpen::Tls(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, CannotOpen> {
    let bytes = read_bounded(path, CERTIFICATES_MAX).map_err(|source| CannotOpen::File {
        setting: "ca_file",
        path: path.to_owned(),
        source,
    })?;
    CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| CannotOpen::NoCertificate { path: path.to_owned() })
}
