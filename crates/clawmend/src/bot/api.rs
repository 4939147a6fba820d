//! Asks for what was said to the bot, and answers.
//!
//! From the Bot API: [getUpdates](https://core.telegram.org/bots/api#getupdates) (`offset` one above the highest that was
//! received confirms all before it; `limit` 1 to 100; one request at a time, another one ends it with 409),
//! [sendMessage](https://core.telegram.org/bots/api#sendmessage),
//! [answerCallbackQuery](https://core.telegram.org/bots/api#answercallbackquery) (text of 0 to 200 characters),
//! [editMessageReplyMarkup](https://core.telegram.org/bots/api#editmessagereplymarkup).
//!
//! Invariants: an answer that was cut off is never read; every request has its end; an error holds no token.

use super::Access;
use super::update::{self, Update};
use crate::notify::NotDelivered;
use crate::notify::http::{Answer, Http, bounded_seconds, said};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::time::Duration;

/// Updates in one answer: so few that an answer stays far below what is read of one.
pub const BATCH: u32 = 20;
/// How long the service may hold a request while there is nothing to tell, in seconds.
pub const HELD_S: u64 = 50;
/// To a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// For an answer that is not held.
const WHOLE: Duration = Duration::from_secs(15);
/// Longest text of an answer to a tap, in characters.
const MAX_ANSWER: usize = 200;
/// Longest message, in UTF-16 units.
const MAX_TEXT: usize = 4096;

/// Why it did not work, by what follows.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Somebody else asks for its messages, or a webhook is set.
    #[error("another program asks for its messages, or a webhook is set ({why}); give the guard a bot of its own")]
    Conflict {
        /// What the service says.
        why: String,
    },
    /// The token is refused.
    #[error("Telegram refuses its token ({why}); put the token that @BotFather shows for it into notify.toml")]
    Unauthorized {
        /// What the service says.
        why: String,
    },
    /// It wants peace.
    #[error("Telegram is asked too often")]
    TooMany {
        /// For so long.
        after: Option<Duration>,
    },
    /// It may work later.
    #[error("{why}; it is tried again")]
    Later {
        /// What happened.
        why: String,
    },
    /// The answer did not come to its end.
    #[error("an answer of Telegram was cut off; it is asked again")]
    Cut,
    /// It does not do that.
    #[error("Telegram refuses it ({why})")]
    Refused {
        /// What the service says.
        why: String,
    },
    /// Something else answers.
    #[error("what answers is not the Bot API; correct `api` in [bot] of notify.toml, or leave it out")]
    NotTheApi {
        /// The status.
        status: u16,
    },
}

/// Speaks as the bot.
#[derive(Clone, Debug)]
pub struct BotApi {
    access: Access,
    /// For requests that are held.
    long: Http,
    short: Http,
}

impl BotApi {
    /// With this access.
    ///
    /// # Errors
    /// No request can be sent at all, in words for people.
    pub fn new(access: Access) -> Result<Self, String> {
        let proxy = access.proxy.as_ref().map(|proxy| SecretString::from(proxy.expose().to_owned()));
        let proxy = proxy.as_ref().map(|proxy| proxy.expose_secret());
        let long = Http::with_limits(proxy, CONNECT, Duration::from_secs(HELD_S) + WHOLE)?;
        let short = Http::with_limits(proxy, CONNECT, WHOLE)?;
        Ok(Self { access, long, short })
    }

    /// Waits for updates from `offset` on, at most `limit`, and for at most `held_s` seconds.
    ///
    /// # Errors
    /// [`Trouble`]; nothing was confirmed that was not before.
    pub async fn updates(&self, offset: i64, limit: u32, held_s: u64) -> Result<Vec<Update>, Trouble> {
        let body = json!({
            "offset": offset,
            "limit": limit,
            "timeout": held_s.min(HELD_S),
            "allowed_updates": ["message", "callback_query"],
        });
        let result = self.call(&self.long, "getUpdates", &body).await?;
        update::read(&result).ok_or(Trouble::NotTheApi { status: 200 })
    }

    /// Writes a plain text into a chat.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn say(&self, chat: i64, text: &str) -> Result<(), Trouble> {
        let body = json!({
            "chat_id": chat,
            "text": cut_utf16(text, MAX_TEXT),
            "link_preview_options": {"is_disabled": true},
        });
        self.call(&self.short, "sendMessage", &body).await.map(drop)
    }

    /// Answers a tap, in a small window above the chat.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn answer(&self, query: &str, text: &str) -> Result<(), Trouble> {
        let text: String = text.chars().take(MAX_ANSWER).collect();
        let body = json!({"callback_query_id": query, "text": text, "show_alert": true});
        self.call(&self.short, "answerCallbackQuery", &body).await.map(drop)
    }

    /// Takes the buttons of a message away. That they are gone already is no trouble.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn take_buttons_away(&self, chat: i64, message: i64) -> Result<(), Trouble> {
        let body = json!({"chat_id": chat, "message_id": message, "reply_markup": {"inline_keyboard": []}});
        match self.call(&self.short, "editMessageReplyMarkup", &body).await {
            Err(Trouble::Refused { why }) if why.to_lowercase().contains("not modified") => Ok(()),
            other => other.map(drop),
        }
    }

    async fn call(&self, http: &Http, method: &str, body: &Value) -> Result<Value, Trouble> {
        let url = self.access.url(method).ok_or(Trouble::NotTheApi { status: 0 })?;
        let answer = http.send(http.post_json(url, body)).await.map_err(|error| unreached(&error))?;
        result(&answer)
    }
}

fn unreached(error: &NotDelivered) -> Trouble {
    Trouble::Later { why: error.to_string() }
}

/// `ok` says whether it worked; the status and `error_code` say the same of why not.
fn result(answer: &Answer) -> Result<Value, Trouble> {
    if !answer.whole {
        return Err(Trouble::Cut);
    }
    let mut body = answer.json().unwrap_or_default();
    if body["ok"] == json!(true) {
        return Ok(body["result"].take());
    }
    let status = answer.status.as_u16();
    let code = body["error_code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(status);
    let why = said(body["description"].as_str().unwrap_or_default());
    Err(match code {
        401 | 404 => Trouble::Unauthorized { why },
        409 => Trouble::Conflict { why },
        429 => {
            let asked = body["parameters"]["retry_after"].as_f64().and_then(bounded_seconds);
            Trouble::TooMany { after: asked.or_else(|| answer.retry_after()) }
        }
        500..=599 => Trouble::Later { why: format!("Telegram answers {code}") },
        _ if body["ok"] == json!(false) => Trouble::Refused { why },
        status => Trouble::NotTheApi { status },
    })
}

fn cut_utf16(text: &str, most: usize) -> String {
    let mut units = 0;
    let fits = |c: &char| {
        units += c.len_utf16();
        units <= most
    };
    text.chars().take_while(fits).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
