//! A DingTalk group through its custom bot.
//!
//! <https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages> and, for signatures,
//! <https://open.dingtalk.com/document/robots/customize-robot-security-settings> (as of 2026-11): the signature is the
//! HMAC-SHA256, keyed with the secret, of the time in milliseconds, a line feed and the secret, in Base64, and stands
//! in the query; the time may be off by an hour. Markdown has at most 20 000 bytes. More than 20 messages a minute, and
//! the bot is silenced for ten minutes. Errors come with HTTP 200: 310000 what the security settings say (the words
//! tell which: keyword, time, signature, address), 130101 and 410100 rate, 300001 and 400101 webhook.

use super::super::clock;
use super::markdown::{headline, markdown};
use crate::notify::http::{Answer, Http, by_status, said};
use crate::notify::{Address, Letter, NotDelivered, Receipt, secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clawmend_core::time::Wall;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest text, in bytes, below the documented 20 000, of which the title may be a part.
const MAX_TEXT: usize = 19_500;
/// For how long a bot is silenced that spoke too often.
const SILENCED: Duration = Duration::from_secs(600);

/// A DingTalk group through its custom bot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DingtalkBot {
    /// The webhook's whole address, `https://oapi.dingtalk.com/robot/send?access_token=…`.
    pub webhook: Address,
    /// The secret of its signature, `SEC…`, where the bot demands one.
    #[serde(default, deserialize_with = "secret::optional")]
    pub secret: Option<SecretString>,
}

/// Compares the secrets too; not in constant time, for both are this machine's own settings.
impl PartialEq for DingtalkBot {
    fn eq(&self, other: &Self) -> bool {
        let exposed = |bot: &Self| bot.secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        self.webhook == other.webhook && exposed(self) == exposed(other)
    }
}

impl DingtalkBot {
    /// Brings it there. `now` is for the signature. A bot names no message: the receipt is empty.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, now: Wall) -> Result<Receipt, NotDelivered> {
        let mut url =
            self.webhook.url().ok_or_else(|| NotDelivered::refused("the webhook's address cannot be used"))?;
        if let Some(secret) = &self.secret {
            url.query_pairs_mut()
                .append_pair("timestamp", &now.0.to_string())
                .append_pair("sign", &sign(now.0, secret));
        }
        let body = json!({
            "msgtype": "markdown",
            "markdown": {"title": headline(letter), "text": markdown(letter, MAX_TEXT)},
            "at": {"isAtAll": false},
        });
        let answer = http.send(http.post_json(url, &body)).await?;
        self.judge(&answer, now)
    }

    fn judge(&self, answer: &Answer, now: Wall) -> Result<Receipt, NotDelivered> {
        let host = self.webhook.host();
        let body = answer.json().unwrap_or(Value::Null);
        let code = body["errcode"].as_i64().filter(|_| !answer.status.is_server_error());
        match (code, by_status(answer, host)) {
            (Some(0), None) => Ok(Receipt::default()),
            (Some(code), _) if code != 0 => {
                Err(self.failed(code, &said(body["errmsg"].as_str().unwrap_or_default()), answer, now))
            }
            (_, Some(failure)) => Err(failure),
            (_, None) if answer.whole => {
                Err(NotDelivered::unsure(format!("{host} gives an answer that is not of its API")))
            }
            (_, None) => Err(NotDelivered::unsure(format!("the answer of {host} was cut off"))),
        }
    }

    fn failed(&self, code: i64, msg: &str, answer: &Answer, now: Wall) -> NotDelivered {
        let host = self.webhook.host();
        let hint = match code {
            310_000 => return self.insecure(msg, answer, now),
            130_101 | 410_100 => {
                let after = Some(answer.retry_after().unwrap_or(SILENCED));
                return NotDelivered::Retry { why: format!("{host} is asked too often ({code})"), after };
            }
            -1 | 90_002 | 90_018 => return NotDelivered::later(format!("{host} answers {code}: {msg}")),
            300_001 | 300_005 | 400_013 | 400_101 | 400_102 | 400_106 => {
                "create the group's custom bot again, and set `webhook` to its address"
            }
            90_030 => "the organisation's calls of webhooks are used up: buy more, or use another channel",
            _ => return NotDelivered::refused(format!("{host} answers {code}: {msg}")),
        };
        NotDelivered::person(format!("{host} refuses it ({code}): {msg}"), hint)
    }

    /// What its security settings refuse. There is one code for all of them.
    fn insecure(&self, msg: &str, answer: &Answer, now: Wall) -> NotDelivered {
        let words = msg.to_ascii_lowercase();
        let has = |word: &str| words.contains(word);
        let off = clock::off(&answer.headers, now);
        let hint = if has("timestamp") && self.secret.is_some() || off.is_some() {
            clock::SET_THE_CLOCK
        } else if has("keyword") {
            "make Clawmend one of the bot's keywords"
        } else if has("whitelist") || words.starts_with("ip ") {
            "add this machine's public address to the bot's IP list, or use a signature instead"
        } else if self.secret.is_none() {
            "the bot demands a signature: set `secret` to the one in the bot's security settings (SEC…)"
        } else {
            "copy the secret from the bot's security settings (SEC…) into `secret`"
        };
        let why = off.map_or_else(|| msg.to_owned(), |off| format!("{msg}: {off}"));
        NotDelivered::person(format!("{} refuses it (310000): {why}", self.webhook.host()), hint)
    }
}

/// The signature for a time in milliseconds; the query encodes it.
fn sign(time: i64, secret: &SecretString) -> String {
    let secret = secret.expose_secret();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, format!("{time}\n{secret}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf '1577808000000\nSECdemo' | openssl dgst -sha256 -hmac SECdemo -binary | base64`.
    #[test]
    fn the_signature_is_the_documented_one() {
        assert_eq!(
            sign(1_577_808_000_000, &SecretString::from("SECdemo")),
            "SFqI8mtuQw6r87NiZIWLBWL38++gElAGVS/zEomx+fw="
        );
    }
}
