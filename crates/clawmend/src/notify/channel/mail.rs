//! A letter as a mail: headers, plain text, and the same in simple HTML.
//!
//! Invariant: the Message-ID follows from the letter's key alone, so that a mail that arrives twice is known as one.

use crate::notify::render::{self, Markup, PLAIN, Unit};
use crate::notify::{Letter, Receipt};
use clawmend_core::time::Wall;
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use std::time::{Duration, UNIX_EPOCH};

/// Longest body, in bytes, of each form.
const MAX_TEXT: usize = 64 * 1024;
/// Longest subject, in bytes before it is encoded.
const MAX_SUBJECT: usize = 200;

const MARKUP: Markup = Markup {
    escape: html,
    escape_code: html,
    heading: ("<h3>", "</h3>"),
    text: ("<p>", "</p>"),
    label: ("<b>", "</b>"),
    item: ("<p>• ", "</p>"),
    code: ("<pre>", "</pre>"),
};

/// Quotes, too: it may be copied into an attribute by a mail program.
fn html(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        _ => render::html(c, out),
    }
}

/// A mail, ready to be sent.
#[derive(Debug)]
pub struct Written {
    /// Its Message-ID, in angle brackets.
    pub id: String,
    /// With headers and CRLF.
    pub content: Vec<u8>,
}

/// Writes it.
///
/// # Errors
/// When it cannot be put together.
pub fn write(letter: &Letter, from: &Mailbox, to: &Mailbox, now: Wall) -> Result<Written, String> {
    let id = message_id(&letter.key, from.email.domain());
    let sent = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.0).unwrap_or(0));
    let mut builder = Message::builder()
        .from(from.clone())
        .to(to.clone())
        .subject(render::marked_title(letter, render::as_it_is, Unit::Bytes, MAX_SUBJECT))
        .message_id(Some(id.clone()))
        .date(sent)
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    if let Some(first) = letter.answers.as_ref().and_then(is_message_id) {
        builder = builder.in_reply_to(first.to_owned()).references(first.to_owned());
    }
    let mail = builder.multipart(MultiPart::alternative_plain_html(plain(letter), rich(letter)));
    Ok(Written { id, content: mail.map_err(|error| error.to_string())?.formatted() })
}

/// A key has letters, digits and `-._/`; full stops may not stand just anywhere.
fn message_id(key: &str, domain: &str) -> String {
    format!("<{}.clawmend@{domain}>", key.replace('.', "_"))
}

/// What we gave out as a receipt.
fn is_message_id(receipt: &Receipt) -> Option<&str> {
    let id = receipt.0.as_str();
    let fine = id.starts_with('<') && id.ends_with('>') && id.chars().all(|c| c.is_ascii_graphic());
    fine.then_some(id)
}

fn plain(letter: &Letter) -> String {
    let title = render::line(&letter.title, render::as_it_is, Unit::Bytes, 1024);
    format!("{title}\n\n{}\n", render::page(&letter.parts, &PLAIN, Unit::Bytes, MAX_TEXT))
}

fn rich(letter: &Letter) -> String {
    let title = render::line(&letter.title, html, Unit::Bytes, 2048);
    let body = render::page(&letter.parts, &MARKUP, Unit::Bytes, MAX_TEXT);
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n<h2>{title}</h2>\n{body}\n</body></html>\n"
    )
}
