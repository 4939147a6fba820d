//! Any service that takes a `POST` of JSON, signed.
//!
//! From the [Standard Webhooks specification](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)
//! 1.0: the headers `webhook-id` (the same in every attempt), `webhook-timestamp` (seconds, of this attempt) and
//! `webhook-signature` (`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`), a secret of 24 to 64 bytes written
//! as `whsec_` and base64, a body of `type`, `timestamp` and `data`, any 2xx as success, 410 as the end.
//!
//! Invariant: a template was compiled and rendered, with texts full of quotes and markup, before the settings are taken.
//! The document and the templates: [`document`](super::document).

use super::document::{self, Template};
use crate::notify::http::{Answer, Http, by_status};
use crate::notify::secret::Secret;
use crate::notify::{Address, Letter, NotDelivered, Receipt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clawmend_core::time::Wall;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use std::collections::BTreeMap;

const JSON: &str = "application/json";
/// Headers of one's own.
const MAX_HEADERS: usize = 16;
/// Headers that are ours, or the connection's.
const TAKEN: [&str; 7] =
    ["content-type", "content-length", "host", "connection", "transfer-encoding", "user-agent", "expect"];

/// Any service that takes a `POST`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct Webhook {
    url: Address,
    signing: Option<Key>,
    headers: BTreeMap<String, Secret>,
    content_type: String,
    template: Option<Template>,
}

/// What bodies are signed with, decoded.
#[derive(Clone, PartialEq)]
struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: Address,
    #[serde(default)]
    secret: Option<Secret>,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    template: Option<String>,
}

impl TryFrom<Settings> for Webhook {
    type Error = String;

    fn try_from(from: Settings) -> Result<Self, String> {
        if from.headers.len() > MAX_HEADERS {
            return Err(format!("expected at most {MAX_HEADERS} headers"));
        }
        for (name, value) in &from.headers {
            header(name, value)?;
        }
        let content_type = from.content_type.unwrap_or_else(|| JSON.to_owned());
        HeaderValue::from_str(&content_type).map_err(|_| "`content_type` cannot be a header".to_owned())?;
        let template = from.template.map(|text| Template::checked(text, is_json(&content_type))).transpose()?;
        if template.is_none() && !is_json(&content_type) {
            return Err("without a `template` the content is JSON: leave `content_type` out".to_owned());
        }
        let signing = from.secret.map(|secret| key(&secret)).transpose()?;
        Ok(Self { url: from.url, signing, headers: from.headers, content_type, template })
    }
}

/// `application/json`, and everything that ends in `+json`.
fn is_json(content_type: &str) -> bool {
    let plain = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    plain == JSON || plain.ends_with("+json")
}

fn key(secret: &Secret) -> Result<Key, String> {
    let text = secret.expose();
    let bytes = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).unwrap_or_default();
    if (24..=64).contains(&bytes.len()) {
        Ok(Key(bytes))
    } else {
        Err("expected a `secret` of 24 to 64 bytes in base64 after whsec_, such as `openssl rand -base64 32` makes"
            .to_owned())
    }
}

/// Its value is not repeated.
fn header(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue), String> {
    let lower = name.to_ascii_lowercase();
    if TAKEN.contains(&lower.as_str()) || lower.starts_with("webhook-") {
        return Err(format!("the header {lower} is set by clawmend itself"));
    }
    let name =
        HeaderName::from_bytes(lower.as_bytes()).map_err(|_| "a header has a name that cannot be one".to_owned())?;
    let mut value = HeaderValue::from_str(value.expose())
        .map_err(|_| format!("the header {name} has a value that cannot be one"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

impl Webhook {
    /// Brings it there. `now` is for the signature.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, now: Wall) -> Result<Receipt, NotDelivered> {
        let body = match &self.template {
            Some(template) => template.render(letter).map_err(|why| {
                NotDelivered::person(format!("the webhook's template fails: {why}"), "correct `template`")
            })?,
            None => document::body(letter),
        };
        let url = self.url.url().ok_or_else(|| NotDelivered::refused("the webhook's address cannot be used"))?;
        let request = self.dressed(http.request(Method::POST, url), letter, &body, now)?;
        outcome(&http.send(request.body(body)).await?, self.url.host())
    }

    /// With its headers.
    fn dressed(
        &self,
        request: RequestBuilder,
        letter: &Letter,
        body: &str,
        now: Wall,
    ) -> Result<RequestBuilder, NotDelivered> {
        // A full stop separates what is signed.
        let id = letter.key.replace('.', "_");
        let seconds = now.0.div_euclid(1000);
        let mut request = request
            .header(CONTENT_TYPE, &self.content_type)
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds.to_string());
        if let Some(Key(key)) = &self.signing {
            request = request.header("webhook-signature", signature(key, &id, seconds, body));
        }
        for (name, value) in &self.headers {
            let (name, value) = header(name, value).map_err(NotDelivered::refused)?;
            request = request.header(name, value);
        }
        Ok(request)
    }
}

fn signature(key: &[u8], id: &str, seconds: i64, body: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    let tag = ring::hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag.as_ref()))
}

fn outcome(answer: &Answer, host: &str) -> Result<Receipt, NotDelivered> {
    match by_status(answer, host) {
        // Any 2xx, even where the body was cut off; what it says is nobody's business.
        None => Ok(Receipt::default()),
        Some(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Made with the reference library's own vector:
    /// <https://github.com/standard-webhooks/standard-webhooks/tree/main/libraries>.
    #[test]
    fn the_signature_is_that_of_the_reference() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn what_could_not_be_sent_is_not_taken() {
        for (settings, expected) in [
            ("secret = 'whsec_canary'", "expected a `secret`"),
            ("headers = { Host = 'canary' }", "the header host is set by clawmend itself"),
            ("headers = { 'a b' = 'canary' }", "a header has a name"),
            ("headers = { 'webhook-id' = 'canary' }", "the header webhook-id is set"),
            ("template = '{'", "the template does not give JSON"),
            ("template = '{{ titel }}'", "undefined"),
            ("template = '{{ title'", "the template"),
            ("template = '\"{{ title }}\"'", "without quotes"),
            ("template = '[{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}]'", "fuel"),
            ("content_type = 'text/plain'", "without a `template`"),
            ("unknown = 1", "unknown field"),
        ] {
            let text = format!("url = 'https://example.com/canary'\n{settings}");
            let error = toml::from_str::<Webhook>(&text).unwrap_err().message().to_owned();
            assert!(error.contains(expected), "{settings}: {error}");
            assert!(!error.contains("canary"), "{settings}: {error}");
        }
        let fine = "url = 'https://example.com/canary'\nheaders = { Authorization = 'Bearer canary' }\n\
                    secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\ntemplate = '{\"text\": {{ title }}}'";
        let fine: Webhook = toml::from_str(fine).unwrap();
        assert!(!format!("{fine:?}").contains("canary") && !format!("{fine:?}").contains("MfKQ"), "{fine:?}");
    }
}
