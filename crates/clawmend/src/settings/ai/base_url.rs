//! The address of a model service.
//!
//! Invariant: what goes there is encrypted, or does not leave this host: `http` is only taken for loopback. No
//! credential can stand in it.

use std::net::IpAddr;
use std::str::FromStr;

/// Longest address.
const MAX_LENGTH: usize = 512;

/// A checked address, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// It is `https`.
    pub tls: bool,
    /// A name, or an address (IPv6 without brackets).
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// What requests begin with: empty, or `/` and more, without a slash at the end.
    pub path: String,
    text: String,
}

/// Why an address is not taken. The address is not repeated: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not an address at all.
    #[error("expected an address such as https://models.example.com/v1")]
    Shape,
    /// A user or password in it.
    #[error("the address must not hold a user or password; name the credential with credential_env or credential_file")]
    Credential,
    /// A query or fragment.
    #[error("the address must end with its path")]
    Query,
    /// Neither of the two.
    #[error("expected https://, or http:// for a service on this host")]
    Scheme,
    /// It would be readable on the way.
    #[error("http:// is only taken for 127.0.0.1, [::1] and localhost, expected https://")]
    Readable,
}

impl FromStr for BaseUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        // It becomes part of arguments, settings and headers: nothing that could end a quoted text in them.
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/[]%@?&=+!$,;".contains(&b);
        if text.len() > MAX_LENGTH || !text.bytes().all(fine) {
            return Err(BadUrl::Shape);
        }
        let uri: hyper::Uri = text.parse().map_err(|_| BadUrl::Shape)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(BadUrl::Shape) };
        if authority.as_str().contains('@') {
            return Err(BadUrl::Credential);
        }
        if uri.query().is_some() {
            return Err(BadUrl::Query);
        }
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(BadUrl::Scheme),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(BadUrl::Shape);
        }
        if !tls && !is_loopback_name(&host) {
            return Err(BadUrl::Readable);
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { tls, host, port, path, text: text.trim_end_matches('/').to_owned() })
    }
}

/// By name or number this very host. What a name resolves to is looked at once more before anything is sent.
fn is_loopback_name(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl BaseUrl {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// For the `Host` header: with the port where it is not the usual one.
    #[must_use]
    pub fn host_header(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let url: BaseUrl = "https://models.example.com/v1/".parse().unwrap();
        assert_eq!((url.tls, url.host.as_str(), url.port, url.path.as_str()), (true, "models.example.com", 443, "/v1"));
        assert_eq!((url.as_str(), url.host_header().as_str()), ("https://models.example.com/v1", "models.example.com"));
        let url: BaseUrl = "http://[::1]:8080".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("::1", 8080, ""));
        assert_eq!(url.host_header(), "[::1]:8080");
    }

    #[test]
    fn what_could_be_read_on_the_way_is_refused() {
        for url in ["http://127.0.0.1:1/v1", "http://127.9.9.9/", "http://localhost:11434/v1", "http://LOCALHOST"] {
            assert!(url.parse::<BaseUrl>().is_ok(), "{url}");
        }
        for url in [
            "http://models.example.com",
            "http://127.0.0.1.example.com",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "http://0.0.0.0",
        ] {
            assert_eq!(url.parse::<BaseUrl>(), Err(BadUrl::Readable), "{url}");
        }
        assert_eq!("ftp://a/b".parse::<BaseUrl>(), Err(BadUrl::Scheme));
        assert_eq!("https://u:p@a/b".parse::<BaseUrl>(), Err(BadUrl::Credential));
        assert_eq!("https://a/b?key=1".parse::<BaseUrl>(), Err(BadUrl::Query));
        for url in ["", "models.example.com", "/v1", "https://", "https://a/#x", "https:// a", "https://a\nb"] {
            assert_eq!(url.parse::<BaseUrl>(), Err(BadUrl::Shape), "{url:?}");
        }
    }
}
