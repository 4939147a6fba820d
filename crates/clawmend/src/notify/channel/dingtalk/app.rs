//! People or groups on DingTalk through an app.
//!
//! As of 2026-11:
//! - the token: <https://open.dingtalk.com/document/orgapp/obtain-the-access_token-of-an-internal-app>; it is fetched
//!   for every letter and kept nowhere, and DingTalk answers with the same one for its two hours;
//! - to people: <https://open.dingtalk.com/document/orgapp/chatbots-send-one-on-one-chat-messages-in-batches>, at most
//!   20 a call, and who was left out stands in the answer;
//! - to a group: <https://open.dingtalk.com/document/orgapp/the-robot-sends-a-group-message>, with parameters of at most
//!   15 000 bytes;
//! - codes: <https://open.dingtalk.com/document/orgapp/server-api-error-codes-1>; an error has a status of its own.
//!
//! Nothing tells repeats apart: when some got it and others did not, the letter's fate is unsure.

use super::ask;
use super::markdown::{headline, markdown};
use crate::notify::http::{Answer, Http, by_status, said};
use crate::notify::{Address, Letter, NotDelivered, Receipt, secret};
use clawmend_core::time::Wall;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};
use std::str::FromStr;
use std::time::Duration;

/// Longest `msgParam`, in bytes, below the documented 15 000.
const MAX_PARAM: usize = 14_500;
/// Most recipients of one channel: people of one call.
const MAX_RECIPIENTS: usize = 20;
/// Longest plain text, in characters: far below the documented 15 000 bytes.
const MAX_SAID: usize = 2_000;
/// How long its limits of a second last at most.
const SECONDS: Duration = Duration::from_secs(5);

/// People or groups on DingTalk through an app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Settings")]
pub struct DingtalkApp {
    client_id: String,
    client_secret: SecretString,
    robot_code: String,
    api: Option<Address>,
    to: Vec<Recipient>,
    /// The app is our own, so somebody hears how a question is answered.
    asks: Option<Asks>,
}

/// How our own app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asks {
    /// The template of its cards; without one the words of an answer stand in the message.
    pub(super) template: Option<String>,
}

/// What our own app has besides its credentials.
#[derive(Clone, Debug)]
pub struct Own {
    /// Names its robot.
    pub robot_code: String,
    /// The template of its cards.
    pub template: Option<String>,
    /// Another address than `https://api.dingtalk.com`.
    pub api: Option<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    client_id: String,
    #[serde(deserialize_with = "secret::required")]
    client_secret: SecretString,
    robot_code: Option<String>,
    api: Option<Address>,
    to: Vec<Recipient>,
}

impl TryFrom<Settings> for DingtalkApp {
    type Error = String;

    fn try_from(from: Settings) -> Result<Self, String> {
        let app = Self::new(from.client_id, from.client_secret, from.robot_code, from.to)?;
        Ok(Self { api: from.api, ..app })
    }
}

/// Compares the secrets too; not in constant time, for both are this machine's own settings.
impl PartialEq for DingtalkApp {
    fn eq(&self, other: &Self) -> bool {
        self.client_id == other.client_id
            && self.client_secret.expose_secret() == other.client_secret.expose_secret()
            && self.robot_code == other.robot_code
            && self.api == other.api
            && self.to == other.to
            && self.asks == other.asks
    }
}

/// One person or group, by a checked id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A person's userId.
    Person(String),
    /// A group's openConversationId, `cid…`.
    Group(String),
}

