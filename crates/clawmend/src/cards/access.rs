//! Which app it is, where its callbacks come in, and that it is nobody else's.
//!
//! Invariants: no secret is ever shown; without encryption and signature there is no app; an address beyond this machine is
//! taken only with a word of its own; an app that OpenClaw has is refused, because whoever reads OpenClaw's secrets could speak
//! as Feishu then; what cannot be looked at is refused, too.

use super::App;
use crate::bot::access::secret_in;
use crate::notify::channel::Channel;
use crate::notify::channel::feishu::{Domain, FeishuApp, Recipient};
use crate::notify::http::Http;
use crate::notify::secret::Secret;
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::owners::{self, Place};
use secrecy::SecretString;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where it listens, unless said otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 18_795);
/// The path, unless said otherwise.
const PATH: &str = "/clawmend/feishu";
/// Longest path, in bytes.
const MAX_PATH: usize = 128;
/// Shortest Encrypt Key, in bytes: it signs, too.
const MIN_KEY: usize = 16;

/// `[feishu]` of `notify.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeishuSettings {
    app_id: String,
    #[serde(default)]
    app_secret: Option<Secret>,
    #[serde(default)]
    app_secret_file: Option<PathBuf>,
    #[serde(default)]
    encrypt_key: Option<Secret>,
    #[serde(default)]
    encrypt_key_file: Option<PathBuf>,
    #[serde(default)]
    verification_token: Option<Secret>,
    #[serde(default)]
    verification_token_file: Option<PathBuf>,
    #[serde(default)]
    listen: Option<SocketAddr>,
    #[serde(default)]
    path: Option<String>,
    /// The explicit word for an address beyond this machine.
    #[serde(default)]
    listen_beyond_this_machine: bool,
    #[serde(default)]
    domain: Domain,
}

/// All that is needed to hear Feishu and to speak as the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `cli_…`.
    pub app_id: String,
    app_secret: Secret,
    /// Encrypts and signs callbacks.
    pub encrypt_key: Secret,
    /// Stands in each callback.
    pub verification_token: Secret,
    domain: Domain,
    /// Where callbacks come in.
    pub listen: SocketAddr,
    /// At which path.
    pub path: String,
    /// The way out.
    pub proxy: Option<Secret>,
}

impl Access {
    /// From the settings. Reads the files of secrets, if there are some.
    ///
    /// # Errors
    /// What is wrong with them, in one sentence that holds no secret.
    pub fn new(from: &FeishuSettings, proxy: Option<&Secret>) -> Result<Self, String> {
        let listen = from.listen.unwrap_or(LISTEN);
        if !listen.ip().is_loopback() && !from.listen_beyond_this_machine {
            return Err(format!(
                "`listen` is {listen}, which others can reach. Let a reverse proxy with TLS forward to 127.0.0.1, or say \
                 `listen_beyond_this_machine = true`"
            ));
        }
        let path = from.path.clone().unwrap_or_else(|| PATH.to_owned());
        if !is_path(&path) {
            return Err(format!("`path`: expected one such as {PATH}"));
        }
        let encrypt_key = secret("encrypt_key", from.encrypt_key.as_ref(), from.encrypt_key_file.as_ref())?;
        if encrypt_key.expose().len() < MIN_KEY {
            return Err(format!(
                "`encrypt_key`: expected at least {MIN_KEY} characters; set a longer one on the app's page, and the same here"
            ));
        }
        let access = Self {
            app_id: from.app_id.clone(),
            app_secret: secret("app_secret", from.app_secret.as_ref(), from.app_secret_file.as_ref())?,
            encrypt_key,
            verification_token: secret(
                "verification_token",
                from.verification_token.as_ref(),
                from.verification_token_file.as_ref(),
            )?,
            domain: from.domain.clone(),
            listen,
            path,
            proxy: proxy.cloned(),
        };
        // The id is checked there.
        access.app("ou_nobody").map(|_| access)
    }

    /// The app, as a channel to this person, whose questions have buttons.
    ///
    /// # Errors
    /// An id that is none.
    pub fn app(&self, person: &str) -> Result<FeishuApp, String> {
        let to: Recipient = person.parse()?;
        let secret = SecretString::from(self.app_secret.expose().to_owned());
        FeishuApp::own(self.app_id.clone(), secret, self.domain.clone(), to)
    }
}

impl App for Access {
    const SERVICE: &'static str = "Feishu";
    const NOTE: &'static str = "the guard's Feishu app";
    const PLACE: &'static str = "own-feishu";
    const FOLDER: &'static str = "feishu";
    const BINDING: &'static str = "feishu binding v1";

    fn id(&self) -> &str {
        &self.app_id
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
            match owners::feishu_apps(&Place { home, uid, env: &env }) {
                Ok(apps) if apps.contains(&self.app_id) => Some(format!(
                    "it is the app of OpenClaw's gateway {}, whose assistant can read its secrets; make another one on \
                     Feishu's developer console",
                    home.id.0
                )),
                Ok(_) => None,
                Err(why) => {
                    Some(format!("it cannot be seen whether OpenClaw's gateway {} has this app, too: {why}", home.id.0))
                }
            }
        })
    }

    fn channel(&self, person: &str) -> Result<Channel, String> {
        self.app(person).map(Channel::FeishuApp)
    }

    async fn say(&self, person: &str, text: &str, http: &Http) -> Result<(), String> {
        self.app(person)?.say(text, http).await.map_err(|error| error.to_string())
    }
}

fn secret(key: &str, given: Option<&Secret>, file: Option<&PathBuf>) -> Result<Secret, String> {
    match (given, file) {
        (Some(secret), None) => Ok(secret.clone()),
        (None, Some(path)) => {
            let secret = secret_in(&format!("{key}_file"), path)?;
            if secret.expose().is_empty() { Err(format!("{} is empty", path.display())) } else { Ok(secret) }
        }
        (Some(_), Some(_)) => Err(format!("{key} and {key}_file are both set, expected one")),
        (None, None) => Err(format!("{key} is not set; the app's page on Feishu's developer console shows it")),
    }
}

fn is_path(path: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~');
    path.starts_with('/') && path.len() <= MAX_PATH && path.bytes().all(fine)
}

#[cfg(test)]
mod tests;
