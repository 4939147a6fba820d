//! A Slack channel through an incoming webhook.
//!
//! From Slack's documentation: [incoming webhooks](https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)
//! (`ok` as the whole body of a 200; errors as one word with 400, 403, 404, 410 or 500) and
//! [rate limits](https://docs.slack.dev/apis/web-api/rate-limits) (one message a second; 429 with `Retry-After`).
//! The message itself and the errors: [`slack`](super::slack).
//!
//! Slack does not say what it calls the message, so nothing can answer it: "resolved" is a message of its own.

use super::slack;
use crate::notify::http::{Answer, Http, by_status};
use crate::notify::{Address, Letter, NotDelivered, Receipt};
use clawmend_core::time::Wall;
use serde::Deserialize;

/// A Slack channel through an incoming webhook.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackWebhook {
    /// The whole address, which is its credential.
    url: Address,
}

impl SlackWebhook {
    /// Brings it there.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        let url = self.url.url().ok_or_else(|| NotDelivered::refused("the webhook's address cannot be used"))?;
        outcome(&http.send(http.post_json(url, &slack::message(letter))).await?, self.url.host())
    }
}

fn outcome(answer: &Answer, host: &str) -> Result<Receipt, NotDelivered> {
    if let Some(failure) = slack::by_status_alone(answer, host) {
        return Err(failure);
    }
    let body = String::from_utf8_lossy(&answer.body);
    let word = body.trim();
    if answer.status.is_success() {
        // Cut off, but the status has said it.
        if word == "ok" || !answer.whole {
            return Ok(Receipt::default());
        }
        if !is_word(word) {
            return Err(NotDelivered::person(
                format!("what answers at {host} is not a Slack webhook"),
                "copy the webhook's whole address from the app's page Incoming Webhooks",
            ));
        }
    }
    Err(if is_word(word) {
        slack::failed(word, answer)
    } else {
        by_status(answer, host).unwrap_or_else(|| NotDelivered::refused(answer.said()))
    })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}
