//! The keys that a restore leaves as they are (invariant 6), and those whose values are never shown.
//!
//! Names are those of OpenClaw 2026.9.6's schema. A name counts at any depth, because channels, accounts, agents and
//! tools repeat the same ones. Erring on the side of holding is harmless: a key that is held keeps the value that it
//! has now.

use super::path::KeyPath;
use serde::{Deserialize, Serialize};

/// Why a key is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarded {
    /// Who speaks on a channel, and what runs by itself.
    Role,
    /// Who may do what.
    Security,
    /// A credential.
    Credential,
    /// OpenClaw's own notes on the file.
    Meta,
}

/// Sections that are held as a whole.
const WHOLE: [(&str, Guarded); 7] = [
    ("meta", Guarded::Meta),
    ("cron", Guarded::Role),
    ("approvals", Guarded::Security),
    ("accessGroups", Guarded::Security),
    ("security", Guarded::Security),
    ("auth", Guarded::Credential),
    ("env", Guarded::Credential),
];

/// Keys of `gateway` that say who can reach it and how they prove themselves.
const GATEWAY: [&[&str]; 13] = [
    &["bind"],
    &["customBindHost"],
    &["trustedProxies"],
    &["allowRealIpFallback"],
    &["roles"],
    &["tailscale"],
    &["tls"],
    &["nodes"],
    &["tools"],
    &["auth", "mode"],
    &["auth", "allowTailscale"],
    &["auth", "trustedProxy"],
    &["auth", "rateLimit"],
];

/// Names that decide about rights wherever they stand.
const SECURITY: [&str; 20] = [
    "allow",
    "deny",
    "alsoAllow",
    "dmPolicy",
    "groupPolicy",
    "requestPolicy",
    "sendPolicy",
    "directPolicy",
    "approvalPolicy",
    "approvers",
    "execApprovals",
    "elevated",
    "elevatedDefault",
    "sandbox",
    "noSandbox",
    "ssrfPolicy",
    "webhookSsrfPolicy",
    "insecureSkipVerify",
    "toolPolicy",
    "trustedLocalFileRoots",
];

/// Parts of names that decide about rights.
const SECURITY_PARTS: [&str; 7] =
    ["allowfrom", "allowlist", "allowed", "dangerously", "insecure", "autoapprove", "trusted"];

/// Endings of names whose values are credentials.
const SECRET_ENDINGS: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passphrase",
    "apikey",
    "privatekey",
    "clientkey",
    "encryptkey",
    "authtag",
    "credential",
    "credentials",
    "cookie",
];

/// Why the value at `path` stays as it is, if it does.
#[must_use]
pub fn guarded(path: &KeyPath) -> Option<Guarded> {
    let keys = path.segments();
    let (first, last) = (keys.first()?.as_str(), keys.last()?.as_str());
    if let Some((_, why)) = WHOLE.iter().find(|(name, _)| *name == first) {
        return Some(*why);
    }
    if is_role(keys) {
        return Some(Guarded::Role);
    }
    if is_secret(path) {
        return Some(Guarded::Credential);
    }
    if first == "gateway" && GATEWAY.iter().any(|tail| starts_with(&keys[1..], tail)) {
        return Some(Guarded::Security);
    }
    let lower = last.to_ascii_lowercase();
    let named = keys.iter().any(|key| SECURITY.contains(&key.as_str()))
        || SECURITY_PARTS.iter().any(|part| lower.contains(part))
        || (first == "tools" || keys.iter().any(|key| key == "tools")) && keys.iter().any(|key| key == "exec");
    named.then_some(Guarded::Security)
}

/// `channels.X.enabled`, `channels.X.accounts.Y.enabled`, and the plug-in that a channel lives in.
fn is_role(keys: &[String]) -> bool {
    let words: Vec<&str> = keys.iter().map(String::as_str).collect();
    matches!(
        words.as_slice(),
        ["channels", _, "enabled"]
            | ["channels", _, "accounts", _, "enabled"]
            | ["plugins", "entries", _, "enabled"]
            | ["plugins", "enabled"]
            | ["hooks", "enabled"]
    )
}

/// A channel or an account of one: whether it is there at all is a role too.
pub(super) fn is_speaker(path: &KeyPath) -> bool {
    let words: Vec<&str> = path.segments().iter().map(String::as_str).collect();
    match words.as_slice() {
        ["channels", name] => *name != "defaults",
        ["channels", _, "accounts", _] => true,
        _ => false,
    }
}

/// The value at `path` is a credential, or may hold one.
#[must_use]
pub fn is_secret(path: &KeyPath) -> bool {
    let keys = path.segments();
    if matches!(keys.first().map(String::as_str), Some("env" | "auth")) {
        return true;
    }
    keys.iter().any(|key| {
        let lower = key.to_ascii_lowercase();
        SECRET_ENDINGS.iter().any(|ending| lower.ends_with(ending))
            || matches!(lower.as_str(), "headers" | "key" | "pass")
    })
}

fn starts_with(keys: &[String], tail: &[&str]) -> bool {
    keys.len() >= tail.len() && keys.iter().zip(tail).all(|(key, name)| key == name)
}
