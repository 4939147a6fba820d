//! PagerDuty, through the Events API v2.
//!
//! From PagerDuty's documentation: [send an alert event](https://developer.pagerduty.com/docs/send-alert-event) (`summary`
//! at most 1024 characters, `dedup_key` at most 255), [overview](https://developer.pagerduty.com/docs/events-api-v2-overview)
//! (202, 400, 429 and 5xx, 512 KB, the order of severities),
//! [change events](https://developer.pagerduty.com/docs/send-change-event) for what nobody is to be called for.
//!
//! An alert, its reminders and its end share a `dedup_key`, so a repeat changes nothing.

use crate::notify::http::{Answer, Http, by_status};
use crate::notify::render::{self, PLAIN, Unit};
use crate::notify::secret::Secret;
use crate::notify::{Address, Kind, Letter, NotDelivered, Receipt};
use clawmend_core::alert::Level;
use clawmend_core::time::Wall;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const API: &str = "https://events.pagerduty.com";
/// Longest summary.
const MAX_SUMMARY: usize = 1024;
/// Longest text of the details, in bytes: far below the 512 KB of an event.
const MAX_DETAILS: usize = 32 * 1024;
/// "A few minutes", when it is asked too often and does not say for how long.
const PAUSE: Duration = Duration::from_secs(120);

/// One integration of a PagerDuty service.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct PagerDuty {
    routing_key: Secret,
    api: Option<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    routing_key: Secret,
    #[serde(default)]
    api: Option<Address>,
}

impl TryFrom<Settings> for PagerDuty {
    type Error = &'static str;

    fn try_from(from: Settings) -> Result<Self, &'static str> {
        let key = from.routing_key.expose();
        if key.len() == 32 && key.chars().all(|c| c.is_ascii_alphanumeric()) {
            Ok(Self { routing_key: from.routing_key, api: from.api })
        } else {
            Err("expected an integration key of 32 letters and digits, from an integration of the kind Events API v2")
        }
    }
}

impl PagerDuty {
    /// Brings it there.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        let (path, event): (&[&str], _) = match letter.kind {
            // Nobody is called for what was repaired in the night.
            Kind::MorningNote => (&["v2", "change", "enqueue"], self.change(letter)),
            Kind::Alert | Kind::Reminder | Kind::Resolved | Kind::Digest | Kind::Test => {
                (&["v2", "enqueue"], self.alert(letter))
            }
        };
        let url = match &self.api {
            Some(api) => api.join(path),
            None => format!("{API}/{}", path.join("/")).parse().ok(),
        };
        let url = url.ok_or_else(|| NotDelivered::refused("PagerDuty's address cannot be used"))?;
        let host = url.host_str().unwrap_or("PagerDuty").to_owned();
        outcome(&http.send(http.post_json(url, &event)).await?, &host)
    }

    fn alert(&self, letter: &Letter) -> Value {
        let mut event = json!({
            "routing_key": self.routing_key.expose(),
            "event_action": if letter.kind == Kind::Resolved { "resolve" } else { "trigger" },
            "dedup_key": letter.subject_key,
        });
        if letter.kind != Kind::Resolved {
            event["client"] = json!("Clawmend");
            event["payload"] = payload(letter);
            event["payload"]["severity"] = json!(severity(letter.level));
            event["payload"]["component"] = json!("openclaw");
        }
        event
    }

    fn change(&self, letter: &Letter) -> Value {
        json!({"routing_key": self.routing_key.expose(), "payload": payload(letter)})
    }
}

fn payload(letter: &Letter) -> Value {
    let host = render::line(&letter.host, render::as_it_is, Unit::Utf16, 255);
    let mut payload = json!({
        "summary": render::line(&letter.title, render::as_it_is, Unit::Utf16, MAX_SUMMARY),
        "source": if host.is_empty() { "clawmend" } else { &host },
        "custom_details": {"text": render::page(&letter.parts, &PLAIN, Unit::Bytes, MAX_DETAILS)},
    });
    if let Ok(at) = jiff::Timestamp::from_millisecond(letter.at.0) {
        payload["timestamp"] = json!(at.to_string());
    }
    payload
}

const fn severity(level: Level) -> &'static str {
    // Its four names are PagerDuty's.
    level.name()
}

fn outcome(answer: &Answer, host: &str) -> Result<Receipt, NotDelivered> {
    match answer.status.as_u16() {
        // The key is ours: there is nothing to keep.
        200..=299 => Ok(Receipt::default()),
        400 => {
            let why = answer.said();
            let key = why.to_lowercase();
            Err(if key.contains("routing key") || key.contains("routing_key") {
                NotDelivered::person(
                    "PagerDuty refuses the integration key",
                    "copy the key of an integration of the kind Events API v2 into `routing_key`",
                )
            } else {
                NotDelivered::refused(why)
            })
        }
        429 => Err(NotDelivered::Retry {
            why: format!("{host} takes no more for now"),
            after: answer.retry_after().or(Some(PAUSE)),
        }),
        _ => Err(by_status(answer, host).unwrap_or_else(|| NotDelivered::refused(answer.said()))),
    }
}
