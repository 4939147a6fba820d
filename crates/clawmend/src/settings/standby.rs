//! `[standby]`: this host is one of a pair.
//!
//! Invariant: what is parsed here is whole: a standby knows where its primary is, a primary where it listens, and no
//! address is a public one.

use super::gateway::gateway_id;
use super::mark::mark;
use crate::failover::secrets::{HostKey, Identity, Secrets, Source};
use crate::failover::workspace::{Branch, Remote};
use clawmend_core::failover::Figures;
use clawmend_core::failover::course::Setting;
use clawmend_core::failover::senior::Seniors;
use clawmend_core::gateway::GatewayId;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which of the two this host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// It carries the gateway, and answers its standby.
    Primary,
    /// It watches the primary, and carries on when that is lost.
    Standby,
}

/// How patient a standby is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// A look every 10 s, three misses promote: [`Figures::document`].
    #[default]
    Document,
    /// A look every half second: [`Figures::fast`].
    Fast,
}

impl Timing {
    /// In figures.
    #[must_use]
    pub const fn figures(self) -> Figures {
        match self {
            Self::Document => Figures::document(),
            Self::Fast => Figures::fast(),
        }
    }
}

/// `[standby]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandbySettings {
    /// Which of the two this host is.
    pub side: Side,
    /// Which gateway of this host, where there are several.
    #[serde(default, deserialize_with = "checked_id")]
    pub gateway: Option<GatewayId>,
    /// Where a primary's guard answers its standbys, and a standby's those that come after it: an address of the private
    /// network between them.
    #[serde(default, deserialize_with = "private")]
    pub listen: Option<SocketAddr>,
    /// Where the primary's guard answers. An address, not a name: a name server may be lost together with the primary.
    #[serde(default, deserialize_with = "private")]
    pub peer: Option<SocketAddr>,
    /// Where the guards of the standbys answer that come before this one, in their order: this one takes over only where
    /// none of them does.
    #[serde(default, deserialize_with = "seniors")]
    pub after: Vec<SocketAddr>,
    /// Where the primary's gateway answers, if it can be reached from here: a second way to see that it serves.
    #[serde(default, deserialize_with = "private")]
    pub peer_gateway: Option<SocketAddr>,
    /// Something beyond the primary that answers when this node's own network is well. Any address: it is only connected
    /// to, and told nothing.
    #[serde(default)]
    pub reference: Option<SocketAddr>,
    /// How patient it is.
    #[serde(default)]
    pub timing: Timing,
    /// A standby's gateway runs while it stands by, with its channels switched off.
    #[serde(default)]
    pub warm: bool,
    /// Where the assistant's workspace is kept, for both.
    #[serde(default)]
    pub workspace: Option<WorkspaceSettings>,
    /// Secrets that a standby has only while it carries on.
    #[serde(default)]
    pub secrets: Option<SecretsSettings>,
    /// The key that both share; by default `pair.key` in our own state folder.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

/// `[standby.workspace]`: the primary pushes the assistant's files there, and a standby that takes over brings them here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceSettings {
    /// The git repository that both reach, without a password in its address.
    #[serde(deserialize_with = "remote")]
    pub remote: Remote,
    /// The branch that the primary writes; `main`.
    #[serde(default, deserialize_with = "branch")]
    pub branch: Option<Branch>,
    /// Between two pushes of the primary, in milliseconds.
    #[serde(default = "push_every", deserialize_with = "pause")]
    pub push_every_ms: u64,
}

/// `[standby.secrets]`: a standby that takes over brings them from there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsSettings {
    /// The folder that holds them, on a host that answers by ssh and has rsync.
    #[serde(deserialize_with = "source")]
    pub from: Source,
    /// The key that this host must show.
    #[serde(deserialize_with = "host_key")]
    pub host_key: HostKey,
    /// The key to log in with, without a passphrase; ssh's own choice if none is named.
    #[serde(default, deserialize_with = "identity")]
    pub identity_file: Option<Identity>,
    /// The folder that they are brought into; all of it is Clawmend's.
    #[serde(deserialize_with = "absolute")]
    pub into: PathBuf,
    /// They are removed again when the standby steps back.
    #[serde(default)]
    pub wipe: bool,
}

