//! A WeCom group through its bot.
//!
//! <https://developer.work.weixin.qq.com/document/path/91770> (as of 2026-11): markdown of at most 4096 bytes, 20
//! messages a minute and bot. The webhook's key is the only credential: nothing is signed. Errors come with HTTP 200;
//! their codes: <https://developer.work.weixin.qq.com/document/path/90455>, among them 45009 rate, 93000 webhook, 40058
//! a parameter, such as one that is too long.
//!
//! Its older `markdown` is used, which every client shows: headings, bold, quotes, code within a line and three colours.
//! It documents no escape, and `<@userid>` mentions people: a letter's text goes through `fit`, which leaves nothing
//! that could be markup.

use super::fit::{Lines, title};
use crate::notify::http::{Answer, Http, by_status, said};
use crate::notify::letter::{Kind, Part};
use crate::notify::{Address, Letter, NotDelivered, Receipt};
use clawmend_core::alert::Level;
use clawmend_core::time::Wall;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest text, in bytes.
const MAX_TEXT: usize = 4096;
/// Longest title, in bytes.
const MAX_TITLE: usize = 200;
/// How long its limit of a minute lasts at most.
const MINUTE: Duration = Duration::from_secs(60);

/// A WeCom group through its bot.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WecomBot {
    /// The webhook's whole address, `https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…`.
    pub webhook: Address,
}

impl WecomBot {
    /// Brings it there. A bot names no message: the receipt is empty.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        let url = self.webhook.url().ok_or_else(|| NotDelivered::refused("the webhook's address cannot be used"))?;
        let body = json!({"msgtype": "markdown", "markdown": {"content": markdown(letter)}});
        let answer = http.send(http.post_json(url, &body)).await?;
        self.judge(&answer)
    }

    fn judge(&self, answer: &Answer) -> Result<Receipt, NotDelivered> {
        let host = self.webhook.host();
        let body = answer.json().unwrap_or(Value::Null);
        let code = body["errcode"].as_i64().filter(|_| !answer.status.is_server_error());
        let msg = said(body["errmsg"].as_str().unwrap_or_default());
        match (code, by_status(answer, host)) {
            (Some(0), None) => Ok(Receipt::default()),
            (Some(45_009 | 45_033), _) => {
                let after = Some(answer.retry_after().unwrap_or(MINUTE));
                Err(NotDelivered::Retry { why: format!("{host} is asked too often"), after })
            }
            (Some(code @ (-1 | 6000)), _) => Err(NotDelivered::later(format!("{host} answers {code}: {msg}"))),
            (Some(code @ (93_000 | 93_004 | 93_008 | 40_001 | 40_014)), _) => Err(NotDelivered::person(
                format!("{host} refuses it ({code}): {msg}"),
                "add the bot to the group again, and set `webhook` to its address",
            )),
            (Some(code), _) if code != 0 => Err(NotDelivered::refused(format!("{host} answers {code}: {msg}"))),
            (_, Some(failure)) => Err(failure),
            (_, None) if answer.whole => {
                Err(NotDelivered::unsure(format!("{host} gives an answer that is not of its API")))
            }
            (_, None) => Err(NotDelivered::unsure(format!("the answer of {host} was cut off"))),
        }
    }
}

/// The markdown of a letter.
#[must_use]
pub fn markdown(letter: &Letter) -> String {
    let mut lines = Lines::new(MAX_TEXT, "\n");
    lines.push(&format!("### <font color=\"{}\">", colour(letter)), &title(&letter.title, MAX_TITLE), "</font>");
    lines.push("<font color=\"comment\">Clawmend · ", &letter.host, "</font>\n");
    for part in &letter.parts {
        match part {
            Part::Heading(text) => lines.push("\n**", text, "**"),
            // A line right behind a quote would be taken for a part of it.
            Part::Text(text) => lines.push("\n", text, ""),
            Part::Fact { label, value } => lines.pair("> **", label, "**: ", value, ""),
            Part::Item(text) => lines.push("• ", text, ""),
            // Its code ends with the line.
            Part::Code(code) => code.iter().filter(|line| !line.trim().is_empty()).for_each(|line| {
                lines.coded("`", line, "`");
            }),
        }
    }
    lines.finish()
}

/// Green, grey or orange: there is no other.
const fn colour(letter: &Letter) -> &'static str {
    match (letter.kind, letter.level) {
        (Kind::Resolved, _) => "info",
        (_, Level::Info) => "comment",
        (_, Level::Warning | Level::Error | Level::Critical) => "warning",
    }
}