impl FromStr for Recipient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() || text.len() > 128 || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
            return Err("expected a userId, or an openConversationId (cid…)".to_owned());
        }
        let text = text.to_owned();
        Ok(if text.starts_with("cid") { Self::Group(text) } else { Self::Person(text) })
    }
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl DingtalkApp {
    /// With these credentials, to these recipients. The robot's code is the client's id unless said otherwise.
    ///
    /// # Errors
    /// No recipient or more than twenty, or an id that is none.
    pub fn new(
        client_id: String,
        client_secret: SecretString,
        robot_code: Option<String>,
        to: Vec<Recipient>,
    ) -> Result<Self, String> {
        let robot_code = robot_code.unwrap_or_else(|| client_id.clone());
        let fine = |id: &str| !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic());
        if !fine(&client_id) || !fine(&robot_code) {
            return Err("expected a client id and a robot code such as ding…".to_owned());
        }
        if to.is_empty() || to.len() > MAX_RECIPIENTS {
            return Err(format!("expected 1 to {MAX_RECIPIENTS} recipients in `to`"));
        }
        Ok(Self { client_id, client_secret, robot_code, api: None, to, asks: None })
    }

    /// Our own app, to the person that it obeys: its questions can be answered.
    ///
    /// # Errors
    /// An id that is none.
    pub fn own(client_id: String, client_secret: SecretString, own: Own, person: &str) -> Result<Self, String> {
        // Whatever it looks like, it is a person.
        let to = match person.parse()? {
            Recipient::Person(id) | Recipient::Group(id) => Recipient::Person(id),
        };
        let app = Self::new(client_id, client_secret, Some(own.robot_code), vec![to])?;
        Ok(Self { api: own.api, asks: Some(Asks { template: own.template }), ..app })
    }

    /// The same at another address than `https://api.dingtalk.com`.
    #[must_use]
    pub fn at(self, api: Address) -> Self {
        Self { api: Some(api), ..self }
    }

    /// Brings it there. The receipt holds the `processQueryKey` of each call.
    ///
    /// # Errors
    /// [`NotDelivered`], also when only some got it.
    pub async fn deliver(&self, letter: &Letter, http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        let token = self.token(http).await?;
        if let (Some(asks), Some(Recipient::Person(person)), false) =
            (&self.asks, self.to.first(), letter.choices.is_empty())
        {
            let question = ask::Question { app: self, letter, person, http, token: &token };
            return question.deliver(asks.template.as_deref()).await;
        }
        let (mut keys, mut failures) = (Vec::new(), Vec::new());
        for (path, to) in self.calls() {
            match self.call(path, &to, "sampleMarkdown", &param(letter, ""), http, &token).await {
                Ok(key) => keys.push(key),
                Err(failure) => failures.push(failure),
            }
        }
        match failures.into_iter().next() {
            None => Ok(Receipt::of(&keys.join(" "))),
            Some(failure) if keys.is_empty() => Err(failure),
            Some(NotDelivered::Retry { why, .. } | NotDelivered::Unsure { why }) => {
                Err(NotDelivered::unsure(format!("only a part got it: {why}")))
            }
            Some(failure) => Err(failure),
        }
    }

    /// Writes a plain text to the people and groups:
    /// <https://open.dingtalk.com/document/development/robot-message-type>, `sampleText`.
    ///
    /// # Errors
    /// [`NotDelivered`] of the first that failed.
    pub async fn say(&self, text: &str, http: &Http) -> Result<(), NotDelivered> {
        let token = self.token(http).await?;
        let text: String = text.chars().take(MAX_SAID).collect();
        let param = json!({"content": text}).to_string();
        for (path, to) in self.calls() {
            self.call(path, &to, "sampleText", &param, http, &token).await?;
        }
        Ok(())
    }

    /// One call for all people, one for each group.
    fn calls(&self) -> Vec<(&'static str, Value)> {
        let mut people = Vec::new();
        let mut calls = Vec::new();
        for recipient in &self.to {
            match recipient {
                Recipient::Person(id) => people.push(id.as_str()),
                Recipient::Group(id) => calls.push(("groupMessages/send", json!({"openConversationId": id}))),
            }
        }
        if !people.is_empty() {
            calls.insert(0, ("oToMessages/batchSend", json!({"userIds": people})));
        }
        calls
    }

    /// A token for this letter. Nothing has been sent when there is none, so nothing is unsure.
    async fn token(&self, http: &Http) -> Result<HeaderValue, NotDelivered> {
        let host = self.host();
        let body = json!({"appKey": self.client_id, "appSecret": self.client_secret.expose_secret()});
        let sent = http.send(http.post_json(self.url("v1.0/oauth2/accessToken")?, &body)).await;
        let answer = sent.map_err(|failure| match failure {
            NotDelivered::Unsure { why } => NotDelivered::later(format!("no token: {why}")),
            failure
            @ (NotDelivered::Retry { .. } | NotDelivered::NeedsPerson { .. } | NotDelivered::Refused { .. }) => failure,
        })?;
        let body = answer.json().unwrap_or(Value::Null);
        if let Some(failure) = self.failed(&answer, &body) {
            return Err(failure);
        }
        let token = body["accessToken"].as_str().and_then(|token| HeaderValue::from_str(token).ok());
        let mut token = token.ok_or_else(|| NotDelivered::later(format!("{host} gives no token")))?;
        token.set_sensitive(true);
        Ok(token)
    }

    /// Sends a message; gives its `processQueryKey`.
    pub(super) async fn call(
        &self,
        path: &str,
        to: &Value,
        kind: &str,
        param: &str,
        http: &Http,
        token: &HeaderValue,
    ) -> Result<String, NotDelivered> {
        let mut body = json!({"robotCode": self.robot_code, "msgKey": kind, "msgParam": param});
        if let (Some(body), Some(to)) = (body.as_object_mut(), to.as_object()) {
            body.extend(to.clone());
        }
        let (answer, said) = self.post(&format!("v1.0/robot/{path}"), &body, http, token).await?;
        if let Some(failure) = self.failed(&answer, &said) {
            return Err(failure);
        }
        let asked = to["userIds"].as_array().map_or(1, Vec::len);
        self.left_out(&said, asked)?;
        let key = said["processQueryKey"].as_str().filter(|key| !key.contains(' '));
        match key {
            Some(key) => Ok(key.to_owned()),
            None if answer.whole => {
                Err(NotDelivered::unsure(format!("{} gives an answer that is not of its API", self.host())))
            }
            None => Err(NotDelivered::unsure(format!("the answer of {} was cut off", self.host()))),
        }
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        http: &Http,
        token: &HeaderValue,
    ) -> Result<(Answer, Value), NotDelivered> {
        let request = http.post_json(self.url(path)?, body).header("x-acs-dingtalk-access-token", token.clone());
        let answer = http.send(request).await?;
        let said = answer.json().unwrap_or(Value::Null);
        Ok((answer, said))
    }

    pub(super) fn robot_code(&self) -> &str {
        &self.robot_code
    }

    /// People who were left out of a call that went well otherwise.
    fn left_out(&self, said: &Value, asked: usize) -> Result<(), NotDelivered> {
        let count = |name: &str| said[name].as_array().map_or(0, Vec::len);
        let (unknown, slowed) = (count("invalidStaffIdList"), count("flowControlledStaffIdList"));
        let host = self.host();
        if slowed > 0 && slowed + unknown >= asked {
            return Err(NotDelivered::Retry { why: format!("{host} is asked too often"), after: Some(SECONDS) });
        }
        if slowed > 0 {
            return Err(NotDelivered::unsure(format!(
                "{host} was asked too often: {slowed} of {asked} people lack it"
            )));
        }
        if unknown > 0 {
            return Err(NotDelivered::person(
                format!("{host} does not know {unknown} of {asked} people"),
                "correct `to`: userIds of this organisation, whom the app may see",
            ));
        }
        Ok(())
    }

    /// What an answer that is no success means: its code is a word.
    pub(super) fn failed(&self, answer: &Answer, body: &Value) -> Option<NotDelivered> {
        let host = self.host();
        let by_status = by_status(answer, host)?;
        let code = body["code"].as_str().filter(|_| !answer.status.is_server_error());
        let Some(code) = code else { return Some(by_status) };
        let (word, msg) = (said(code), said(body["message"].as_str().unwrap_or_default()));
        let starts = |start: &str| code.to_ascii_lowercase().starts_with(start);
        let hint = if code.contains("QpsLimit") || starts("throttling") {
            let after = Some(answer.retry_after().unwrap_or(SECONDS));
            return Some(NotDelivered::Retry { why: format!("{host} is asked too often"), after });
        } else if starts("invalidauthentication") {
            // The token ran out in between; the next one is fresh.
            return Some(NotDelivered::later(format!("{host} answers {word}: {msg}")));
        } else if starts("invalidclientidorsecret") {
            "check `client_id` and `client_secret` against the app's page"
        } else if code.contains("IpNotInWhiteList") {
            "add this machine's public address to the app's IP list"
        } else if starts("forbidden.accessdenied") {
            "give the app the permission qyapi_robot_sendmsg, and publish it"
        } else if starts("invalidparameter.robotcode") || starts("robot") {
            "check `robot_code`, enable the app's robot, and publish the app"
        } else if starts("invalidparameter.userids") || starts("invalidparameter.openconversationid") {
            "correct `to`: userIds of this organisation, or groups that the app's robot is in"
        } else if matches!(answer.status.as_u16(), 408 | 429) {
            return Some(by_status);
        } else {
            return Some(NotDelivered::refused(format!("{host} answers {word}: {msg}")));
        };
        Some(NotDelivered::person(format!("{host} refuses it ({word}): {msg}"), hint))
    }

    pub(super) fn host(&self) -> &str {
        self.api.as_ref().map_or("api.dingtalk.com", Address::host)
    }

    fn url(&self, path: &str) -> Result<reqwest::Url, NotDelivered> {
        let segments: Vec<&str> = path.split('/').collect();
        let url = match &self.api {
            Some(api) => api.join(&segments),
            None => "https://api.dingtalk.com".parse::<Address>().ok().and_then(|api| api.join(&segments)),
        };
        url.ok_or_else(|| NotDelivered::refused("`api` cannot be used"))
    }
}

/// The parameters of a message: JSON in a string, of a bounded length whatever its text takes in JSON. `end` is markup of our
/// own.
pub(super) fn param(letter: &Letter, end: &str) -> String {
    let mut room = MAX_PARAM - end.len().min(MAX_PARAM / 2);
    loop {
        let text = format!("{}{end}", markdown(letter, room));
        let param = json!({"title": headline(letter), "text": text}).to_string();
        if param.len() <= MAX_PARAM || room < 1024 {
            return param;
        }
        room = room * 3 / 4;
    }
}
