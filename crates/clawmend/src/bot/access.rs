//! Which bot it is, and that it is nobody else's.
//!
//! Invariants: the token is never shown; a bot that OpenClaw has is refused, because two programs that ask for the updates
//! of one bot take them away from each other; what cannot be looked at is refused, too.

use crate::host::files::is_private;
use crate::notify::Address;
use crate::notify::channel::telegram::is_token;
use crate::notify::secret::Secret;
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::files::read_bounded;
use crate::openclaw::owners::{self, Place};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Where the Bot API is.
const API: &str = "https://api.telegram.org";
/// Largest file of a token, in bytes.
const MAX_FILE: u64 = 4096;

/// `[bot]` of `notify.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BotSettings {
    #[serde(default)]
    token: Option<Secret>,
    #[serde(default)]
    token_file: Option<PathBuf>,
    #[serde(default)]
    api: Option<Address>,
}

/// All that is needed to speak as the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub(super) token: Secret,
    /// `None`: the public one.
    pub(super) api: Option<Address>,
    pub(super) proxy: Option<Secret>,
}

impl Access {
    /// From the settings. Reads the token's file, if there is one.
    ///
    /// # Errors
    /// What is wrong with them, in one sentence that holds no secret.
    pub fn new(settings: &BotSettings, proxy: Option<&SecretString>) -> Result<Self, String> {
        let token = match (&settings.token, &settings.token_file) {
            (Some(token), None) => token.clone(),
            (None, Some(path)) => secret_in("token_file", path)?,
            (Some(_), Some(_)) => return Err("token and token_file are both set, expected one".to_owned()),
            (None, None) => return Err("token is not set; @BotFather gives one with /newbot".to_owned()),
        };
        if !is_token(token.expose()) {
            return Err("its token: expected one such as 123456:ABC…, as @BotFather gives it".to_owned());
        }
        let proxy = proxy.map(|proxy| Secret::from(SecretString::from(proxy.expose_secret().to_owned())));
        Ok(Self { token, api: settings.api.clone(), proxy })
    }

    /// The bot's number.
    #[must_use]
    pub fn id(&self) -> &str {
        self.token.expose().split_once(':').map_or("", |(id, _)| id)
    }

    /// The token, for the channel that sends as this bot, and where the Bot API is.
    #[must_use]
    pub fn for_channel(&self) -> (SecretString, Option<Address>) {
        (SecretString::from(self.token.expose().to_owned()), self.api.clone())
    }

    pub(super) fn url(&self, method: &str) -> Option<reqwest::Url> {
        let path = format!("bot{}", self.token.expose());
        match &self.api {
            Some(api) => api.join(&[&path, method]),
            None => format!("{API}/{path}/{method}").parse().ok(),
        }
    }

    /// Why it must not be used beside these gateways; `None`: it is ours alone. Reads their configs.
    #[must_use]
    pub fn refused(&self, homes: &[Home], uid: u32) -> Option<String> {
        if homes.is_empty() {
            return Some("no gateway was found here, so it cannot be seen whether OpenClaw has this bot".to_owned());
        }
        homes.iter().find_map(|home| {
            let environ = Environ::of(home, uid);
            let env = |name: &str| environ.get(name);
            match owners::telegram_bots(&Place { home, uid, env: &env }) {
                Ok(bots) if bots.iter().any(|bot| bot == self.id()) => Some(format!(
                    "it is the bot of OpenClaw's gateway {}, and two programs must not ask for the messages of one bot; \
                     make another one with @BotFather",
                    home.id.0
                )),
                Ok(_) => None,
                Err(why) => Some(format!(
                    "it cannot be seen whether OpenClaw's gateway {} has this bot, too: {why}",
                    home.id.0
                )),
            }
        })
    }
}

/// The secret in a file that is ours alone; `key` is the setting that names it.
///
/// # Errors
/// What is wrong with it, in one sentence that holds no secret.
pub(crate) fn secret_in(key: &str, path: &Path) -> Result<Secret, String> {
    if !path.is_absolute() {
        return Err(format!("{key}: expected an absolute path"));
    }
    let shown = path.display();
    match is_private(path) {
        Ok(true) => {}
        Ok(false) => return Err(format!("{shown} is not ours alone, and holds a secret: `chmod 600` mends that")),
        Err(error) => return Err(format!("{shown} cannot be read: {}", error.kind())),
    }
    let bytes = read_bounded(path, MAX_FILE).map_err(|error| format!("{shown} cannot be read: {}", error.kind()))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8 text"))?;
    Ok(Secret::from(SecretString::from(text.trim().to_owned())))
}

#[cfg(test)]
mod tests;
