//! A topic of ntfy, on ntfy.sh or a server of one's own.
//!
//! From ntfy's documentation: [publish as JSON](https://docs.ntfy.sh/publish/#publish-as-json),
//! [authentication](https://docs.ntfy.sh/publish/#authentication), [priority](https://docs.ntfy.sh/publish/#message-priority),
//! [tags](https://docs.ntfy.sh/publish/#tags-emojis), [limitations](https://docs.ntfy.sh/publish/#limitations) (a message
//! of 4096 bytes; the server reads twice that as JSON). The error codes are those of
//! [the server](https://github.com/binwiederhier/ntfy/blob/main/server/errors.go).
//!
//! The name of a topic is all that one needs to read it on a server without accounts, so it is kept as a secret.

use crate::notify::http::{Answer, Http, by_status, said};
use crate::notify::render::{self, PLAIN, Unit};
use crate::notify::secret::Secret;
use crate::notify::{Address, Kind, Letter, NotDelivered, Receipt};
use clawmend_core::alert::Level;
use clawmend_core::time::Wall;
use serde::Deserialize;
use serde_json::{Value, json};

const API: &str = "https://ntfy.sh/";
/// Longest message, in bytes. Twice this (every character escaped in JSON) and the rest stay below 8192 bytes.
const MAX_MESSAGE: usize = 3_600;
/// Longest title, in bytes.
const MAX_TITLE: usize = 200;

/// A topic of ntfy.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct Ntfy {
    api: Option<Address>,
    topic: Secret,
    login: Login,
}

#[derive(Clone, Debug, PartialEq)]
enum Login {
    None,
    Token(Secret),
    Password { user: String, password: Secret },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    api: Option<Address>,
    topic: Secret,
    #[serde(default)]
    token: Option<Secret>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    password: Option<Secret>,
}

impl TryFrom<Settings> for Ntfy {
    type Error = &'static str;

    fn try_from(from: Settings) -> Result<Self, &'static str> {
        let topic = from.topic.expose();
        if topic.len() > 64 || !topic.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Err("expected a topic of at most 64 letters, digits, - and _");
        }
        let login = match (from.token, from.user, from.password) {
            (None, None, None) => Login::None,
            (Some(token), None, None) => Login::Token(token),
            (None, Some(user), Some(password)) if !user.is_empty() && !user.contains(':') => {
                Login::Password { user, password }
            }
            _ => return Err("expected either `token`, or `user` and `password`, or none of them"),
        };
        Ok(Self { api: from.api, topic: from.topic, login })
    }
}

impl Ntfy {
    /// Brings it there.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        let url = match &self.api {
            Some(api) => api.url(),
            None => API.parse().ok(),
        };
        let url = url.ok_or_else(|| NotDelivered::refused("the server's address cannot be used"))?;
        let host = url.host_str().unwrap_or("ntfy").to_owned();
        let request = http.post_json(url, &self.message(letter));
        let request = match &self.login {
            Login::None => request,
            Login::Token(token) => request.bearer_auth(token.expose()),
            Login::Password { user, password } => request.basic_auth(user, Some(password.expose())),
        };
        outcome(&http.send(request).await?, &host)
    }

    fn message(&self, letter: &Letter) -> Value {
        let (priority, tag) = match (letter.kind, letter.level) {
            (Kind::Resolved, _) => (3, "white_check_mark"),
            (_, Level::Critical) => (5, "rotating_light"),
            (_, Level::Error) => (4, "rotating_light"),
            (_, Level::Warning) => (3, "warning"),
            (_, Level::Info) => (2, "information_source"),
        };
        let title = render::line(&letter.title, render::as_it_is, Unit::Bytes, MAX_TITLE);
        let body = render::page(&letter.parts, &PLAIN, Unit::Bytes, MAX_MESSAGE);
        json!({
            "topic": self.topic.expose(),
            "title": title,
            // Without one it would say "triggered".
            "message": if body.is_empty() { title.clone() } else { body },
            "priority": priority,
            "tags": [tag],
        })
    }
}

fn outcome(answer: &Answer, host: &str) -> Result<Receipt, NotDelivered> {
    let body = answer.json().unwrap_or_default();
    if answer.status.is_success() {
        return match (body["id"].as_str(), answer.whole) {
            (Some(id), _) => Ok(Receipt::of(id)),
            // Cut off, but the status has said it.
            (None, false) => Ok(Receipt::default()),
            (None, true) => Err(NotDelivered::person(
                format!("what answers at {host} is not ntfy"),
                "correct `api`: the server's own address, without the topic",
            )),
        };
    }
    let why = body["error"].as_str().map_or_else(|| answer.said(), said);
    Err(match (answer.status.as_u16(), body["code"].as_u64().unwrap_or(0)) {
        (401 | 403, _) => NotDelivered::person(
            format!("{host} does not let us write to this topic ({why})"),
            "set `token`, or `user` and `password`, of an account that may write to it",
        ),
        (404 | 405, _) => NotDelivered::person(
            format!("{host} does not know this address ({why})"),
            "correct `api`: the server's own address, without the topic",
        ),
        (400, 40009 | 40010) => {
            NotDelivered::person(format!("{host} does not take this topic ({why})"), "choose another name for `topic`")
        }
        (413, _) => NotDelivered::refused(format!("it is too large for {host} ({why})")),
        (429, _) => {
            NotDelivered::Retry { why: format!("{host} takes no more for now ({why})"), after: answer.retry_after() }
        }
        _ => by_status(answer, host).unwrap_or_else(|| NotDelivered::refused(why)),
    })
}
