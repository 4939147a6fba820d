//! People or chats on Feishu (Lark) through an app.
//!
//! As of 2026-11:
//! - the token: <https://open.feishu.cn/document/ukTMukTMukTM/ukDNz4SO0MjL5QzM/auth-v3/auth/tenant_access_token_internal>;
//!   it is fetched for every letter and kept nowhere, and Feishu answers with the same one for most of its two hours;
//! - a message: <https://open.feishu.cn/document/server-docs/im-v1/message/create>; with a card at most 30 KB, markup
//!   that Feishu adds included; 5 a second to a person or chat, 1000 a minute and 50 a second in all;
//! - a reply: <https://open.feishu.cn/document/server-docs/im-v1/message/reply>;
//! - codes of all APIs: <https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code>, and how often:
//!   <https://open.feishu.cn/document/server-docs/api-call-guide/frequency-control>.
//!
//! A message carries a `uuid` made of the letter's key and the recipient: for an hour ([`FeishuApp::UUID_HOLDS`]) Feishu
//! sends what has the same one at most once, so a letter whose fate is unsure can be repeated within it.

use super::card::{asking, card, within};
use super::{Domain, RATE, Recipient, Said, read, too_often};
use crate::notify::http::{Answer, Http};
use crate::notify::letter::Kind;
use crate::notify::{Letter, NotDelivered, Receipt, secret};
use clawmend_core::time::Wall;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use ring::digest;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest body, in bytes: below the documented 30 KB, because Feishu counts markup that it adds.
const MAX_BODY: usize = 27_000;
/// Most recipients of one channel: the ids of their messages fit into one receipt.
const MAX_RECIPIENTS: usize = 5;
/// Longest plain text, in characters: far below the documented 150 KB.
const MAX_SAID: usize = 4_000;
/// How long its limits of a second last at most.
const SECONDS: Duration = Duration::from_secs(5);
/// Longest id of a message that is kept.
const MAX_MESSAGE_ID: usize = 50;
/// Stands in a receipt for a message without an id.
const NONE: &str = "-";

/// People or chats on Feishu (Lark) through an app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Settings")]
pub struct FeishuApp {
    app_id: String,
    app_secret: SecretString,
    domain: Domain,
    to: Vec<Recipient>,
    /// The app is our own, so somebody hears when a button is tapped.
    buttons: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    app_id: String,
    #[serde(deserialize_with = "secret::required")]
    app_secret: SecretString,
    #[serde(default, alias = "api")]
    domain: Domain,
    to: Vec<Recipient>,
}

impl TryFrom<Settings> for FeishuApp {
    type Error = String;

    fn try_from(from: Settings) -> Result<Self, String> {
        Self::new(from.app_id, from.app_secret, from.domain, from.to)
    }
}

/// Compares the secrets too; not in constant time, for both are this machine's own settings.
impl PartialEq for FeishuApp {
    fn eq(&self, other: &Self) -> bool {
        self.app_id == other.app_id
            && self.app_secret.expose_secret() == other.app_secret.expose_secret()
            && self.domain == other.domain
            && self.to == other.to
            && self.buttons == other.buttons
    }
}

impl FeishuApp {
    /// For how long a message is not sent twice under one `uuid`.
    pub const UUID_HOLDS: Duration = Duration::from_secs(3_600);

    /// With these credentials, to these recipients.
    ///
    /// # Errors
    /// No recipient or more than five, or an app id that is none.
    pub fn new(app_id: String, app_secret: SecretString, domain: Domain, to: Vec<Recipient>) -> Result<Self, String> {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if app_id.is_empty() || app_id.len() > 64 || !app_id.bytes().all(fine) {
            return Err("expected an app id such as cli_…".to_owned());
        }
        if to.is_empty() || to.len() > MAX_RECIPIENTS {
            return Err(format!("expected 1 to {MAX_RECIPIENTS} recipients in `to`"));
        }
        Ok(Self { app_id, app_secret, domain, to, buttons: false })
    }

