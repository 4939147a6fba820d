//! Discord: webhooks and two routes for bots:
//! <https://docs.discord.com/developers/resources/webhook#execute-webhook>,
//! <https://docs.discord.com/developers/resources/message#create-message>,
//! <https://docs.discord.com/developers/resources/user#create-dm>.

use super::{Request, Says, StandIn, Verdict};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The only bot.
pub const TOKEN: &str = "canary.discord.0123456789";
/// Behind the base address: the only webhook.
pub const HOOK: &str = "/api/webhooks/1234/canary-Hook_0123456789";
/// The only person, and the conversation with them.
pub const PERSON: (&str, &str) = ("424242", "515151");
/// The only channel.
pub const CHANNEL: &str = "616161";

/// Starts it.
///
/// # Errors
/// As [`StandIn::start`].
pub fn start() -> Result<StandIn> {
    let mut messages = Messages::default();
    StandIn::start_as(
        "Discord",
        &[("Discord's bot token", TOKEN), ("Discord's webhook", HOOK)],
        move |request, says| {
            match says {
        Says::Unauthorized if request.path.starts_with("/api/webhooks/") => refused(401, 50027, "Invalid Webhook Token"),
        Says::Unauthorized => refused(401, 0, "401: Unauthorized"),
        // With decimals, as the real one; the header is rounded up.
        Says::RateLimited(seconds) => Verdict::json(
            429,
            &json!({"message": "You are being rate limited.", "retry_after": f64::from(seconds) - 0.5, "global": true}),
        )
        .with("Retry-After", seconds)
        .with("X-RateLimit-Global", "true")
        .with("X-RateLimit-Scope", "global"),
        Says::Error(code) => match code {
            "10003" => refused(404, 10003, "Unknown Channel"),
            "10015" => refused(404, 10015, "Unknown Webhook"),
            "50007" => refused(403, 50007, "Cannot send messages to this user"),
            _ => refused(400, 50035, "Invalid Form Body"),
        },
        Says::Contract => messages.take(request),
    }
        },
    )
}

fn refused(status: u16, code: u32, message: &str) -> Verdict {
    Verdict::json(status, &json!({"code": code, "message": message}))
}

#[derive(Default)]
struct Messages {
    last: u64,
    /// Message by nonce.
    nonces: BTreeMap<String, u64>,
}

impl Messages {
    fn take(&mut self, request: &Request) -> Verdict {
        if !request.header("user-agent").unwrap_or_default().starts_with("DiscordBot (") {
            return Verdict::text(403, "error code: 1010");
        }
        let Some(body) = request.json().filter(|_| request.method == "POST") else {
            return refused(400, 50035, "Invalid Form Body");
        };
        if request.path == HOOK {
            if !request.query.split('&').any(|pair| pair == "wait=true") {
                return Verdict::text(204, "");
            }
            let members = ["content", "embeds", "allowed_mentions"];
            return match checked(&body, &members) {
                Ok(()) => self.stored(body),
                Err(why) => refused(400, 50035, why),
            };
        }
        if request.path.starts_with("/api/webhooks/") {
            return refused(404, 10015, "Unknown Webhook");
        }
        if request.header("authorization") != Some(&format!("Bot {TOKEN}")) {
            return refused(401, 0, "401: Unauthorized");
        }
        match request.path.split('/').collect::<Vec<_>>().as_slice() {
            ["", "users", "@me", "channels"] if body == json!({"recipient_id": PERSON.0}) => {
                Verdict::json(200, &json!({"id": PERSON.1, "type": 1}))
            }
            ["", "users", "@me", "channels"] => refused(400, 50033, "Invalid Recipient(s)"),
            ["", "channels", id, "messages"] if *id == PERSON.1 || *id == CHANNEL => self.create(body),
            _ => refused(404, 10003, "Unknown Channel"),
        }
    }

    fn create(&mut self, body: Value) -> Verdict {
        let members = ["content", "embeds", "allowed_mentions", "nonce", "enforce_nonce", "message_reference"];
        if let Err(why) = checked(&body, &members) {
            return refused(400, 50035, why);
        }
        let nonce = body["nonce"].as_str().unwrap_or_default().to_owned();
        if nonce.chars().count() > 25 {
            return refused(400, 50035, "nonce");
        }
        if body["enforce_nonce"] == json!(true) {
            if let Some(known) = self.nonces.get(&nonce) {
                return Verdict::json(200, &json!({"id": known.to_string()}));
            }
            self.nonces.insert(nonce, self.last + 1);
        }
        self.stored(body)
    }

    fn stored(&mut self, body: Value) -> Verdict {
        self.last += 1;
        Verdict::json(200, &json!({"id": self.last.to_string()})).accepting(body)
    }
}

fn checked(body: &Value, members: &[&str]) -> Result<(), &'static str> {
    if !Request::unknown_members(body, members).is_empty() {
        return Err("unknown members");
    }
    if body["allowed_mentions"] != json!({"parse": []}) {
        return Err("the stand-in wants no mention to be possible");
    }
    let content = body["content"].as_str().unwrap_or_default();
    if content.is_empty() || content.chars().count() > 2_000 {
        return Err("content");
    }
    let mut all = 0;
    for embed in body["embeds"].as_array().into_iter().flatten() {
        let known = ["title", "description", "url", "timestamp", "color", "footer", "author", "fields"];
        if !Request::unknown_members(embed, &known).is_empty() {
            return Err("embeds");
        }
        let description = embed["description"].as_str().unwrap_or("-").chars().count();
        let footer = embed["footer"]["text"].as_str().unwrap_or_default().chars().count();
        if description == 0 || description > 4_096 || footer > 2_048 {
            return Err("embeds: BASE_TYPE_MAX_LENGTH");
        }
        all += description + footer;
    }
    let texts = [content, body["embeds"][0]["description"].as_str().unwrap_or_default()];
    if texts.iter().any(|text| text.chars().any(|c| c.is_control() && c != '\n')) {
        return Err("a control character");
    }
    if all > 6_000 { Err("embeds: MAX_EMBED_SIZE_EXCEEDED") } else { Ok(()) }
}
