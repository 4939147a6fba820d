//! A notification on the desktop of this machine.
//!
//! From the [Desktop Notifications Specification](https://specifications.freedesktop.org/notification-spec/latest/):
//! [markup](https://specifications.freedesktop.org/notification-spec/latest/markup.html) (three characters escaped, and
//! only for a desktop that reads it), [urgency](https://specifications.freedesktop.org/notification-spec/latest/urgency-levels.html),
//! `replaces_id`. How it gets there: [`host::desktop`](crate::host::desktop).

use crate::host::desktop::{self, NotShown, Note, Urgency};
use crate::notify::http::{Http, said};
use crate::notify::render::{self, Markup, PLAIN, Unit};
use crate::notify::{Kind, Letter, NotDelivered, Receipt};
use clawmend_core::alert::Level;
use clawmend_core::time::Wall;
use serde::Deserialize;

/// Longest body, in bytes: desktops show a few lines.
const MAX_BODY: usize = 2_000;
const MAX_SUMMARY: usize = 200;

const MARKUP: Markup = Markup { escape: render::html, escape_code: render::html, item: ("• ", ""), ..PLAIN };

/// A notification on the desktop of this machine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desktop {
    /// The address of the desktop session's bus, such as `unix:path=/run/user/1000/bus`; `None`: where it usually is.
    #[serde(default)]
    bus: Option<String>,
}

impl Desktop {
    /// Brings it there.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        let (_, whole) = http.limits();
        match tokio::time::timeout(whole, desktop::show(self.bus.as_deref(), &note(letter))).await {
            Ok(Ok(number)) => Ok(Receipt(number.to_string())),
            Ok(Err(NotShown::NoDesktop(why))) => Err(NotDelivered::person(
                said(&why),
                "log in on this machine's desktop, or set `bus` to its session's address (unix:path=/run/user/1000/bus)",
            )),
            Ok(Err(NotShown::Unsupported(why))) => {
                Err(NotDelivered::person(why.to_string(), "remove this channel, and choose another one"))
            }
            Ok(Err(NotShown::NoAnswer(why))) => Err(NotDelivered::unsure(said(&why))),
            Err(_) => Err(NotDelivered::unsure("the desktop did not answer in time")),
        }
    }
}

fn note(letter: &Letter) -> Note {
    let urgency = match (letter.kind, letter.level) {
        (Kind::Resolved, _) | (_, Level::Warning) => Urgency::Normal,
        (_, Level::Info) => Urgency::Low,
        (_, Level::Error | Level::Critical) => Urgency::Critical,
    };
    Note {
        summary: render::marked_title(letter, render::as_it_is, Unit::Bytes, MAX_SUMMARY),
        marked_body: render::page(&letter.parts, &MARKUP, Unit::Bytes, MAX_BODY),
        plain_body: render::page(&letter.parts, &PLAIN, Unit::Bytes, MAX_BODY),
        urgency,
        replaces: letter.answers.as_ref().and_then(|answered| answered.0.parse().ok()).unwrap_or(0),
    }
}
