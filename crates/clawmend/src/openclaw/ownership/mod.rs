//! Which channel accounts a gateway opens when it runs, so that two nodes can see whether they own one twice.
//!
//! Invariants: nothing is run, sent or written. An account that OpenClaw might open is in the list; one whose identity
//! cannot be resolved without running something is in it as unknown, with the reason. A credential leaves as a keyed
//! fingerprint only, and no value of the config stands in a reason. Where OpenClaw takes one of two settings, both count:
//! this errs towards "the same".
//!
//! The comparison is [`compare`](clawmend_core::failover::ownership::compare). Start at [`owned`].

mod identity;
mod part;
mod table;
#[cfg(test)]
mod tests;

use super::config::{self, Problem};
use super::owners::account::{DEFAULT, normalized};
use super::owners::secret::Secrets;
use super::owners::{NOT_CHANNELS, Place, is_off, plugin_off};
use super::redact::redact;
use clawmend_core::failover::ownership::{Account, Identity, MAX_ACCOUNTS, MAX_NAME, MAX_WHY};
use identity::Entry;
use serde_json::{Map, Value};
use table::{CHANNELS, Rule, rule_of};

/// The accounts that the config on disk has switched on, with fingerprints under `key`, which both nodes share.
/// At most [`MAX_ACCOUNTS`] and one more come out, so that a list that is too long is seen to be.
///
/// # Errors
/// The config is missing, cannot be read, or does not parse.
pub fn owned(place: &Place<'_>, key: &[u8; 32]) -> Result<Vec<Account>, Problem> {
    config::read_tree(place.home, place.env).map(|config| owned_in(&config, place, key))
}

/// The names of all channels that the gateway may open with this config, those included that it does not mention and whose
/// credential is in the environment. Not cleaned: for whoever edits the config, not for people.
#[must_use]
pub fn switched_on(config: &Value, place: &Place<'_>) -> Vec<String> {
    let secrets = Secrets { config, env: place.env, user_home: &place.home.user_home, uid: place.uid };
    let reader = identity::Reader { secrets: &secrets, state_dir: &place.home.state_dir, key: &[0; 32] };
    let none = Map::new();
    let channels = object(config.get("channels"), &none).unwrap_or(&none);
    let named = channels
        .iter()
        .filter(|(name, settings)| !NOT_CHANNELS.contains(&name.as_str()) && !is_off(settings.as_object()));
    let named = named.map(|(name, _)| name.as_str());
    let unnamed = CHANNELS.iter().filter(|(name, rule)| !channels.contains_key(*name) && reader.has_variable(rule));
    named
        .chain(unnamed.map(|(name, _)| *name))
        .filter(|name| plugin_off(name, config).is_none())
        .map(str::to_owned)
        .collect()
}

/// The accounts that this config has switched on.
#[must_use]
pub fn owned_in(config: &Value, place: &Place<'_>, key: &[u8; 32]) -> Vec<Account> {
    let secrets = Secrets { config, env: place.env, user_home: &place.home.user_home, uid: place.uid };
    let reader = identity::Reader { secrets: &secrets, state_dir: &place.home.state_dir, key };
    let none = Map::new();
    let Some(channels) = object(config.get("channels"), &none) else {
        return vec![account("channels", DEFAULT, no_object("channels"))];
    };
    let named = channels.iter().filter(|(name, _)| !NOT_CHANNELS.contains(&name.as_str()));
    let mut accounts = Vec::new();
    for (name, settings) in named.filter(|(name, _)| plugin_off(name, config).is_none()) {
        channel(name, settings, &reader, &mut accounts);
    }
    // A channel that the config does not mention, and whose credential is in the environment.
    for (name, rule) in CHANNELS.iter().filter(|(name, _)| !channels.contains_key(*name)) {
        if plugin_off(name, config).is_none() && reader.has_variable(rule) {
            let entry = Entry::channel(name, &none);
            accounts.push(account(name, DEFAULT, reader.identity(*rule, &entry)));
        }
    }
    accounts.truncate(MAX_ACCOUNTS + 1);
    accounts
}

fn channel(name: &str, settings: &Value, reader: &identity::Reader<'_>, accounts: &mut Vec<Account>) {
    let Some(root) = settings.as_object() else {
        return accounts.push(account(name, DEFAULT, no_object(&format!("channels.{}", redact(name, MAX_NAME)))));
    };
    if is_off(Some(root)) {
        return;
    }
    let Some(rule) = rule_of(name) else {
        let why = format!(
            "Clawmend does not know what identifies an account of {}, so it cannot tell whether both nodes own it",
            redact(name, MAX_NAME)
        );
        return accounts.push(account(name, DEFAULT, Identity::Unknown { why }));
    };
    let none = Map::new();
    let Some(named) = object(root.get("accounts"), &none) else {
        return accounts.push(account(name, DEFAULT, no_object(&format!("channels.{name}.accounts"))));
    };
    for entry in entries(name, root, named, rule, reader) {
        if accounts.len() > MAX_ACCOUNTS {
            return;
        }
        accounts.push(account(name, &entry.id, reader.identity(rule, &entry)));
    }
}

/// The accounts of a channel that are switched on: those that it names, and the channel itself where it names none or
/// has a credential of its own.
fn entries<'a>(
    name: &str,
    root: &'a Map<String, Value>,
    named: &'a Map<String, Value>,
    rule: Rule,
    reader: &identity::Reader<'_>,
) -> Vec<Entry<'a>> {
    let named = named.iter().take(MAX_ACCOUNTS + 1);
    let all: Vec<Entry<'a>> = named.map(|(id, own)| Entry::account(name, id, own, root)).collect();
    let has_default = all.iter().any(|entry| entry.id == DEFAULT);
    let alone = all.is_empty() || (!has_default && (reader.has_setting(rule, root) || reader.has_variable(&rule)));
    let channel = alone.then(|| Entry::channel(name, root));
    all.into_iter().chain(channel).filter(|entry| !is_off(entry.own)).collect()
}

/// What is no object could be anything, except where there is nothing.
fn object<'a>(value: Option<&'a Value>, none: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
    match value {
        None | Some(Value::Null) => Some(none),
        Some(value) => value.as_object(),
    }
}

fn no_object(path: &str) -> Identity {
    Identity::Unknown { why: format!("{path} is no object") }
}

/// An account with names that are fit to be sent and shown.
fn account(channel: &str, id: &str, identity: Identity) -> Account {
    let name = |text: &str| Some(redact(text, MAX_NAME)).filter(|text| !text.is_empty()).unwrap_or_else(|| "?".into());
    let short = |why: String| why.chars().filter(|c| !c.is_control()).take(MAX_WHY).collect::<String>();
    let identity = match identity {
        Identity::Known(all) => Identity::Known(all),
        Identity::Indistinct { why } => Identity::Indistinct { why: short(why) },
        Identity::Unknown { why } => Identity::Unknown { why: short(why) },
    };
    Account { channel: name(channel), account: name(id), identity }
}

/// The id of an account as OpenClaw has it; one that has no such form is shown as it is.
fn id_of(key: &str) -> String {
    normalized(key).unwrap_or_else(|| redact(key, MAX_NAME))
}
