//! The gateway's config as it may be shown to others: every key, and hardly a value.
//!
//! Invariant: of all values only switches, small figures, the config's own words and the names of variables are
//! shown; a key that may be a person's name or number is not.

use crate::openclaw::config::check::is_harmless;
use clawmend_core::generation::{KeyPath, Tree, is_secret};
use serde_json::{Map, Value};

/// Figures above this may be a number of a person, such as a chat's.
const MAX_FIGURE: f64 = 1_000_000.0;
/// Longest key that is shown.
const MAX_KEY: usize = 64;
/// Deepest object that is gone into.
const MAX_DEPTH: usize = 32;

/// The config with its values hidden.
#[must_use]
pub fn hidden(tree: &Tree) -> Value {
    hide(&KeyPath::default(), tree)
}

fn hide(path: &KeyPath, tree: &Tree) -> Value {
    match tree {
        Tree::Null => Value::Null,
        Tree::Bool(value) => Value::from(*value),
        Tree::Number(text) => match text.parse::<f64>() {
            Ok(figure) if !is_personal(path) && figure.abs() <= MAX_FIGURE => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::from("(number)"))
            }
            Ok(_) | Err(_) => Value::from("(number)"),
        },
        Tree::Text(text) if is_harmless(text) || is_reference(text) => Value::from(text.clone()),
        Tree::Text(text) => Value::from(format!("(text of {} characters)", text.chars().count())),
        Tree::List(items) => items.iter().map(|item| hide(path, item)).collect(),
        Tree::Map(map) if path.segments().len() >= MAX_DEPTH => Value::from(format!("({} keys)", map.len())),
        Tree::Map(map) => {
            let mut shown = Map::new();
            for (number, (key, below)) in map.iter().enumerate() {
                let name = if is_plain(key) { key.clone() } else { format!("(key {})", number + 1) };
                shown.insert(name, hide(&path.child(key), below));
            }
            Value::Object(shown)
        }
    }
}

/// What stands there may prove or name a person, also when it is a small figure.
fn is_personal(path: &KeyPath) -> bool {
    is_secret(path)
        || path.segments().iter().any(|key| {
            let key = key.to_ascii_lowercase();
            key == "auth"
                || key.contains("allow")
                || ["pin", "code", "id", "ids", "otp"].iter().any(|end| key.ends_with(end))
        })
}

/// Nothing but one `${VAR}`.
fn is_reference(text: &str) -> bool {
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(|name| {
        !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    })
}

/// A path of the config as it may be shown: keys that may name a person are left out of it.
#[must_use]
pub fn shown_path(path: &KeyPath) -> String {
    let keys = path.segments().iter().map(|key| if is_plain(key) { key.as_str() } else { "(key)" });
    KeyPath::new(keys).to_string()
}

/// A word: no address, no telephone or chat number.
fn is_plain(key: &str) -> bool {
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    key.len() <= MAX_KEY
        && digits < 6
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$' | '.' | '/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_harmless_values_are_shown_and_nothing_else() {
        let config = serde_json::json!({
            "gateway": {"mode": "local", "port": 18789, "auth": {"token": "${GATEWAY_TOKEN}", "pin": 123456}},
            "channels": {"whatsapp": {"enabled": true, "allowFrom": ["+4915112345678", 4915112345678_i64],
                "accounts": {"+4915112345678": {"name": "Ana"}, "ana@example.org": {}}}},
            "models": {"providers": {"p": {"baseUrl": "https://u:p@h/", "apiKey": "sk-1"}}},
        });
        let told = hidden(&crate::openclaw::config::tree(&config));
        let wanted = serde_json::json!({
            "gateway": {"mode": "local", "port": 18789, "auth": {"token": "${GATEWAY_TOKEN}", "pin": "(number)"}},
            "channels": {"whatsapp": {"enabled": true, "allowFrom": ["(text of 14 characters)", "(number)"],
                "accounts": {"(key 1)": {"name": "(text of 3 characters)"}, "(key 2)": {}}}},
            "models": {"providers": {"p": {"baseUrl": "(text of 14 characters)", "apiKey": "(text of 4 characters)"}}},
        });
        assert_eq!(told, wanted);
        let path = KeyPath::new(["channels", "whatsapp", "accounts", "+4915112345678", "name"]);
        assert_eq!(shown_path(&path), "channels.whatsapp.accounts[\"(key)\"].name");
    }
}
