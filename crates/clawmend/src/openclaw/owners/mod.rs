//! Finds, with no set-up, where an alert can go: the channel accounts in OpenClaw's own config, and who their owner is.
//!
//! Invariant: nothing is run, sent or written, and OpenClaw's database is left as it was found. At most [`MAX_FOUND`]
//! accounts come out, with at most [`MAX_RECIPIENTS`] recipients each. A credential only ever comes out as a
//! `SecretString`; no value of the config stands in a reason. An account that is not usable says why.
//!
//! What is read, and its precedence, is that of OpenClaw 2026.9.6 (Telegram; plugins `@openclaw/discord` and
//! `@openclaw/slack` 2026.9.6, `@openclaw/feishu` 2026.9.5) and of the community plugin `@soimy/dingtalk` 3.6.7.
//! Start at [`find`]; who counts as the owner is decided in `rule.rs`.

pub(in crate::openclaw) mod account;
mod bot;
mod found;
mod pairing;
mod person;
mod reason;
mod rule;
pub(in crate::openclaw) mod secret;
#[cfg(test)]
mod tests;

pub use found::{Bot, FeishuDomain, Found, IdKind, Kind, Reach, Recipient, Source};
pub use reason::{FileProblem, Reason};

use super::config::{self, Problem};
use super::discovery::Home;
use super::redact::redact;
use account::Account;
use pairing::Pairing;
use secrecy::ExposeSecret as _;
use secret::Secrets;
use serde_json::{Map, Value};

/// Most accounts that come out; what a config holds beyond them is left aside.
pub const MAX_FOUND: usize = 64;
/// Most recipients of one account.
pub const MAX_RECIPIENTS: usize = 5;
/// Longest name of a channel that we do not know, in characters.
const MAX_NAME: usize = 64;
/// Keys of `channels` that are no channels.
pub(in crate::openclaw) const NOT_CHANNELS: [&str; 2] = ["defaults", "modelByChannel"];

/// What a search looks at, besides the config.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The home of the gateway.
    pub home: &'a Home,
    /// The user that the gateway runs as: where we are root, files of others are not read for it.
    pub uid: u32,
    /// Answers like the environment of the gateway ([`Environ::get`](super::environ::Environ::get)).
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// The accounts in the config as it is on disk.
///
/// # Errors
/// The config cannot be read or does not parse. [`find_in`] then takes one that did, such as a proven generation.
pub fn find(place: &Place<'_>) -> Result<Vec<Found>, Problem> {
    config::read_tree(place.home, place.env).map(|config| find_in(&config, place))
}

/// The accounts in this config, the default account of each channel first: those of channels that can carry an alert
/// (in the order of [`Kind::ALL`]), then the others by name.
#[must_use]
pub fn find_in(config: &Value, place: &Place<'_>) -> Vec<Found> {
    let Some(channels) = config.get("channels").and_then(Value::as_object) else { return Vec::new() };
    let secrets = Secrets { config, env: place.env, user_home: &place.home.user_home, uid: place.uid };
    let known = Kind::ALL.iter().any(|kind| channels.get(kind.key()).is_some_and(Value::is_object));
    // The database is only opened where it can matter.
    let pairing = if known { Pairing::load(&place.home.state_dir, place.uid) } else { Pairing::Nothing };
    let mut found: Vec<Found> = Vec::new();
    for kind in Kind::ALL {
        let Some(root) = channels.get(kind.key()).and_then(Value::as_object) else { continue };
        for account in account::list(kind, root, &secrets, MAX_FOUND.saturating_sub(found.len())) {
            let reach = reach(&account, config, &secrets, &pairing).and_then(|reach| not_again(reach, &found));
            found.push(Found {
                channel: kind.key().to_owned(),
                is_default: account.is_default,
                account: account.id,
                reach,
            });
        }
    }
    let others = channels.iter().filter(|(name, value)| is_other(name, value));
    let room = MAX_FOUND.saturating_sub(found.len());
    found.extend(others.take(room).map(|(name, value)| other(name, value, config)));
    found
}

/// Why it is not known which bots a config has.
#[derive(Debug, thiserror::Error)]
pub enum UnknownBots {
    /// The config cannot be read.
    #[error("{}", .0.message)]
    Config(Problem),
    /// What names the bot of an account cannot be had.
    #[error("of its {channel} account `{account}`, {reason}")]
    Account {
        /// Of which channel.
        channel: &'static str,
        /// Which.
        account: String,
        /// Why.
        reason: Reason,
    },
}

/// The numbers of all Telegram bots of a config, those of accounts that are switched off or have no owner included.
///
/// # Errors
/// One of them cannot be known.
pub fn telegram_bots(place: &Place<'_>) -> Result<Vec<String>, UnknownBots> {
    let config = config::read_tree(place.home, place.env).map_err(UnknownBots::Config)?;
    let secrets = Secrets { config: &config, env: place.env, user_home: &place.home.user_home, uid: place.uid };
    // Without a section, a variable alone makes the bot of the default account.
    let none = Map::new();
    let section = config.get("channels").and_then(|channels| channels.get(Kind::Telegram.key()));
    let root = section.and_then(Value::as_object).unwrap_or(&none);
    let mut bots = Vec::new();
    for account in account::list(Kind::Telegram, root, &secrets, usize::MAX) {
        match bot::telegram_token(&account, &secrets) {
            Ok(token) => bots.extend(token.expose_secret().split_once(':').map(|(id, _)| id.to_owned())),
            Err(Reason::NoCredential { .. }) => {}
            Err(reason) => return Err(UnknownBots::Account { channel: "Telegram", account: account.id, reason }),
        }
    }
    Ok(bots)
}

