//! One person or chat on Telegram, through a bot.
//!
//! From the Bot API: [sendMessage](https://core.telegram.org/bots/api#sendmessage) (text of 1 to 4096 characters after
//! entities are parsed), [HTML style](https://core.telegram.org/bots/api#html-style),
//! [making requests](https://core.telegram.org/bots/api#making-requests) and
//! [ResponseParameters](https://core.telegram.org/bots/api#responseparameters).
//!
//! Invariant: nothing but `sendMessage` is ever called. The bot may be OpenClaw's, and whoever else asks for its updates
//! or sets a webhook takes its messages away.

use crate::notify::http::{Answer, Http, bounded_seconds, by_status, said};
use crate::notify::render::{self, Markup, Unit};
use crate::notify::secret::Secret;
use crate::notify::{Address, Choice, Letter, NotDelivered, Receipt};
use clawmend_core::alert::Level;
use clawmend_core::time::Wall;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

/// Where the Bot API is.
const API: &str = "https://api.telegram.org";
/// Longest text. Counted here with all markup and in UTF-16 units, so that it fits however the service counts.
const MAX_TEXT: usize = 4096;
const MAX_TITLE: usize = 300;

const MARKUP: Markup = Markup {
    escape: render::html,
    escape_code: render::html,
    heading: ("<b>", "</b>"),
    text: ("", ""),
    label: ("<b>", "</b>"),
    item: ("• ", ""),
    code: ("<pre>", "</pre>"),
};

/// One person or chat on Telegram.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct Telegram {
    bot_token: Secret,
    /// `None`: the public one.
    api: Option<Address>,
    to: ChatId,
    /// The bot is our own, so somebody hears when a button is tapped.
    buttons: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    bot_token: Secret,
    #[serde(default)]
    api: Option<Address>,
    to: String,
}

impl TryFrom<Settings> for Telegram {
    type Error = &'static str;

    fn try_from(from: Settings) -> Result<Self, &'static str> {
        Self::checked(from.bot_token, from.api, &from.to)
    }
}

/// A number, or the name of a public channel or group.
#[derive(Clone, Debug, PartialEq)]
enum ChatId {
    Number(i64),
    Name(String),
}

impl ChatId {
    fn parse(text: &str) -> Option<Self> {
        let name =
            |text: &str| text.strip_prefix('@').is_some_and(|name| is_word(name) && (4..=64).contains(&name.len()));
        match text.parse() {
            Ok(number) => Some(Self::Number(number)),
            Err(_) => name(text).then(|| Self::Name(text.to_owned())),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Number(number) => json!(number),
            Self::Name(name) => json!(name),
        }
    }
}

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `123456:ABC-DEF…`
pub(crate) fn is_token(text: &str) -> bool {
    text.split_once(':').is_some_and(|(bot, rest)| {
        !bot.is_empty()
            && bot.chars().all(|c| c.is_ascii_digit())
            && !rest.is_empty()
            && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    })
}

impl Telegram {
    /// From a bot's token, the address of its Bot API (`None`: the public one) and one chat: a number, or `@name` of a
    /// public one.
    ///
    /// # Errors
    /// Which of them is none, without repeating it.
    pub fn new(bot_token: SecretString, api: Option<Address>, to: &str) -> Result<Self, &'static str> {
        Self::checked(bot_token.into(), api, to)
    }

    fn checked(bot_token: Secret, api: Option<Address>, to: &str) -> Result<Self, &'static str> {
        if !is_token(bot_token.expose()) {
            return Err("expected a bot's token such as 123456:ABC…, as @BotFather gives it");
        }
        let to = ChatId::parse(to.trim()).ok_or("expected a chat's number, or @name of a public channel or group")?;
        Ok(Self { bot_token, api, to, buttons: false })
    }

    /// Our own bot, in the private chat with the person that it obeys: its questions have buttons.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn own_bot(bot_token: SecretString, api: Option<Address>, chat: i64) -> Result<Self, &'static str> {
        Ok(Self { buttons: true, ..Self::checked(bot_token.into(), api, &chat.to_string())? })
    }

    /// Brings it there.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        let path = format!("bot{}", self.bot_token.expose());
        let url = match &self.api {
            Some(api) => api.join(&[&path, "sendMessage"]),
            None => format!("{API}/{path}/sendMessage").parse().ok(),
        };
        let url = url.ok_or_else(|| NotDelivered::refused("the address of the Bot API cannot be used"))?;
        let host = url.host_str().unwrap_or("Telegram").to_owned();
        outcome(&http.send(http.post_json(url, &self.message(letter))).await?, &host)
    }

    fn message(&self, letter: &Letter) -> Value {
        let mut message = json!({
            "chat_id": self.to.json(),
            "text": text(letter),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": true},
            "disable_notification": letter.level == Level::Info,
        });
        if let Some(id) = letter.answers.as_ref().and_then(|answered| answered.0.parse::<i64>().ok()) {
            // A message that was deleted meanwhile is no reason not to say it.
            message["reply_parameters"] = json!({"message_id": id, "allow_sending_without_reply": true});
        }
        if self.buttons && !letter.choices.is_empty() {
            let button = |choice: &Choice| json!({"text": choice.label, "callback_data": choice.data});
            let row: Vec<Value> = letter.choices.iter().map(button).collect();
            message["reply_markup"] = json!({"inline_keyboard": [row]});
        }
        message
    }
}

