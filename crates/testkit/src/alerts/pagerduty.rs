//! The Events API v2: <https://developer.pagerduty.com/docs/send-alert-event>.

use super::{Request, Says, StandIn, Verdict};
use anyhow::Result;
use serde_json::{Value, json};

/// The only integration.
pub const KEY: &str = "canary0123456789canary0123456789";

/// Starts it.
///
/// # Errors
/// As [`StandIn::start`].
pub fn start() -> Result<StandIn> {
    StandIn::start_as("PagerDuty", &[("PagerDuty's routing key", KEY)], |request, says| match says {
        Says::Unauthorized => invalid("Invalid routing key"),
        Says::RateLimited(_) => Verdict::json(
            429,
            &json!({"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly.", "errors": []}),
        ),
        Says::Error(words) => invalid(words),
        Says::Contract => take(request),
    })
}

fn invalid(why: &str) -> Verdict {
    Verdict::json(400, &json!({"status": "invalid event", "message": "Event object is invalid", "errors": [why]}))
}

fn take(request: &Request) -> Verdict {
    let change = request.path == "/v2/change/enqueue";
    if request.method != "POST" || !(change || request.path == "/v2/enqueue") {
        return Verdict::text(404, "not found");
    }
    if request.body.len() > 512 * 1024 {
        return Verdict::text(413, "too large");
    }
    let Some(body) = request.json() else { return invalid("JSON is invalid") };
    match if change { checked_change(&body) } else { checked(&body) } {
        Err(why) => invalid(&why),
        Ok(()) => {
            let answer = json!({"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]});
            Verdict::json(202, &answer).accepting(body)
        }
    }
}

fn checked(body: &Value) -> Result<(), String> {
    const MEMBERS: [&str; 8] =
        ["routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"];
    known(body, &MEMBERS)?;
    if body["dedup_key"].as_str().unwrap_or_default().chars().count() > 255 {
        return Err("Length of 'dedup_key' is too long (maximum 255)".to_owned());
    }
    match body["event_action"].as_str() {
        Some("acknowledge" | "resolve") if body["dedup_key"].is_string() => return Ok(()),
        Some("trigger") => {}
        _ => return Err("'event_action' is invalid".to_owned()),
    }
    let severity = body["payload"]["severity"].as_str().unwrap_or_default();
    if !["critical", "error", "warning", "info"].contains(&severity) {
        return Err(
            "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"
                .to_owned(),
        );
    }
    payload(
        &body["payload"],
        &["summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"],
    )
}

fn checked_change(body: &Value) -> Result<(), String> {
    known(body, &["routing_key", "payload", "images", "links"])?;
    payload(&body["payload"], &["summary", "source", "timestamp", "custom_details"])
}

fn known(body: &Value, members: &[&str]) -> Result<(), String> {
    let unknown = Request::unknown_members(body, members);
    if !unknown.is_empty() {
        return Err(format!("unknown members {unknown:?}"));
    }
    if body["routing_key"] == KEY { Ok(()) } else { Err("Invalid routing key".to_owned()) }
}

fn payload(payload: &Value, members: &[&str]) -> Result<(), String> {
    let unknown = Request::unknown_members(payload, members);
    let summary = payload["summary"].as_str().unwrap_or_default().chars().count();
    if !unknown.is_empty() {
        Err(format!("unknown members {unknown:?}"))
    } else if summary == 0 || summary > 1024 {
        Err("'payload.summary' is missing or too long".to_owned())
    } else if payload["source"].as_str().is_none_or(str::is_empty) {
        Err("'payload.source' is missing or blank".to_owned())
    } else if !payload["timestamp"].is_null() && !payload["timestamp"].as_str().is_some_and(|at| at.contains('T')) {
        Err("'payload.timestamp' is invalid".to_owned())
    } else {
        Ok(())
    }
}
