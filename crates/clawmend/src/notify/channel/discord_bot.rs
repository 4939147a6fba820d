//! One person or channel on Discord through a bot.
//!
//! From Discord's documentation: [create DM](https://docs.discord.com/developers/resources/user#create-dm),
//! [create message](https://docs.discord.com/developers/resources/message#create-message) (a `nonce` of at most 25
//! characters, which with `enforce_nonce` makes a repeat within minutes return the first message) and
//! [message reference](https://docs.discord.com/developers/resources/message#message-reference-structure). The message
//! itself and the errors: [`discord`](super::discord).
//!
//! Nothing is connected to the gateway of Discord: the bot may be OpenClaw's.

use super::discord;
use crate::notify::http::{Answer, Http};
use crate::notify::secret::Secret;
use crate::notify::{Address, Letter, NotDelivered, Receipt};
use clawmend_core::time::Wall;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

const API: &str = "https://discord.com/api/v10";
const CREDENTIAL: &str =
    "copy the bot's token from the developer portal into the settings, or into OpenClaw's where it comes from";

/// One person or channel on Discord.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct DiscordBot {
    token: Secret,
    /// `None`: the public one.
    api: Option<Address>,
    to: To,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    token: Secret,
    #[serde(default)]
    api: Option<Address>,
    to: String,
}

impl TryFrom<Settings> for DiscordBot {
    type Error = &'static str;

    fn try_from(from: Settings) -> Result<Self, &'static str> {
        let bot = Self::checked(from.token, &from.to)?;
        Ok(Self { api: from.api, ..bot })
    }
}

#[derive(Clone, Debug, PartialEq)]
enum To {
    Person(String),
    Channel(String),
}

impl To {
    fn parse(text: &str) -> Option<Self> {
        let (is_channel, id) = match text.strip_prefix("channel:") {
            Some(id) => (true, id),
            None => (false, text.strip_prefix("user:").unwrap_or(text)),
        };
        is_id(id).then(|| if is_channel { Self::Channel(id.to_owned()) } else { Self::Person(id.to_owned()) })
    }
}

/// A snowflake: 64 bits in decimal.
fn is_id(text: &str) -> bool {
    text.parse::<u64>().is_ok() && text.chars().all(|c| c.is_ascii_digit())
}

impl DiscordBot {
    /// From a bot's token and one id: a person's (`1234` or `user:1234`), or a channel's (`channel:1234`).
    ///
    /// # Errors
    /// Which of them is none, without repeating it.
    pub fn new(token: SecretString, to: &str) -> Result<Self, &'static str> {
        Self::checked(token.into(), to)
    }

    fn checked(token: Secret, to: &str) -> Result<Self, &'static str> {
        if token.expose().chars().any(|c| !c.is_ascii_graphic()) {
            return Err("expected a bot's token, as the developer portal gives it");
        }
        let to =
            To::parse(to.trim()).ok_or("expected the number of a person, or channel: and the number of a channel")?;
        Ok(Self { token, api: None, to })
    }

    /// Brings it there.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        let answered = letter.answers.as_ref().and_then(|receipt| receipt.0.split_once('/'));
        let answered = answered.filter(|(channel, message)| is_id(channel) && is_id(message));
        let channel = match (&self.to, answered) {
            (_, Some((channel, _))) => channel.to_owned(),
            (To::Channel(id), None) => id.clone(),
            (To::Person(id), None) => self.open(id, http).await.map_err(NotDelivered::before_the_message)?,
        };
        let mut message = discord::message(letter);
        message["nonce"] = json!(nonce(&letter.key));
        message["enforce_nonce"] = json!(true);
        if let Some((_, id)) = answered {
            message["message_reference"] = json!({"message_id": id, "fail_if_not_exists": false});
        }
        let answer = self.post(&["channels", &channel, "messages"], &message, http).await?;
        // The status has said it, even where the body was cut off.
        let id = answer.json().and_then(|body| body["id"].as_str().map(ToOwned::to_owned));
        Ok(id.map_or_else(Receipt::default, |id| Receipt::of(&format!("{channel}/{id}"))))
    }

    /// The conversation with a person; the same one every time.
    async fn open(&self, person: &str, http: &Http) -> Result<String, NotDelivered> {
        let answer = self.post(&["users", "@me", "channels"], &json!({"recipient_id": person}), http).await?;
        let id = answer.json().and_then(|body| body["id"].as_str().map(ToOwned::to_owned));
        match id {
            Some(id) if is_id(&id) => Ok(id),
            _ if !answer.whole => Err(NotDelivered::later("Discord's answer was cut off")),
            _ => Err(NotDelivered::refused("Discord does not name the conversation with this person")),
        }
    }

    async fn post(&self, path: &[&str], body: &Value, http: &Http) -> Result<Answer, NotDelivered> {
        let url = match &self.api {
            Some(api) => api.join(path),
            None => format!("{API}/{}", path.join("/")).parse().ok(),
        };
        let url = url.ok_or_else(|| NotDelivered::refused("Discord's address cannot be used"))?;
        let host = url.host_str().unwrap_or("Discord").to_owned();
        let mut bot = HeaderValue::from_str(&format!("Bot {}", self.token.expose()))
            .map_err(|_| NotDelivered::person("the bot's token cannot be sent", CREDENTIAL))?;
        bot.set_sensitive(true);
        let answer = http.send(discord::named(http.post_json(url, body)).header(AUTHORIZATION, bot)).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(discord::failed(&answer, &host, CREDENTIAL)) }
    }
}

/// 24 characters that are the same for the same key.
fn nonce(key: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
    digest.as_ref().iter().take(12).fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