fn text(letter: &Letter) -> String {
    let title = format!("<b>{}</b>", render::marked_title(letter, render::html, Unit::Utf16, MAX_TITLE));
    let room = MAX_TEXT - Unit::Utf16.of(&title) - 2;
    let body = render::page(&letter.parts, &MARKUP, Unit::Utf16, room);
    if body.is_empty() { title } else { format!("{title}\n\n{body}") }
}

/// `ok` and the HTTP status say the same; the words are in `description`, the wait in `parameters`.
fn outcome(answer: &Answer, host: &str) -> Result<Receipt, NotDelivered> {
    let body = answer.json();
    let code = match &body {
        Some(body) if body["ok"] == json!(true) => return Ok(receipt(body)),
        Some(body) if body["ok"] == json!(false) => body["error_code"].as_u64().unwrap_or(0),
        // Cut off, but the status has said it.
        _ if answer.status.is_success() && !answer.whole => return Ok(Receipt::default()),
        _ if answer.status.is_success() => {
            return Err(NotDelivered::person(
                format!("what answers at {host} is not the Bot API"),
                "correct `api`, or leave it out",
            ));
        }
        _ => 0,
    };
    let body = body.unwrap_or_default();
    let why = said(body["description"].as_str().unwrap_or_default());
    match if code == 0 { u64::from(answer.status.as_u16()) } else { code } {
        401 | 404 => Err(NotDelivered::person(
            format!("Telegram refuses the bot's token ({why})"),
            "put the token that @BotFather shows for this bot into the settings, or into OpenClaw's where it comes from",
        )),
        403 => Err(NotDelivered::person(
            format!("the bot may not write to this chat ({why})"),
            "let that person press Start in the bot's chat (and unblock it), or let the bot into the group again",
        )),
        429 => Err(NotDelivered::Retry {
            why: "Telegram is asked too often".to_owned(),
            after: body["parameters"]["retry_after"]
                .as_f64()
                .and_then(bounded_seconds)
                .or_else(|| answer.retry_after()),
        }),
        400 => Err(bad_request(&body, why)),
        status @ 500..=599 => Err(NotDelivered::later(format!("{host} answers {status}"))),
        _ => Err(by_status(answer, host).unwrap_or_else(|| NotDelivered::refused(why))),
    }
}

fn receipt(body: &Value) -> Receipt {
    body["result"]["message_id"].as_i64().map_or_else(Receipt::default, |id| Receipt(id.to_string()))
}

/// The words are all there is to tell them apart.
fn bad_request(body: &Value, why: String) -> NotDelivered {
    if let Some(id) = body["parameters"]["migrate_to_chat_id"].as_i64() {
        return NotDelivered::person(
            "the group has become a supergroup, with another number",
            format!("set `to` to {id}"),
        );
    }
    let lower = why.to_lowercase();
    if [
        "chat not found",
        "user not found",
        "peer_id_invalid",
        "not enough rights",
        "have no rights",
        "chat_write_forbidden",
    ]
    .iter()
    .any(|words| lower.contains(words))
    {
        return NotDelivered::person(
            format!("Telegram does not let the bot write to this chat ({why})"),
            "check `to`; a person must have pressed Start in the bot's chat, and a group must have the bot as a member",
        );
    }
    NotDelivered::refused(why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn settings_are_checked_and_the_token_is_not_shown() {
        let parse = |text: &str| toml::from_str::<Telegram>(text);
        let fine = parse("bot_token = '123:canary-Token_9'\nto = '-1001234'").unwrap();
        assert!(!format!("{fine:?}").contains("canary"), "{fine:?}");
        for text in [
            "bot_token = 'canary/../getUpdates'\nto = '1'",
            "bot_token = '123:canary'\nto = 'me'",
            "bot_token = '123:canary'\nto = '@a/b?c'",
            "bot_token = '123:canary'\nto = '1'\napi = 'http://example.com'",
            "bot_token = '123:canary'\nto = '1'\nunknown = 1",
        ] {
            let error = parse(text).unwrap_err().message().to_owned();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
