//! One person or channel on Slack through a bot.
//!
//! From Slack's documentation: [chat.postMessage](https://docs.slack.dev/reference/methods/chat.postMessage),
//! [conversations.open](https://docs.slack.dev/reference/methods/conversations.open) for a person, and the
//! [Web API](https://docs.slack.dev/apis/web-api) (errors come as `"ok": false` with status 200). The message itself and
//! the errors: [`slack`](super::slack).
//!
//! An answer is put into the thread of the first message, and shown in the channel as well.

use super::slack;
use crate::notify::http::{Answer, Http, by_status};
use crate::notify::secret::Secret;
use crate::notify::{Address, Letter, NotDelivered, Receipt};
use clawmend_core::time::Wall;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

const API: &str = "https://slack.com/api";

/// One person or channel on Slack.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct SlackBot {
    bot_token: Secret,
    /// `None`: the public one.
    api: Option<Address>,
    to: Id,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    bot_token: Secret,
    #[serde(default)]
    api: Option<Address>,
    to: String,
}

impl TryFrom<Settings> for SlackBot {
    type Error = &'static str;

    fn try_from(from: Settings) -> Result<Self, &'static str> {
        let bot = Self::new_checked(from.bot_token, &from.to)?;
        Ok(Self { api: from.api, ..bot })
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Id {
    /// `U…` or `W…`
    Person(String),
    /// `C…`, `G…` or `D…`
    Channel(String),
}

impl Id {
    fn parse(text: &str) -> Option<Self> {
        let fine = (2..=32).contains(&text.len()) && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        match text.chars().next() {
            Some('U' | 'W') if fine => Some(Self::Person(text.to_owned())),
            Some('C' | 'G' | 'D') if fine => Some(Self::Channel(text.to_owned())),
            _ => None,
        }
    }
}

impl SlackBot {
    /// From a bot's token and the id of one person (`U…`) or channel (`C…`, `G…`, `D…`).
    ///
    /// # Errors
    /// Which of them is none, without repeating it.
    pub fn new(bot_token: SecretString, to: &str) -> Result<Self, &'static str> {
        Self::new_checked(bot_token.into(), to)
    }

    fn new_checked(bot_token: Secret, to: &str) -> Result<Self, &'static str> {
        if !bot_token.expose().starts_with("xox") || !bot_token.expose().is_ascii() {
            return Err("expected a bot token of Slack, such as xoxb-…");
        }
        let to = Id::parse(to.trim()).ok_or("expected the id of a person (U…) or a channel (C…, G… or D…) on Slack")?;
        Ok(Self { bot_token, api: None, to })
    }

    /// Brings it there.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        let answered = letter.answers.as_ref().and_then(|receipt| receipt.0.split_once('/'));
        let channel = match (&self.to, answered) {
            (_, Some((channel, _))) => channel.to_owned(),
            (Id::Channel(id), None) => id.clone(),
            (Id::Person(id), None) => self.open(id, http).await.map_err(NotDelivered::before_the_message)?,
        };
        let mut message = slack::message(letter);
        message["channel"] = json!(channel);
        if let Some((_, ts)) = answered {
            message["thread_ts"] = json!(ts);
            message["reply_broadcast"] = json!(true);
        }
        let body = self.call("chat.postMessage", &message, http).await?;
        // Where there is no `ts` there is nothing to answer to.
        Ok(body["ts"].as_str().map_or_else(Receipt::default, |ts| Receipt::of(&format!("{channel}/{ts}"))))
    }

    /// The conversation with a person.
    async fn open(&self, person: &str, http: &Http) -> Result<String, NotDelivered> {
        let body = self.call("conversations.open", &json!({"users": person}), http).await?;
        let id = body["channel"]["id"].as_str().and_then(Id::parse);
        match id {
            Some(Id::Channel(id) | Id::Person(id)) => Ok(id),
            None => Err(NotDelivered::refused("Slack does not name the conversation with this person")),
        }
    }

    async fn call(&self, method: &str, body: &Value, http: &Http) -> Result<Value, NotDelivered> {
        let url = match &self.api {
            Some(api) => api.join(&[method]),
            None => format!("{API}/{method}").parse().ok(),
        };
        let url = url.ok_or_else(|| NotDelivered::refused("Slack's address cannot be used"))?;
        let host = url.host_str().unwrap_or("Slack").to_owned();
        outcome(&http.send(http.post_json(url, body).bearer_auth(self.bot_token.expose())).await?, &host)
    }
}

/// The status says nothing: what became of it is in the body alone.
fn outcome(answer: &Answer, host: &str) -> Result<Value, NotDelivered> {
    if let Some(failure) = slack::by_status_alone(answer, host) {
        return Err(failure);
    }
    match answer.json() {
        Some(body) if body["ok"] == json!(true) => Ok(body),
        Some(body) if body["ok"] == json!(false) => {
            Err(slack::failed(body["error"].as_str().unwrap_or_default(), answer))
        }
        _ if !answer.status.is_success() => {
            Err(by_status(answer, host).unwrap_or_else(|| NotDelivered::refused(answer.said())))
        }
        _ if !answer.whole => Err(NotDelivered::unsure(format!("{host}: the answer was cut off"))),
        _ => Err(NotDelivered::person(
            format!("what answers at {host} is not Slack's Web API"),
            "correct `api`, or leave it out",
        )),
    }
}
