//! A Feishu (Lark) group through its custom bot.
//!
//! <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot> (as of 2026-11): a signature is the HMAC-SHA256
//! of nothing, keyed with the time in seconds, a line feed and the secret, in Base64; the time may be off by an hour.
//! A body has at most 20 KB; a bot is asked at most 100 times a minute and 5 times a second. Errors come with HTTP 200
//! too: 19021 signature or time, 19022 address of the sender, 19024 keyword, 19001 webhook, 11232 rate, 9499 body.

use super::super::clock;
use super::card::{card, within};
use super::{RATE, Said, read, too_often};
use crate::notify::http::{Answer, Http};
use crate::notify::{Address, Letter, NotDelivered, Receipt, secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clawmend_core::time::Wall;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest body, in bytes: 20 KB in the narrower reading.
const MAX_BODY: usize = 20_000;
/// How long a limit of a minute lasts at most.
const MINUTE: Duration = Duration::from_secs(60);

/// A Feishu (Lark) group through its custom bot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeishuBot {
    /// The webhook's whole address, `https://open.feishu.cn/open-apis/bot/v2/hook/…`.
    pub webhook: Address,
    /// The secret of its signature, where the bot demands one.
    #[serde(default, deserialize_with = "secret::optional")]
    pub secret: Option<SecretString>,
}

/// Compares the secrets too; not in constant time, for both are this machine's own settings.
impl PartialEq for FeishuBot {
    fn eq(&self, other: &Self) -> bool {
        let exposed = |bot: &Self| bot.secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        self.webhook == other.webhook && exposed(self) == exposed(other)
    }
}

impl FeishuBot {
    /// Brings it there. `now` is for the signature. A bot names no message: the receipt is empty.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, now: Wall) -> Result<Receipt, NotDelivered> {
        let url = self.webhook.url().ok_or_else(|| NotDelivered::refused("the webhook's address cannot be used"))?;
        let body = within(MAX_BODY, |room| self.body(letter, room, now));
        let answer = http.send(http.post_json(url, &body)).await?;
        let host = self.webhook.host();
        match read(&answer, host)? {
            Said { code: 0, .. } => Ok(Receipt::default()),
            said => Err(self.failed(&said, &answer, now)),
        }
    }

    fn body(&self, letter: &Letter, room: usize, now: Wall) -> Value {
        let mut body = json!({"msg_type": "interactive", "card": card(letter, room)});
        if let (Some(secret), Some(fields)) = (&self.secret, body.as_object_mut()) {
            let time = now.0.div_euclid(1000).to_string();
            fields.insert("sign".to_owned(), sign(&time, secret).into());
            fields.insert("timestamp".to_owned(), time.into());
        }
        body
    }

    fn failed(&self, said: &Said, answer: &Answer, now: Wall) -> NotDelivered {
        let (host, code, msg) = (self.webhook.host(), said.code, said.msg.as_str());
        let person = |why: &str, hint: &str| NotDelivered::person(format!("{host} refuses it ({code}): {why}"), hint);
        match code {
            code if RATE.contains(&code) => too_often(answer, host, MINUTE),
            // The same code as for a body that it cannot read.
            9499 if msg.to_ascii_lowercase().contains("too many") => too_often(answer, host, MINUTE),
            19_021 => match clock::off(&answer.headers, now) {
                Some(off) => person(&off, clock::SET_THE_CLOCK),
                None if self.secret.is_none() => {
                    person("the bot demands a signature", "set `secret` to the one in the bot's security settings")
                }
                None => person(
                    "the signature does not match, or the clock is off by more than an hour",
                    "copy the secret from the bot's security settings into `secret`, and check the clock of this machine",
                ),
            },
            19_022 => person(
                "this machine's address is not in the bot's list",
                "add this machine's public address to the bot's IP allow list, or use a signature instead",
            ),
            19_024 => person("no keyword of the bot is in the message", "make Clawmend one of the bot's keywords"),
            19_001 | 19_007 => person(msg, "create the group's custom bot again, and set `webhook` to its address"),
            _ => NotDelivered::refused(format!("{host} answers {code}: {msg}")),
        }
    }
}

/// The signature for a time in seconds.
fn sign(time: &str, secret: &SecretString) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, format!("{time}\n{}", secret.expose_secret()).as_bytes());
    STANDARD.encode(hmac::sign(&key, b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf '' | openssl dgst -sha256 -hmac $'1599360473\ndemo' -binary | base64`.
    #[test]
    fn the_signature_is_the_documented_one() {
        assert_eq!(sign("1599360473", &SecretString::from("demo")), "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=");
    }
}
