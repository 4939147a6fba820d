//! Where the secrets are kept, and how that host proves itself.
//!
//! Invariant: what comes out of here cannot be taken for an option, a shell's word or a line of another kind in a file of
//! ssh.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::path::{Path, PathBuf};

/// Longest part of an address.
const PART_MAX: usize = 255;
/// Longest key of a host, in letters. RSA with 8192 bits has 1400.
const KEY_MAX: usize = 2_048;
const KINDS: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSource {
    /// The address.
    #[error(
        "the secrets are kept at an address such as user@host:/srv/secrets or user@host:2222:/srv/secrets, of letters, digits and . _ - /"
    )]
    Address,
    /// The key.
    #[error(
        "`host_key` is one line of `ssh-keyscan HOST` without the host, such as `ssh-ed25519 AAAA…`; compare it on the host itself"
    )]
    Key,
    /// The private key.
    #[error("`identity_file` is an absolute path without \" % $ or \\, which ssh would read as something else")]
    Identity,
}

/// A folder on another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    user: String,
    host: String,
    port: u16,
    folder: String,
}

impl Source {
    /// `user@host:/folder` or `user@host:port:/folder`.
    ///
    /// # Errors
    /// It could be taken for something else.
    pub fn parse(text: &str) -> Result<Self, BadSource> {
        let (user, rest) = text.split_once('@').ok_or(BadSource::Address)?;
        let (place, folder) = rest.split_once(":/").ok_or(BadSource::Address)?;
        let (host, port) = match place.split_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0).ok_or(BadSource::Address)?),
            None => (place, 22),
        };
        let folder = format!("/{}", folder.trim_end_matches('/'));
        let fits = is_name(user) && is_name(host) && is_folder(&folder);
        let source = Self { user: user.to_owned(), host: host.to_owned(), port, folder };
        if fits { Ok(source) } else { Err(BadSource::Address) }
    }

    /// Its folder there.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// What rsync takes: everything in the folder.
    pub(super) fn content(&self) -> String {
        format!("{}@{}:{}/", self.user, self.host, self.folder)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@{}:{}", self.user, self.host, self.folder)
    }
}

fn is_name(text: &str) -> bool {
    let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    letters && !text.is_empty() && text.len() <= PART_MAX && !text.starts_with(['-', '.'])
}

fn is_folder(text: &str) -> bool {
    let parts = text.split('/').skip(1).all(|part| is_name(part) || hidden(part));
    parts && text.len() <= PART_MAX
}

/// `.openclaw`, and never `..`.
fn hidden(part: &str) -> bool {
    part.strip_prefix('.').is_some_and(is_name)
}

/// The public key of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey(String);

impl HostKey {
    /// As `ssh-keyscan` prints it, without the host; a comment behind it is dropped.
    ///
    /// # Errors
    /// It is no such key.
    pub fn parse(text: &str) -> Result<Self, BadSource> {
        let mut parts = text.split_ascii_whitespace();
        let (Some(kind), Some(key)) = (parts.next(), parts.next()) else { return Err(BadSource::Key) };
        // The key says its kind itself, behind its length (RFC 4253, section 6.6).
        let says = |bytes: &[u8]| bytes.get(4..4 + kind.len()) == Some(kind.as_bytes());
        let whole = key.len() <= KEY_MAX && STANDARD.decode(key).is_ok_and(|bytes| says(&bytes));
        if KINDS.contains(&kind) && whole { Ok(Self(format!("{kind} {key}"))) } else { Err(BadSource::Key) }
    }

    pub(super) fn line(&self) -> &str {
        &self.0
    }
}

/// The file of a private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(PathBuf);

impl Identity {
    /// An absolute path.
    ///
    /// # Errors
    /// A file of ssh could not name it.
    pub fn parse(text: &str) -> Result<Self, BadSource> {
        let plain = !text.contains(['"', '%', '$', '\\']) && !text.chars().any(char::is_control);
        if plain && Path::new(text).is_absolute() { Ok(Self(text.into())) } else { Err(BadSource::Identity) }
    }

    /// Where it is.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_read() {
        let source = Source::parse("claw@10.0.0.2:/srv/secrets/").unwrap();
        assert_eq!((source.content().as_str(), source.port()), ("claw@10.0.0.2:/srv/secrets/", 22));
        let source = Source::parse("claw@vault.lan:2222:/home/claw/.openclaw/secrets").unwrap();
        assert_eq!((source.port(), source.folder()), (2222, "/home/claw/.openclaw/secrets"));
    }

    #[test]
    fn what_could_be_something_else_is_refused() {
        for text in [
            "",
            "host:/srv",
            "claw@host",
            "claw@host:srv",
            "claw@host:/",
            "-oProxyCommand=x@host:/srv",
            "claw@-oProxyCommand:/srv",
            "claw@host:0:/srv",
            "claw@host:99999:/srv",
            "claw@host:/srv/../etc",
            "claw@host:/srv/$(id)",
            "claw@host:/srv/a b",
            "claw@host:/srv\n",
            "claw@host::module",
        ] {
            assert_eq!(Source::parse(text), Err(BadSource::Address), "{text:?}");
        }
    }

    #[test]
    fn a_host_key_is_what_it_says() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";
        assert_eq!(HostKey::parse(&format!("{key} root@host")).unwrap().line(), key);
        for text in [
            "",
            "ssh-ed25519",
            "ssh-dss AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS",
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS",
            "host ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS",
            "ssh-ed25519 not*base64",
        ] {
            assert_eq!(HostKey::parse(text), Err(BadSource::Key), "{text}");
        }
    }
}
