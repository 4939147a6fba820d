//! The address of a service, which often is a secret itself: a webhook's path is its credential.
//!
//! Invariant: what goes there is encrypted, or does not leave this host: `http` is only taken for loopback. Only the
//! host is ever shown.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Longest address, in bytes.
const MAX: usize = 2048;

/// A checked address. Shown as its host.
#[derive(Clone)]
pub struct Address {
    whole: SecretString,
    host: String,
}

/// Why an address is not taken. It is not repeated: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Not an address at all.
    #[error("expected an address such as https://hooks.example.com/…")]
    Shape,
    /// A user or password in it.
    #[error("the address must not hold a user or a password")]
    Credential,
    /// It would be readable on the way.
    #[error("expected https:// (http:// is only taken for 127.0.0.1, [::1] and localhost)")]
    Readable,
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim();
        if text.len() > MAX {
            return Err(BadAddress::Shape);
        }
        let url = reqwest::Url::parse(text).map_err(|_| BadAddress::Shape)?;
        let host = url.host_str().ok_or(BadAddress::Shape)?.to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadAddress::Credential);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&host) => {}
            "http" => return Err(BadAddress::Readable),
            _ => return Err(BadAddress::Shape),
        }
        Ok(Self { whole: SecretString::from(url.to_string()), host })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Address {
    /// Its host, without port: all of it that may be shown.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// For a request.
    #[must_use]
    pub fn url(&self) -> Option<reqwest::Url> {
        self.whole.expose_secret().parse().ok()
    }

    /// The same with path segments added (each is encoded): for services whose settings name a base address.
    #[must_use]
    pub fn join(&self, segments: &[&str]) -> Option<reqwest::Url> {
        let mut url = self.url()?;
        url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
        Some(url)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.host)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.whole.expose_secret() == other.whole.expose_secret()
    }
}

impl Eq for Address {}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_would_be_readable_on_the_way_is_refused() {
        for (text, expected) in [
            ("http://hooks.example.com/x", BadAddress::Readable),
            ("http://127.0.0.1.example.com/x", BadAddress::Readable),
            ("https://user:canary@hooks.example.com/x", BadAddress::Credential),
            ("ftp://hooks.example.com/x", BadAddress::Shape),
            ("hooks.example.com/x", BadAddress::Shape),
            ("", BadAddress::Shape),
        ] {
            assert_eq!(text.parse::<Address>().unwrap_err(), expected, "{text}");
        }
        for text in
            ["https://hooks.example.com/x?y=1", "http://127.0.0.1:8080/x", "http://[::1]:1/", "http://localhost/"]
        {
            assert!(text.parse::<Address>().is_ok(), "{text}");
        }
    }

    #[test]
    fn only_the_host_is_shown() {
        let address: Address = "https://hooks.example.com/services/canary0123456789".parse().unwrap();
        assert_eq!(format!("{address:?} {address}"), "Address(hooks.example.com) hooks.example.com");
    }

    #[test]
    fn segments_are_added_and_encoded() {
        let address: Address = "https://api.example.com/v1/".parse().unwrap();
        assert_eq!(address.join(&["bot1:a b", "send"]).unwrap().as_str(), "https://api.example.com/v1/bot1:a%20b/send");
    }
}
