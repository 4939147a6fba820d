//! Which app it is, and that it is nobody else's.
//!
//! Invariants: no secret is ever shown; an app that OpenClaw has is refused, because DingTalk gives each message to one of the
//! connections of an app, so two programs take them away from each other, and because whoever reads OpenClaw's secrets could
//! write as it; what cannot be looked at is refused, too.

use crate::bot::access::secret_in;
use crate::cards::App;
use crate::notify::Address;
use crate::notify::channel::Channel;
use crate::notify::channel::dingtalk::{DingtalkApp, Own};
use crate::notify::http::Http;
use crate::notify::secret::Secret;
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::owners::{self, Place};
use secrecy::SecretString;
use serde::Deserialize;
use std::path::PathBuf;

/// Where the API is.
const API: &str = "https://api.dingtalk.com";
/// Longest id of a template, in bytes.
const MAX_TEMPLATE: usize = 128;

/// `[dingtalk]` of `notify.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DingtalkSettings {
    client_id: String,
    #[serde(default)]
    client_secret: Option<Secret>,
    #[serde(default)]
    client_secret_file: Option<PathBuf>,
    #[serde(default)]
    robot_code: Option<String>,
    #[serde(default)]
    card_template_id: Option<String>,
    #[serde(default)]
    api: Option<Address>,
}

/// All that is needed to hear DingTalk and to speak as the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `ding…`.
    pub client_id: String,
    pub(super) client_secret: Secret,
    /// Names the app's robot; mostly the same as `client_id`.
    pub robot_code: String,
    template: Option<String>,
    api: Option<Address>,
    proxy: Option<Secret>,
}

impl Access {
    /// From the settings. Reads the secret's file, if there is one.
    ///
    /// # Errors
    /// What is wrong with them, in one sentence that holds no secret.
    pub fn new(from: &DingtalkSettings, proxy: Option<&Secret>) -> Result<Self, String> {
        let client_secret = match (&from.client_secret, &from.client_secret_file) {
            (Some(secret), None) => secret.clone(),
            (None, Some(path)) => secret_in("client_secret_file", path)?,
            (Some(_), Some(_)) => {
                return Err("client_secret and client_secret_file are both set, expected one".to_owned());
            }
            (None, None) => return Err("client_secret is not set; the app's page at DingTalk shows it".to_owned()),
        };
        if client_secret.expose().is_empty() {
            return Err("the file of client_secret is empty".to_owned());
        }
        if let Some(id) = &from.card_template_id
            && (id.is_empty() || id.len() > MAX_TEMPLATE || !id.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err("`card_template_id`: expected one such as 2c278d79-….schema".to_owned());
        }
        let access = Self {
            client_id: from.client_id.clone(),
            client_secret,
            robot_code: from.robot_code.clone().unwrap_or_else(|| from.client_id.clone()),
            template: from.card_template_id.clone(),
            api: from.api.clone(),
            proxy: proxy.cloned(),
        };
        // The ids are checked there.
        access.app("nobody").map(|_| access)
    }

    /// The app, as a channel to this person.
    ///
    /// # Errors
    /// An id that is none.
    pub fn app(&self, person: &str) -> Result<DingtalkApp, String> {
        let secret = SecretString::from(self.client_secret.expose().to_owned());
        let own = Own { robot_code: self.robot_code.clone(), template: self.template.clone(), api: self.api.clone() };
        DingtalkApp::own(self.client_id.clone(), secret, own, person)
    }

    /// An address of the API.
    pub(super) fn url(&self, segments: &[&str]) -> Option<reqwest::Url> {
        match &self.api {
            Some(api) => api.join(segments),
            None => API.parse::<Address>().ok()?.join(segments),
        }
    }
}

impl App for Access {
    const SERVICE: &'static str = "DingTalk";
    const NOTE: &'static str = "the guard's DingTalk app";
    const PLACE: &'static str = "own-dingtalk";
    const FOLDER: &'static str = "dingtalk";
    const BINDING: &'static str = "dingtalk binding v1";

    fn id(&self) -> &str {
        &self.client_id
    }

    fn proxy(&self) -> Option<&Secret> {
        self.proxy.as_ref()
    }

    fn refused(&self, homes: &[Home], uid: u32) -> Option<String> {
        if homes.is_empty() {
            return Some("no gateway was found here, so it cannot be seen whether OpenClaw has this app".to_owned());
        }
        homes.iter().find_map(|home| {
            let environ = Environ::of(home, uid);
            let env = |name: &str| environ.get(name);
            match owners::has_dingtalk_app(&Place { home, uid, env: &env }, &self.client_id) {
                Ok(true) => Some(format!(
                    "it is the app of OpenClaw's gateway {}, and DingTalk gives each message to only one of them; make \
                     another one on DingTalk's developer console",
                    home.id.0
                )),
                Ok(false) => None,
                Err(why) => {
                    Some(format!("it cannot be seen whether OpenClaw's gateway {} has this app, too: {why}", home.id.0))
                }
            }
        })
    }

    fn channel(&self, person: &str) -> Result<Channel, String> {
        self.app(person).map(Channel::DingtalkApp)
    }

    async fn say(&self, person: &str, text: &str, http: &Http) -> Result<(), String> {
        self.app(person)?.say(text, http).await.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