    /// Our own app, to the person that it obeys: its questions have buttons.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn own(app_id: String, app_secret: SecretString, domain: Domain, to: Recipient) -> Result<Self, String> {
        Ok(Self { buttons: true, ..Self::new(app_id, app_secret, domain, vec![to])? })
    }

    /// Writes a plain text to its recipients: <https://open.feishu.cn/document/server-docs/im-v1/message-content-description/create_json>.
    ///
    /// # Errors
    /// [`NotDelivered`] of the first that failed.
    pub async fn say(&self, text: &str, http: &Http) -> Result<(), NotDelivered> {
        let token = self.token(http).await?;
        // `<at …>` is the only markup of a text.
        let text: String = text.chars().map(|c| if c == '<' { '＜' } else { c }).take(MAX_SAID).collect();
        for recipient in &self.to {
            let mut url = self.url(&["im", "v1", "messages"])?;
            url.query_pairs_mut().append_pair("receive_id_type", recipient.kind());
            let content = json!({"text": text}).to_string();
            let body = json!({"receive_id": recipient.id(), "msg_type": "text", "content": content});
            let answer = http.send(http.post_json(url, &body).header(AUTHORIZATION, token.clone())).await?;
            let said = read(&answer, self.domain.host())?;
            if said.code != 0 {
                return Err(self.failed(&said, &answer, recipient));
            }
        }
        Ok(())
    }

    /// Brings it there. The receipt holds the message's id for each recipient, in their order.
    ///
    /// # Errors
    /// [`NotDelivered`], also when only some got it; what can be repeated comes first then.
    pub async fn deliver(&self, letter: &Letter, http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        let token = self.token(http).await?;
        let (mut ids, mut failures) = (Vec::new(), Vec::new());
        for (at, recipient) in self.to.iter().enumerate() {
            match self.bring(letter, at, recipient, http, &token).await {
                Ok(id) => ids.push(id),
                Err(failure) => failures.push(failure),
            }
        }
        match failures.into_iter().min_by_key(urgency) {
            None => Ok(Receipt::of(&ids.join(" "))),
            Some(failure) => Err(failure),
        }
    }

    /// A token for this letter. Nothing has been sent when there is none, so nothing is unsure.
    async fn token(&self, http: &Http) -> Result<HeaderValue, NotDelivered> {
        let host = self.domain.host();
        let url = self.url(&["auth", "v3", "tenant_access_token", "internal"])?;
        let body = json!({"app_id": self.app_id, "app_secret": self.app_secret.expose_secret()});
        let sent = http.send(http.post_json(url, &body)).await;
        let read = sent.and_then(|answer| read(&answer, host).map(|said| (answer, said)));
        let (answer, said) = read.map_err(|failure| match failure {
            NotDelivered::Unsure { why } => NotDelivered::later(format!("no token: {why}")),
            failure
            @ (NotDelivered::Retry { .. } | NotDelivered::NeedsPerson { .. } | NotDelivered::Refused { .. }) => failure,
        })?;
        match (said.code, said.body["tenant_access_token"].as_str()) {
            (0, Some(token)) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                    .map_err(|_| NotDelivered::later(format!("{host} gives a token that cannot be used")))?;
                value.set_sensitive(true);
                Ok(value)
            }
            (0, None) => Err(NotDelivered::later(format!("{host} gives no token"))),
            (code, _) if RATE.contains(&code) => Err(too_often(&answer, host, SECONDS)),
            (code, _) => Err(NotDelivered::person(
                format!("{host} gives the app no token ({code}): {}", said.msg),
                "check `app_id` and `app_secret` against the app's page, and `domain` (feishu or lark)",
            )),
        }
    }

    /// To one recipient: as a reply to the first message where it is over and that message is known.
    async fn bring(
        &self,
        letter: &Letter,
        at: usize,
        recipient: &Recipient,
        http: &Http,
        token: &HeaderValue,
    ) -> Result<String, NotDelivered> {
        if let Some(first) = first_message(letter, at) {
            let url = self.url(&["im", "v1", "messages", first, "reply"])?;
            match self.post(letter, recipient, url, json!({}), http, token).await? {
                Ok(id) => return Ok(id),
                // The first message is gone: a new one says it all the same.
                Err((230_011 | 230_019 | 230_050 | 230_054 | 230_071 | 230_110 | 230_001, _)) => {}
                Err((_, failure)) => return Err(failure),
            }
        }
        let mut url = self.url(&["im", "v1", "messages"])?;
        url.query_pairs_mut().append_pair("receive_id_type", recipient.kind());
        let to = json!({"receive_id": recipient.id()});
        self.post(letter, recipient, url, to, http, token).await?.map_err(|(_, failure)| failure)
    }

    /// Posts the card; an inner error comes with Feishu's code.
    async fn post(
        &self,
        letter: &Letter,
        recipient: &Recipient,
        url: reqwest::Url,
        to: Value,
        http: &Http,
        token: &HeaderValue,
    ) -> Result<Result<String, (i64, NotDelivered)>, NotDelivered> {
        let body = within(MAX_BODY, |room| {
            let mut body = json!({
                "msg_type": "interactive",
                "content": self.card(letter, room).to_string(),
                "uuid": uuid(&letter.key, recipient.id()),
            });
            if let (Some(body), Some(to)) = (body.as_object_mut(), to.as_object()) {
                body.extend(to.clone());
            }
            body
        });
        let request = http.post_json(url, &body).header(AUTHORIZATION, token.clone());
        let answer = http.send(request).await?;
        let said = read(&answer, self.domain.host())?;
        if said.code != 0 {
            return Ok(Err((said.code, self.failed(&said, &answer, recipient))));
        }
        let id = said.body["data"]["message_id"].as_str().filter(|id| is_message_id(id));
        Ok(Ok(id.unwrap_or(NONE).to_owned()))
    }

    fn card(&self, letter: &Letter, room: usize) -> Value {
        if self.buttons { asking(letter, room) } else { card(letter, room) }
    }

    fn failed(&self, said: &Said, answer: &Answer, recipient: &Recipient) -> NotDelivered {
        let (host, code, msg, id) = (self.domain.host(), said.code, said.msg.as_str(), recipient.id());
        let hint = match code {
            code if RATE.contains(&code) => return too_often(answer, host, SECONDS),
            // 230049: the same uuid is being sent. 9999166x: the token ran out in between; the next one is fresh.
            230_049 | 99_991_661 | 99_991_663 | 99_991_664 | 99_991_668 | 99_991_671 | 99_991_677 => {
                return NotDelivered::later(format!("{host} answers {code}: {msg}"));
            }
            230_002 => "add the app's bot to the group",
            230_006 => "enable the app's bot ability, and publish a version of the app",
            230_013 => "add the person to the app's availability range, and publish a version of the app",
            230_018 | 230_035 => "let the app's bot speak in the group",
            230_027 | 99_991_672 => "give the app the scope im:message:send_as_bot, and publish a version of the app",
            230_029 => "the person has left: correct `to`",
            230_053 => "the person has stopped messages of this bot: they must allow them again",
            230_034 | 99_992_351 | 99_992_360 | 99_992_361 | 99_992_402 => {
                "correct `to`: an open_id belongs to one app, and differs from the one that another app sees"
            }
            230_001 if msg.contains("receive_id") => "correct `to`",
            99_991_401 => "add this machine's public address to the app's IP allow list",
            10_003 | 10_014 | 99_991_543 | 99_991_662 | 99_991_673 => {
                "enable the app for the organisation, and check `app_id` and `app_secret`"
            }
            _ => return NotDelivered::refused(format!("{host} answers {code}: {msg}")),
        };
        NotDelivered::person(format!("{host} refuses the message to {id} ({code}): {msg}"), hint)
    }

    fn url(&self, segments: &[&str]) -> Result<reqwest::Url, NotDelivered> {
        let path: Vec<&str> = std::iter::once("open-apis").chain(segments.iter().copied()).collect();
        self.domain.join(&path).ok_or_else(|| NotDelivered::refused("`domain` cannot be used"))
    }
}