/// The ids of all Feishu apps of a config, those of accounts that are switched off or have no owner included.
///
/// # Errors
/// One of them cannot be known.
pub fn feishu_apps(place: &Place<'_>) -> Result<Vec<String>, UnknownBots> {
    let config = config::read_tree(place.home, place.env).map_err(UnknownBots::Config)?;
    apps(&config, place, Kind::Feishu, bot::feishu_app)
}

/// Whether a gateway has this DingTalk app, be it in an account that is switched off, in the settings of another plugin for
/// DingTalk than the one whose keys are known here, or in the variable that some of these take it from.
///
/// # Errors
/// The app of an account cannot be known.
pub fn has_dingtalk_app(place: &Place<'_>, id: &str) -> Result<bool, UnknownBots> {
    let config = config::read_tree(place.home, place.env).map_err(UnknownBots::Config)?;
    let variable = (place.env)("DINGTALK_CLIENT_ID").is_some_and(|value| value.trim() == id);
    if variable || config.get("channels").is_some_and(|channels| holds(channels, id)) {
        return Ok(true);
    }
    Ok(apps(&config, place, Kind::DingTalk, bot::dingtalk_app)?.iter().any(|app| app == id))
}

/// Whether a text stands anywhere in it. A config that was read is bounded in size and depth.
fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(one) => one.trim() == text,
        Value::Array(all) => all.iter().any(|one| holds(one, text)),
        Value::Object(all) => all.values().any(|one| holds(one, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

type App = fn(&Account<'_>, &Secrets<'_>) -> Result<String, Reason>;

fn apps(config: &Value, place: &Place<'_>, kind: Kind, app: App) -> Result<Vec<String>, UnknownBots> {
    let secrets = Secrets { config, env: place.env, user_home: &place.home.user_home, uid: place.uid };
    let section = config.get("channels").and_then(|channels| channels.get(kind.key()));
    let Some(root) = section.and_then(Value::as_object) else { return Ok(Vec::new()) };
    let mut apps = Vec::new();
    for account in account::list(kind, root, &secrets, usize::MAX) {
        match app(&account, &secrets) {
            Ok(id) => apps.push(id),
            Err(Reason::NoCredential { .. }) => {}
            Err(reason) => {
                let channel = if kind == Kind::Feishu { "Feishu" } else { "DingTalk" };
                return Err(UnknownBots::Account { channel, account: account.id, reason });
            }
        }
    }
    Ok(apps)
}

fn reach(account: &Account<'_>, config: &Value, secrets: &Secrets<'_>, pairing: &Pairing) -> Result<Reach, Reason> {
    if let Some(key) = account.switched_off().or_else(|| plugin_off(account.kind.key(), config)) {
        return Err(Reason::Disabled { key });
    }
    let bot = bot::of(account, secrets)?;
    let recipients = rule::owners(account, config, pairing)?;
    Ok(Reach { bot, recipients })
}

/// The same bot and the same people under a second name would hear everything twice.
fn not_again(reach: Reach, found: &[Found]) -> Result<Reach, Reason> {
    let ids = |reach: &Reach| reach.recipients.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    let twin = found.iter().find(|other| {
        other.usable().is_some_and(|earlier| earlier.bot.is_same(&reach.bot) && ids(earlier) == ids(&reach))
    });
    match twin {
        Some(twin) => Err(Reason::SameBot { account: twin.account.clone() }),
        None => Ok(reach),
    }
}

fn is_other(name: &str, value: &Value) -> bool {
    value.is_object() && !NOT_CHANNELS.contains(&name) && Kind::ALL.iter().all(|kind| kind.key() != name)
}

/// A channel that OpenClaw has and that cannot carry an alert of ours.
fn other(name: &str, value: &Value, config: &Value) -> Found {
    let channel = redact(name, MAX_NAME);
    let off = is_off(value.as_object()).then(|| format!("channels.{channel}.enabled"));
    let reason = match off.or_else(|| plugin_off(name, config)) {
        Some(key) => Reason::Disabled { key },
        None => Reason::NotSupported,
    };
    Found { channel, account: account::DEFAULT.to_owned(), is_default: true, reach: Err(reason) }
}

/// The key that switches the channel's plugin off.
pub(in crate::openclaw) fn plugin_off(channel: &str, config: &Value) -> Option<String> {
    let plugins = config.get("plugins")?;
    if is_off(plugins.as_object()) {
        return Some("plugins.enabled".to_owned());
    }
    let entry = plugins.get("entries")?.get(channel)?;
    is_off(entry.as_object()).then(|| format!("plugins.entries.{}.enabled", redact(channel, MAX_NAME)))
}

pub(in crate::openclaw) fn is_off(settings: Option<&Map<String, Value>>) -> bool {
    settings.and_then(|settings| settings.get("enabled")).and_then(Value::as_bool) == Some(false)
}
