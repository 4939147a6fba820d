//! Channels of OpenClaw's own config as places for letters.
//!
//! Invariants: a credential goes to its provider's API and nowhere else; nothing of the gateway is needed, so this works
//! while the gateway is down, and from the newest proven config while the present one is broken. A bot's updates are never
//! asked for: they belong to OpenClaw. Start at [`places`].

use super::Address;
use super::channel::{Channel, dingtalk, discord_bot, feishu, slack_bot, telegram};
use super::file::Apis;
use super::places::Unusable;
use crate::failover::switches::as_if_on;
use crate::generations::{Room, value_of};
use crate::openclaw::config::read_tree;
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::owners::{self, Bot, FeishuDomain, Found, Reach, Recipient};
use clawmend_core::alert::Level;
use clawmend_core::alert::router::Place;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::path::Path;

/// What was found at one gateway.
#[derive(Debug, Default)]
pub struct TakenOver {
    /// Places, with the channel of each.
    pub places: Vec<(Place, Channel)>,
    /// What leads nowhere.
    pub unusable: Vec<Unusable>,
}

/// Looks into the config of this home. `several`: other gateways are here, so names must tell them apart.
#[must_use]
pub fn places(home: &Home, uid: u32, state: &Path, apis: &Apis, several: bool) -> TakenOver {
    let environ = Environ::of(home, uid);
    let env = |name: &str| environ.get(name);
    let at = owners::Place { home, uid, env: &env };
    // It is broken now: what was proven to work says who the owner is.
    let config = read_tree(home, &env).ok().or_else(|| proven(state, home));
    // A bot that a node does not poll with while it stands by can send all the same.
    let found = config.map_or_else(Vec::new, |mut config| {
        as_if_on(&mut config, state, &home.id);
        owners::find_in(&config, &at)
    });
    let mut taken = TakenOver::default();
    let prefix = if several { format!("{}-", home.id.0) } else { String::new() };
    for one in &found {
        match &one.reach {
            Ok(reach) => take(&mut taken, &prefix, one, reach, apis),
            Err(reason) => taken.unusable.push(Unusable {
                what: format!("{prefix}{}/{}", one.channel, one.account),
                reason: reason.code().to_owned(),
                why: reason.to_string(),
            }),
        }
    }
    taken
}

fn proven(state: &Path, home: &Home) -> Option<Value> {
    let room = Room::existing(state, &home.id)?;
    let newest = room.newest_proven().ok()??;
    value_of(&room.load(&newest.id).ok()?.snapshot).ok()
}

fn take(taken: &mut TakenOver, prefix: &str, found: &Found, reach: &Reach, apis: &Apis) {
    let account = if found.is_default { String::new() } else { format!("-{}", named(&found.account)) };
    let base = format!("{prefix}{}{account}", found.channel);
    for (name, channel) in channels(reach, apis) {
        let id = if name.is_empty() { base.clone() } else { format!("{base}-{name}") };
        match channel {
            Ok(channel) => taken.places.push((Place { id, backup: false, at_least: Level::Info }, channel)),
            Err(why) => taken.unusable.push(Unusable { what: id, reason: "malformed".to_owned(), why }),
        }
    }
}

/// Names of accounts are a person's own texts; names of places are plain.
fn named(account: &str) -> String {
    account.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(24).collect()
}

/// One channel for all recipients where the service takes many, else one for each, with what tells them apart.
fn channels(reach: &Reach, apis: &Apis) -> Vec<(String, Result<Channel, String>)> {
    let each = |make: &dyn Fn(&Recipient) -> Result<Channel, String>| {
        let name = |number: usize| if number == 0 { String::new() } else { (number + 1).to_string() };
        reach.recipients.iter().enumerate().map(|(number, to)| (name(number), make(to))).collect()
    };
    match &reach.bot {
        Bot::Feishu { app_id, app_secret, domain } => {
            vec![(String::new(), feishu(app_id, app_secret, domain, &reach.recipients, apis))]
        }
        Bot::DingTalk { client_id, client_secret, robot_code } => {
            vec![(String::new(), dingtalk(client_id, client_secret, robot_code, &reach.recipients, apis))]
        }
        Bot::Telegram { token, api_root, .. } => each(&|to| {
            let api = api_root.as_deref().map(str::parse::<Address>).transpose().map_err(|error| error.to_string())?;
            Ok(Channel::Telegram(telegram::Telegram::new(copy(token), api, &to.id)?))
        }),
        Bot::Discord { token, .. } => {
            each(&|to| Ok(Channel::DiscordBot(discord_bot::DiscordBot::new(copy(token), &to.id)?)))
        }
        Bot::Slack { token } => each(&|to| Ok(Channel::SlackBot(slack_bot::SlackBot::new(copy(token), &to.id)?))),
    }
}

fn feishu(
    app_id: &str,
    app_secret: &SecretString,
    domain: &FeishuDomain,
    to: &[Recipient],
    apis: &Apis,
) -> Result<Channel, String> {
    let domain = match (&apis.feishu, domain) {
        (Some(address), _) => feishu::Domain::Own(address.clone()),
        (None, FeishuDomain::Feishu) => feishu::Domain::Feishu,
        (None, FeishuDomain::Lark) => feishu::Domain::Lark,
        (None, FeishuDomain::Custom(url)) => {
            feishu::Domain::Own(url.parse().map_err(|error: super::BadAddress| error.to_string())?)
        }
    };
    let to = to.iter().map(|one| one.id.parse()).collect::<Result<Vec<_>, _>>()?;
    feishu::FeishuApp::new(app_id.to_owned(), copy(app_secret), domain, to).map(Channel::FeishuApp)
}

fn dingtalk(
    client_id: &str,
    client_secret: &SecretString,
    robot_code: &str,
    to: &[Recipient],
    apis: &Apis,
) -> Result<Channel, String> {
    let to = to.iter().map(|one| one.id.parse()).collect::<Result<Vec<_>, _>>()?;
    let robot_code = Some(robot_code.to_owned());
    let app = dingtalk::DingtalkApp::new(client_id.to_owned(), copy(client_secret), robot_code, to)?;
    Ok(Channel::DingtalkApp(match &apis.dingtalk {
        Some(address) => app.at(address.clone()),
        None => app,
    }))
}

fn copy(secret: &SecretString) -> SecretString {
    SecretString::from(secret.expose_secret().to_owned())
}