impl SecretsSettings {
    /// With our own state folder, and a bound for all of it.
    #[must_use]
    pub fn secrets(&self, state: &Path, limit: Duration) -> Secrets {
        Secrets {
            source: self.from.clone(),
            host_key: self.host_key.clone(),
            identity: self.identity_file.clone(),
            into: self.into.clone(),
            work: state.join("secrets"),
            limit,
        }
    }
}

fn source<'de, D: Deserializer<'de>>(from: D) -> Result<Source, D::Error> {
    Source::parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

fn host_key<'de, D: Deserializer<'de>>(from: D) -> Result<HostKey, D::Error> {
    HostKey::parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

fn identity<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Identity>, D::Error> {
    Identity::parse(&String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

fn absolute<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(from)?;
    let below = path.parent().is_some_and(|parent| parent.parent().is_some());
    if path.is_absolute() && below {
        Ok(path)
    } else {
        Err(D::Error::custom(format!("{} must be an absolute path of a folder of its own", path.display())))
    }
}

fn remote<'de, D: Deserializer<'de>>(from: D) -> Result<Remote, D::Error> {
    Remote::parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

fn branch<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Branch>, D::Error> {
    Branch::parse(&String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

const fn push_every() -> u64 {
    300_000
}

fn pause<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let figure = u64::deserialize(from)?;
    if (10_000..=86_400_000).contains(&figure) {
        Ok(figure)
    } else {
        Err(D::Error::custom(format!("{figure} is out of range, expected 10000 to 86400000")))
    }
}

impl StandbySettings {
    /// The same as that of a guard that began with these settings, as this version reads them.
    #[must_use]
    pub fn mark(&self) -> String {
        mark(self)
    }

    /// For the steps of a change of role.
    #[must_use]
    pub fn course(&self) -> Setting {
        Setting {
            warm: self.warm,
            workspace: self.workspace.is_some(),
            secrets: self.secrets.is_some(),
            wipe: self.secrets.as_ref().is_some_and(|secrets| secrets.wipe),
        }
    }

    /// What is missing for its side, or does not fit.
    pub(super) fn missing(&self) -> Option<&'static str> {
        let wipes = self.secrets.as_ref().is_some_and(|secrets| secrets.wipe);
        match self.side {
            Side::Primary if self.warm => Some("`warm` is for the standby"),
            Side::Primary if !self.after.is_empty() => Some("`after` is for a standby"),
            Side::Standby if self.after.iter().any(|one| Some(*one) == self.peer) => {
                Some("`after` names the primary; it is for standbys that come before this one")
            }
            Side::Standby if self.warm && wipes => Some(
                "`warm` and `secrets.wipe` exclude each other: a gateway that runs has its secrets in its memory, and needs \
                 them when it is started again",
            ),
            Side::Primary if self.listen.is_none() => Some("a primary needs `listen`, where it answers its standby"),
            Side::Standby if self.peer.is_none() => Some("a standby needs `peer`, where the primary's guard answers"),
            Side::Primary | Side::Standby => None,
        }
    }
}

fn checked_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<GatewayId>, D::Error> {
    gateway_id(&String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

fn private<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    private_address(SocketAddr::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

fn seniors<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SocketAddr>, D::Error> {
    let all = Vec::<SocketAddr>::deserialize(from)?;
    if all.len() > Seniors::MAX {
        return Err(D::Error::custom(format!("{} standbys, expected at most {}", all.len(), Seniors::MAX)));
    }
    let twice = all.iter().enumerate().find(|(at, one)| all.iter().take(*at).any(|before| before == *one));
    if let Some((_, twice)) = twice {
        return Err(D::Error::custom(format!("{twice} stands there twice")));
    }
    all.into_iter().map(private_address).collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// An address that is no public one.
///
/// # Errors
/// What it is instead, in words for people.
pub fn private_address(address: SocketAddr) -> Result<SocketAddr, String> {
    if is_private(address.ip()) {
        return Ok(address);
    }
    let what = if address.ip().is_unspecified() { "every address of this host" } else { "a public address" };
    Err(format!(
        "{address} is {what}, expected one of the private network between the two (Tailscale, WireGuard, 10.…, 192.168.…)"
    ))
}

/// Loopback, RFC 1918, link-local, the shared space of RFC 6598 (which Tailscale uses), and unique local IPv6 (RFC 4193).
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(text: &str) -> Result<crate::settings::Settings, String> {
        crate::settings::parse(std::path::Path::new("clawmend.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn both_sides_are_read() {
        let standby =
            parsed("[standby]\nside = \"standby\"\npeer = \"100.64.0.1:18790\"\ntiming = \"fast\"\n").unwrap();
        let standby = standby.standby.unwrap();
        assert_eq!(standby.side, Side::Standby);
        assert_eq!(standby.peer, Some("100.64.0.1:18790".parse().unwrap()));
        assert_eq!(standby.timing.figures(), Figures::fast());
        let primary = parsed("[standby]\nside = \"primary\"\nlisten = \"[fd00::1]:18790\"\n").unwrap();
        assert_eq!(primary.standby.unwrap().timing, Timing::Document);
        assert_eq!(parsed("").unwrap().standby, None);
    }

    #[test]
    fn what_is_half_or_public_is_refused() {
        for (text, wants) in [
            ("[standby]\nside = \"standby\"\n", "a standby needs `peer`"),
            ("[standby]\nside = \"primary\"\npeer = \"10.0.0.1:1\"\n", "a primary needs `listen`"),
            ("[standby]\nside = \"primary\"\nlisten = \"0.0.0.0:18790\"\n", "every address of this host"),
            ("[standby]\nside = \"primary\"\nlisten = \"8.8.8.8:18790\"\n", "a public address"),
            ("[standby]\nside = \"primary\"\nlisten = \"100.128.0.1:18790\"\n", "a public address"),
            ("[standby]\nside = \"standby\"\npeer = \"[2001:db8::1]:18790\"\n", "a public address"),
            ("[standby]\nside = \"standby\"\npeer = \"primary.example:18790\"\n", "invalid socket address"),
            (
                "[standby]\nside = \"standby\"\npeer = \"10.0.0.1:1\"\n[standby.workspace]\nremote = \"ext::sh -c x\"\n",
                "must be an address",
            ),
            (
                "[standby]\nside = \"standby\"\npeer = \"10.0.0.1:1\"\n[standby.secrets]\nfrom = \"a@b:/c d\"\n",
                "user@host:/srv/secrets",
            ),
            ("[standby]\nside = \"primary\"\nlisten = \"10.0.0.1:1\"\nwarm = true\n", "is for the standby"),
            (
                "[standby]\nside = \"standby\"\npeer = \"10.0.0.1:1\"\nwarm = true\n[standby.secrets]\nfrom = \"a@b:/c\"\n\
                 host_key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS\"\ninto = \"/a/b\"\n\
                 wipe = true\n",
                "exclude each other",
            ),
            ("[standby]\nside = \"primary\"\nlisten = \"10.0.0.1:1\"\nafter = [\"10.0.0.2:1\"]\n", "is for a standby"),
            ("[standby]\nside = \"standby\"\npeer = \"10.0.0.1:1\"\nafter = [\"10.0.0.1:1\"]\n", "names the primary"),
            ("[standby]\nside = \"standby\"\npeer = \"10.0.0.1:1\"\nafter = [\"8.8.8.8:1\"]\n", "a public address"),
            (
                "[standby]\nside = \"standby\"\npeer = \"10.0.0.1:1\"\nafter = [\"10.0.0.2:1\", \"10.0.0.2:1\"]\n",
                "stands there twice",
            ),
            ("[standby]\nside = \"third\"\npeer = \"10.0.0.1:1\"\n", "unknown variant"),
            ("[standby]\nside = \"standby\"\npeer = \"10.0.0.1:1\"\ntypo = 1\n", "unknown field"),
            ("[standby]\nside = \"standby\"\npeer = \"10.0.0.1:1\"\ngateway = \"../x\"\n", "is no gateway id"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(wants), "{text}: {error}");
        }
    }
}
