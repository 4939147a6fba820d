//! Our own configuration file, `clawmend.toml`, parsed into types at the edge.
//!
//! Invariant: a [`Settings`] value only holds figures within their documented ranges and names that are safe in a
//! file name, so nobody behind this module checks them again. Every setting is optional; an empty file is the
//! common case. A broken file never replaces settings that are in use: [`load`] returns an error that names line,
//! column and what was expected, and the caller keeps what it has. Start at [`load`].

mod ai;
mod approval;
mod error;
mod gateway;
mod mark;
mod notify;
mod policy;
mod shared;
mod standby;
mod synthetic;

pub use ai::{AiSettings, BadUrl, BaseUrl, CredentialSource, Engine};
pub use approval::ApprovalSettings;
pub use error::SettingsError;
pub use gateway::{BadId, GatewaySettings, Scope, gateway_id};
pub use notify::NotifySettings;
pub use policy::{PolicyOverrides, PolicySettings, Preset};
pub use shared::{
    BadStoreUrl, EtcdSettings, FenceHook, KubernetesSettings, LeaseTiming, Login, SharedSettings, StoreSettings,
    StoreUrl,
};
pub use standby::{SecretsSettings, Side, StandbySettings, Timing, WorkspaceSettings, private_address};
pub use synthetic::SyntheticSettings;

use serde::Deserialize;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Largest file that is read, in bytes; a sane one has a few hundred.
const MAX_BYTES: u64 = 256 * 1024;
/// Most gateways that one guard takes on.
const MAX_GATEWAYS: usize = 64;

/// Everything that a person may set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[guard]`.
    pub guard: GuardSettings,
    /// `[policy]`.
    pub policy: PolicySettings,
    /// `[ai]`.
    pub ai: AiSettings,
    /// `[synthetic]`.
    pub synthetic: SyntheticSettings,
    /// `[notify]`.
    pub notify: NotifySettings,
    /// `[approval]`.
    pub approval: ApprovalSettings,
    /// `[standby]`; `None`: this host is not one of a pair.
    pub standby: Option<StandbySettings>,
    /// `[shared]`; `None`: this host is not one of a group with a lease. Never beside `standby`.
    pub shared: Option<SharedSettings>,
    /// `[[gateway]]`, in the order of the file, with ids that differ. Empty: whatever is found on this host.
    pub gateways: Vec<GatewaySettings>,
}

/// `[guard]`: the guard itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardSettings {
    /// Language of messages to people; `None`: the system's.
    pub language: Option<Language>,
    /// A file whose presence pauses the guard.
    pub flag_file: PathBuf,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { language: None, flag_file: PathBuf::from("/tmp/openclaw-maintenance") }
    }
}

/// Language of messages to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Language {
    /// English.
    #[serde(rename = "en")]
    English,
    /// Simplified Chinese.
    #[serde(rename = "zh-CN")]
    Chinese,
}

impl Language {
    /// Of the same words in both, those that this reader has.
    #[must_use]
    pub const fn pick<'t>(self, en: &'t str, zh: &'t str) -> &'t str {
        match self {
            Self::English => en,
            Self::Chinese => zh,
        }
    }

    /// By the locale.
    #[must_use]
    pub fn of_system() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG")).unwrap_or_default();
        if locale.starts_with("zh") { Self::Chinese } else { Self::English }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    guard: GuardSettings,
    policy: PolicySettings,
    ai: AiSettings,
    synthetic: Option<Spanned<SyntheticSettings>>,
    notify: NotifySettings,
    approval: ApprovalSettings,
    standby: Option<Spanned<StandbySettings>>,
    shared: Option<Spanned<SharedSettings>>,
    gateway: Vec<Spanned<GatewaySettings>>,
}

/// Reads and parses the file.
///
/// # Errors
/// [`SettingsError::Missing`] when there is no file (a caller that was not asked for this very file uses
/// [`Settings::default`] then), otherwise what is wrong and where.
pub fn load(path: &Path) -> Result<Settings, SettingsError> {
    let unreadable = |source: std::io::Error| {
        if source.kind() == std::io::ErrorKind::NotFound {
            SettingsError::Missing { path: path.to_owned() }
        } else {
            SettingsError::Unreadable { path: path.to_owned(), source }
        }
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_BYTES) {
        return Err(SettingsError::TooLarge { path: path.to_owned(), limit: MAX_BYTES });
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        SettingsError::invalid(path, e.as_bytes(), at, "this is not UTF-8 text")
    })?;
    parse(path, &text)
}

/// [`load`], where a missing file means that nothing was set.
///
/// # Errors
/// As [`load`], without `Missing`.
pub fn load_or_default(path: &Path) -> Result<Settings, SettingsError> {
    match load(path) {
        Err(SettingsError::Missing { .. }) => Ok(Settings::default()),
        other => other,
    }
}

/// Parses a text; `path` only names it in errors.
///
/// # Errors
/// [`SettingsError::Invalid`].
pub fn parse(path: &Path, text: &str) -> Result<Settings, SettingsError> {
    let file: File = toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        SettingsError::invalid(path, text.as_bytes(), at, e.message())
    })?;
    let mut gateways: Vec<GatewaySettings> = Vec::new();
    for entry in file.gateway {
        let at = entry.span().start;
        let wrong = |message: String| SettingsError::invalid(path, text.as_bytes(), at, &message);
        if gateways.len() == MAX_GATEWAYS {
            return Err(wrong(format!("too many gateways, expected at most {MAX_GATEWAYS}")));
        }
        let entry = entry.into_inner();
        if gateways.iter().any(|other| other.id == entry.id) {
            return Err(wrong(format!("gateway id `{}` is used twice, expected a different one", entry.id.0)));
        }
        gateways.push(entry);
    }
    let synthetic = match file.synthetic {
        Some(entry) if entry.get_ref().slow_after_ms >= entry.get_ref().timeout_ms => {
            let message = "slow_after_ms must be less than timeout_ms";
            return Err(SettingsError::invalid(path, text.as_bytes(), entry.span().start, message));
        }
        Some(entry) => entry.into_inner(),
        None => SyntheticSettings::default(),
    };
    let standby = match file.standby {
        Some(entry) => match entry.get_ref().missing() {
            Some(missing) => {
                return Err(SettingsError::invalid(path, text.as_bytes(), entry.span().start, missing));
            }
            None => Some(entry.into_inner()),
        },
        None => None,
    };
    let shared = match file.shared {
        Some(entry) if standby.is_some() => {
            let message = "[standby] and [shared] are both there, expected one: either each node has channels of its own, or \
                           all share the same under a lease";
            return Err(SettingsError::invalid(path, text.as_bytes(), entry.span().start, message));
        }
        other => other.map(Spanned::into_inner),
    };
    Ok(Settings {
        guard: file.guard,
        policy: file.policy,
        ai: file.ai,
        synthetic,
        notify: file.notify,
        approval: file.approval,
        standby,
        shared,
        gateways,
    })
}

#[cfg(test)]
mod tests;