/// The least of several failures is told: what a repeat can mend is repeated first.
const fn urgency(failure: &NotDelivered) -> u8 {
    match failure {
        NotDelivered::Unsure { .. } => 0,
        NotDelivered::Retry { .. } => 1,
        NotDelivered::NeedsPerson { .. } => 2,
        NotDelivered::Refused { .. } => 3,
    }
}

/// The id of the first message to this recipient, for the reply that says that it is over.
fn first_message(letter: &Letter, at: usize) -> Option<&str> {
    let receipt = letter.answers.as_ref().filter(|_| letter.kind == Kind::Resolved)?;
    receipt.0.split(' ').nth(at).filter(|id| is_message_id(id))
}

fn is_message_id(id: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    id.starts_with("om_") && id.len() <= MAX_MESSAGE_ID && id.bytes().all(fine)
}

/// At most 50 characters are taken: 40 of a hash.
fn uuid(key: &str, recipient: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{key}\n{recipient}").as_bytes());
    hash.as_ref().iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_the_same_in_every_attempt_and_another_for_another() {
        assert_eq!(uuid("inc-1/alert", "ou_1"), uuid("inc-1/alert", "ou_1"));
        assert_ne!(uuid("inc-1/alert", "ou_1"), uuid("inc-1/alert", "ou_2"));
        assert_ne!(uuid("inc-1/alert", "ou_1"), uuid("inc-1/resolved", "ou_1"));
        assert!(uuid(&"k".repeat(96), "ou_1").len() <= 50);
    }
}
