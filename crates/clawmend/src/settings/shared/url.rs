//! The address of a lease store.
//!
//! Invariant: what goes there is encrypted, or stays within a private network: without TLS only a private address is
//! taken, never a name, which may lead anywhere. No credential can stand in it.

use crate::settings::standby::is_private;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::net::IpAddr;
use std::str::FromStr;

/// Longest address.
const MAX_LENGTH: usize = 512;

/// A checked address without path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreUrl {
    url: reqwest::Url,
    exposure: Exposure,
}

/// Who could read what goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exposure {
    /// Nobody: TLS, or this very host.
    None,
    /// Whoever is in the private network.
    Network,
}

/// Why an address is not taken. The address is not repeated: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadStoreUrl {
    /// Not an address at all.
    #[error("expected an address such as https://10.0.0.5:2379")]
    Shape,
    /// A user or password in it.
    #[error("the address must not hold a user or password")]
    Credential,
    /// More than scheme, host and port.
    #[error("the address must end with its port")]
    Path,
    /// It would be readable on the way.
    #[error("http:// is only taken for a private address (Tailscale, WireGuard, 10.…, 192.168.…), expected https://")]
    Readable,
}

impl FromStr for StoreUrl {
    type Err = BadStoreUrl;

    fn from_str(text: &str) -> Result<Self, BadStoreUrl> {
        if text.len() > MAX_LENGTH || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(BadStoreUrl::Shape);
        }
        let url: reqwest::Url = text.parse().map_err(|_| BadStoreUrl::Shape)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadStoreUrl::Shape);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadStoreUrl::Credential);
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(BadStoreUrl::Path);
        }
        let host = url.host_str().ok_or(BadStoreUrl::Shape)?;
        let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let here = host.eq_ignore_ascii_case("localhost") || number.is_some_and(|ip| ip.is_loopback());
        let exposure = match url.scheme() {
            "https" => Exposure::None,
            "http" if here => Exposure::None,
            "http" if number.is_some_and(is_private) => Exposure::Network,
            "http" => return Err(BadStoreUrl::Readable),
            _ => return Err(BadStoreUrl::Shape),
        };
        Ok(Self { url, exposure })
    }
}

impl StoreUrl {
    /// With this path, which begins with `/`.
    #[must_use]
    pub fn at(&self, path: &str) -> reqwest::Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }

    /// A password may go there.
    #[must_use]
    pub fn keeps_secrets(&self) -> bool {
        self.exposure == Exposure::None
    }

    /// Host and port, for people.
    #[must_use]
    pub fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
