//! The accounts of one channel, and which setting of an account counts.
//!
//! Invariant: as in OpenClaw 2026.9.6 (`createAccountListHelpers`, `mergeAccountConfig`, `normalizeAccountId`): what an
//! account says itself wins over what the channel says; the channel itself is the account `default` when it has a
//! credential.

use super::found::Kind;
use super::is_off;
use super::secret::Secrets;
use crate::openclaw::redact::redact;
use serde_json::{Map, Value};

/// The account of a channel that names none.
pub(in crate::openclaw) const DEFAULT: &str = "default";
/// Longest id of an account.
const MAX_ID: usize = 64;
/// Longest shown key of an account, in characters.
const MAX_KEY: usize = 64;
/// Keys that JavaScript keeps for itself.
const BLOCKED: [&str; 3] = ["__proto__", "prototype", "constructor"];

/// One account.
pub(super) struct Account<'a> {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) is_default: bool,
    /// Where its own settings are, for messages.
    own_path: String,
    own: Option<&'a Map<String, Value>>,
    root: &'a Map<String, Value>,
}

/// A setting and its path.
pub(super) type Setting<'a> = (&'a Value, String);

impl<'a> Account<'a> {
    /// What the account says itself.
    pub(super) fn own(&self, name: &str) -> Option<Setting<'a>> {
        let value = self.own?.get(name).filter(|value| !value.is_null())?;
        Some((value, format!("{}.{name}", self.own_path)))
    }

    /// What the channel says.
    pub(super) fn root(&self, name: &str) -> Option<Setting<'a>> {
        let value = self.root.get(name).filter(|value| !value.is_null())?;
        Some((value, format!("channels.{}.{name}", self.kind.key())))
    }

    /// What counts.
    pub(super) fn setting(&self, name: &str) -> Option<Setting<'a>> {
        self.own(name).or_else(|| self.root(name))
    }

    /// Where a setting would be.
    pub(super) fn path(&self, name: &str) -> String {
        if self.own.is_some() {
            format!("{}.{name}", self.own_path)
        } else {
            format!("channels.{}.{name}", self.kind.key())
        }
    }

    /// The key that switches it off.
    pub(super) fn switched_off(&self) -> Option<String> {
        if is_off(Some(self.root)) {
            return Some(format!("channels.{}.enabled", self.kind.key()));
        }
        is_off(self.own).then(|| format!("{}.enabled", self.own_path))
    }
}

/// The accounts of a channel, the default one first, at most `most`.
pub(super) fn list<'a>(
    kind: Kind,
    root: &'a Map<String, Value>,
    secrets: &Secrets<'_>,
    most: usize,
) -> Vec<Account<'a>> {
    let named = root.get("accounts").and_then(Value::as_object);
    let mut accounts: Vec<Account<'a>> = Vec::new();
    for (key, value) in named.into_iter().flatten() {
        let Some(id) = normalized(key).filter(|id| accounts.iter().all(|other| other.id != *id)) else { continue };
        if accounts.len() >= most {
            break;
        }
        let own_path = format!("channels.{}.accounts.{}", kind.key(), redact(key, MAX_KEY));
        accounts.push(Account { kind, id, is_default: false, own_path, own: value.as_object(), root });
    }
    let has_default = accounts.iter().any(|account| account.id == DEFAULT);
    if accounts.is_empty() || (!has_default && stands_alone(kind, root, secrets)) {
        let (id, own_path) = (DEFAULT.to_owned(), String::new());
        accounts.push(Account { kind, id, is_default: false, own_path, own: None, root });
    }
    let wanted = root.get("defaultAccount").and_then(Value::as_str).and_then(normalized);
    accounts.sort_by(|a, b| a.id.cmp(&b.id));
    let at = |id: &str| accounts.iter().position(|account| account.id == id);
    let first = wanted.as_deref().and_then(at).or_else(|| at(DEFAULT)).unwrap_or(0);
    if let Some(slice) = accounts.get_mut(..=first) {
        slice.rotate_right(1);
    }
    if let Some(account) = accounts.first_mut() {
        account.is_default = true;
    }
    accounts.truncate(most);
    accounts
}

/// The channel itself has what makes it an account.
fn stands_alone(kind: Kind, root: &Map<String, Value>, secrets: &Secrets<'_>) -> bool {
    let has = |name: &str| match root.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(_) => true,
    };
    let variable = env_token(kind).is_some_and(|name| secrets.variable(name).is_some());
    match kind {
        Kind::Feishu => has("appId") && has("appSecret"),
        Kind::DingTalk => has("clientId") || has("clientSecret"),
        Kind::Telegram => has("botToken") || has("tokenFile") || variable,
        Kind::Discord => has("token") || variable,
        Kind::Slack => has("botToken") || variable,
    }
}

/// The variable that the default account takes its token from when the config has none.
pub(super) const fn env_token(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Feishu | Kind::DingTalk => None,
        Kind::Telegram => Some("TELEGRAM_BOT_TOKEN"),
        Kind::Discord => Some("DISCORD_BOT_TOKEN"),
        Kind::Slack => Some("SLACK_BOT_TOKEN"),
    }
}

/// OpenClaw's form of an account's id: small letters, digits, `-` and `_`.
pub(in crate::openclaw) fn normalized(key: &str) -> Option<String> {
    let mut id = String::new();
    for c in key.trim().chars().take(MAX_ID * 4).flat_map(char::to_lowercase) {
        let kept = c.is_ascii_alphanumeric() || c == '_';
        if kept || (c == '-' && !id.is_empty()) {
            id.push(c);
        } else if !kept && !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    id.truncate(MAX_ID);
    let id = id.trim_end_matches('-');
    (!id.is_empty() && !BLOCKED.contains(&id)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_openclaws_form() {
        for (key, id) in [("Work", "work"), (" My Bot! ", "my-bot"), ("a--b", "a--b"), ("-x_", "x_"), ("飞书 1", "1")]
        {
            assert_eq!(normalized(key).as_deref(), Some(id), "{key}");
        }
        assert!(["", "!!", "__proto__", "飞书"].iter().all(|key| normalized(key).is_none()));
        assert!(normalized(&"x".repeat(1_000_000)).is_some_and(|id| id.len() == MAX_ID));
    }
}
