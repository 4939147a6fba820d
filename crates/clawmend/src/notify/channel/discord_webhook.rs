//! A Discord channel through a webhook.
//!
//! From Discord's documentation: [execute webhook](https://docs.discord.com/developers/resources/webhook#execute-webhook).
//! With `wait=true` Discord answers when the message is stored, and says when it is not. The message itself and the
//! errors: [`discord`](super::discord).
//!
//! A webhook cannot reply: "resolved" is a message of its own.

use super::discord;
use crate::notify::http::{Answer, Http};
use crate::notify::{Address, Letter, NotDelivered, Receipt};
use clawmend_core::time::Wall;
use reqwest::Url;
use serde::Deserialize;

/// A Discord channel through a webhook.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct DiscordWebhook {
    /// The whole address, which is its credential.
    url: Address,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: Address,
}

impl TryFrom<Settings> for DiscordWebhook {
    type Error = &'static str;

    fn try_from(from: Settings) -> Result<Self, &'static str> {
        let url = from.url.url().ok_or("the webhook's address cannot be used")?;
        let path: Vec<&str> = url.path_segments().map(Iterator::collect).unwrap_or_default();
        match path.as_slice() {
            // Behind it there may be `/slack` or `/github`, which take other messages.
            [.., "webhooks", id, token] if id.chars().all(|c| c.is_ascii_digit()) && !token.is_empty() => {
                Ok(Self { url: from.url })
            }
            _ => Err("expected a webhook's address such as https://discord.com/api/webhooks/1234/…"),
        }
    }
}

impl DiscordWebhook {
    /// Brings it there.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        let url = self.url.url().ok_or_else(|| NotDelivered::refused("the webhook's address cannot be used"))?;
        let request = discord::named(http.post_json(waiting(url), &discord::message(letter)));
        outcome(&http.send(request).await?, self.url.host())
    }
}

/// The same with `wait=true`, and whatever else it says, such as a thread.
fn waiting(mut url: Url) -> Url {
    let others: Vec<(String, String)> = url.query_pairs().filter(|(name, _)| name != "wait").map(owned).collect();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair("wait", "true");
    url
}

fn owned((name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)) -> (String, String) {
    (name.into_owned(), value.into_owned())
}

fn outcome(answer: &Answer, host: &str) -> Result<Receipt, NotDelivered> {
    if !answer.status.is_success() {
        return Err(discord::failed(
            answer,
            host,
            "the webhook was deleted or its address is wrong: make a new one in the channel's settings",
        ));
    }
    // The status has said it, even where the body was cut off.
    Ok(answer.json().and_then(|body| body["id"].as_str().map(Receipt::of)).unwrap_or_default())
}
