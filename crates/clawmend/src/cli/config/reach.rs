//! Can the model providers be reached?
//!
//! Invariant: only a TCP connection is opened and closed; no key is sent; all of it together takes at most [`PATIENCE`].

use crate::openclaw::config::check::{Finding, Severity};
use clawmend_core::generation::KeyPath;
use serde_json::Value;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// For all of them.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most providers that are tried.
const MAX_PROVIDERS: usize = 16;

/// The providers that cannot be reached.
pub(super) fn unreachable(config: &Value, env: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let Some(providers) = config.pointer("/models/providers").and_then(Value::as_object) else { return Vec::new() };
    let (tell, told) = mpsc::channel();
    let mut waiting = Vec::new();
    for (name, provider) in providers.iter().take(MAX_PROVIDERS) {
        let Some(url) = provider.get("baseUrl").and_then(Value::as_str) else { continue };
        let url = url
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .and_then(env)
            .unwrap_or_else(|| url.to_owned());
        let Some(host) = host_of(&url) else { continue };
        let (tell, key) = (tell.clone(), name.clone());
        std::thread::spawn(move || {
            let reached = host
                .to_socket_addrs()
                .map_err(|error| error.to_string())
                .and_then(|mut all| all.next().ok_or_else(|| "it has no address".to_owned()))
                .and_then(|addr| TcpStream::connect_timeout(&addr, PATIENCE).map_err(|error| error.to_string()));
            // Nobody listens any more when it took too long.
            let _ = tell.send((key, reached.map(drop)));
        });
        waiting.push(name.clone());
    }
    drop(tell);
    let until = Instant::now() + PATIENCE;
    let mut out = Vec::new();
    while let Ok((name, reached)) = told.recv_timeout(until.saturating_duration_since(Instant::now())) {
        waiting.retain(|other| *other != name);
        if let Err(why) = reached {
            out.push(finding(&name, &why));
        }
    }
    out.extend(waiting.iter().map(|name| finding(name, "no answer within 3 s")));
    out
}

fn finding(name: &str, why: &str) -> Finding {
    let path = KeyPath::new(["models", "providers", name]);
    Finding::outside(Severity::Warning, "provider_unreachable", format!("{path} cannot be reached: {why}"))
}

/// `host:port` of an HTTP address.
fn host_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
    let port = if scheme == "https" { 443 } else { 80 };
    let bare = host.rsplit(']').next().unwrap_or(host);
    if host.is_empty() {
        return None;
    }
    Some(if bare.contains(':') { host.to_owned() } else { format!("{host}:{port}") })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_closed_port_is_told_and_an_open_one_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap().port();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = serde_json::json!({"models": {"providers": {
            "up": {"baseUrl": format!("http://127.0.0.1:{open}/v1"), "apiKey": "sk-x"},
            "down": {"baseUrl": format!("http://user:sk-secret@127.0.0.1:{closed}/v1")},
            "bundled": {"apiKey": "x"},
        }}});
        let found = unreachable(&config, &|_| None);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.starts_with("models.providers.down cannot be reached"), "{}", found[0].message);
        assert!(!found[0].message.contains("sk-"));
    }

    #[test]
    fn hosts_are_read_from_addresses() {
        for (url, host) in [
            ("https://api.example.com/v1", Some("api.example.com:443")),
            ("http://h:1/", Some("h:1")),
            ("http://[::1]/x", Some("[::1]:80")),
            ("http://[::1]:9", Some("[::1]:9")),
            ("nothing", None),
            ("http:///", None),
        ] {
            assert_eq!(host_of(url).as_deref(), host, "{url}");
        }
    }
}
