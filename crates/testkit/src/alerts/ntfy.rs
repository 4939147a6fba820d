//! ntfy's "publish as JSON": <https://docs.ntfy.sh/publish/#publish-as-json>, with the errors of its server.

use super::{Request, Says, StandIn, Verdict};
use anyhow::Result;
use serde_json::{Value, json};

/// The only token that may write.
pub const TOKEN: &str = "tk_canary0123456789ntfy";
/// The only topic.
pub const TOPIC: &str = "canary-topic-31337";
/// A person's name and password, as they come in the header.
pub const BASIC: &str = "Basic cGhpbDpjYW5hcnktcGFzcw==";

const MEMBERS: [&str; 14] = [
    "topic", "message", "title", "tags", "priority", "actions", "click", "attach", "markdown", "icon", "filename",
    "delay", "email", "call",
];

/// Starts it.
///
/// # Errors
/// As [`StandIn::start`].
pub fn start() -> Result<StandIn> {
    StandIn::start_as("ntfy", &[("ntfy's token", TOKEN), ("ntfy's password", BASIC)], |request, says| match says {
        Says::Unauthorized => refused(403, 40301, "forbidden"),
        Says::RateLimited(seconds) => {
            refused(429, 42901, "limit reached: too many requests, please be nice").with("Retry-After", seconds)
        }
        Says::Error(words) => refused(400, words.parse().unwrap_or(40000), "invalid request"),
        Says::Contract => publish(request),
    })
}

fn refused(status: u16, code: u32, error: &str) -> Verdict {
    Verdict::json(
        status,
        &json!({"code": code, "http": status, "error": error, "link": "https://ntfy.sh/docs/publish/"}),
    )
}

fn publish(request: &Request) -> Verdict {
    if request.method != "POST" || request.path != "/" {
        return refused(404, 40401, "page not found");
    }
    let login = request.header("authorization");
    if login != Some(&format!("Bearer {TOKEN}")) && login != Some(BASIC) {
        return refused(401, 40101, "unauthorized");
    }
    if request.body.len() > 2 * 4096 {
        return refused(413, 41303, "JSON body too large");
    }
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return refused(400, 40017, "invalid request: request body must be message JSON");
    };
    let message = body["message"].as_str().unwrap_or_default();
    let priority = body["priority"].as_u64().unwrap_or(3);
    if !Request::unknown_members(&body, &MEMBERS).is_empty() {
        refused(400, 40017, "invalid request: request body must be message JSON")
    } else if body["topic"] != TOPIC {
        refused(403, 40301, "forbidden")
    } else if !(1..=5).contains(&priority) {
        refused(400, 40007, "invalid priority parameter")
    } else if message.len() > 4096 {
        refused(413, 41301, "attachment too large, or bandwidth limit reached")
    } else {
        let answer = json!({"id": "hwQ2YpKdmg", "time": 1, "event": "message", "topic": TOPIC, "message": message});
        Verdict::json(200, &answer).accepting(body)
    }
}
