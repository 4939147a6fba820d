//! Feishu's custom bot, and its API for apps.
//!
//! The contract is the one that the channels in `clawmend` name at their heads.

use super::frame_east::{Mode, Request, Server, Service, has_only};
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

const HOOK: &str = "/open-apis/bot/v2/hook/canary-hook-0123456789";
const APP_ID: &str = "cli_standin";
/// How far a signature's time may be off, in seconds.
const HOUR: i64 = 3_600;
/// Tokens last two hours.
const TOKEN_MS: i64 = 7_200_000;

/// The stand-in.
pub struct FeishuStandIn {
    server: Server<Feishu>,
}

struct Feishu {
    bot_secret: Option<String>,
    keyword: Option<String>,
    app_secret: String,
    /// The token given out, and when it ends.
    tokens: Vec<(String, i64)>,
    /// Who and what can be written to.
    known: Vec<String>,
    /// Ids of messages that were withdrawn.
    withdrawn: Vec<String>,
    a_minute: usize,
    times: Vec<i64>,
    messages: Vec<Value>,
    requests: usize,
}

impl FeishuStandIn {
    /// The secret of the bot's signature.
    pub const BOT_SECRET: &'static str = "canary-feishu-bot-secret";
    /// The app's secret.
    pub const APP_SECRET: &'static str = "canary-feishu-app-secret";
    /// The app's id.
    pub const APP_ID: &'static str = APP_ID;

    /// Starts it: a bot that demands a signature, an app that can write to `ou_owner`, `ou_second` and `oc_group`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self> {
        let service = Feishu {
            bot_secret: Some(Self::BOT_SECRET.to_owned()),
            keyword: None,
            app_secret: Self::APP_SECRET.to_owned(),
            tokens: Vec::new(),
            known: ["ou_owner", "ou_second", "oc_group"].map(str::to_owned).to_vec(),
            withdrawn: Vec::new(),
            a_minute: 100,
            times: Vec::new(),
            messages: Vec::new(),
            requests: 0,
        };
        Ok(Self { server: Server::start(service)? })
    }

    /// The address of the API.
    #[must_use]
    pub fn api(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// The bot's webhook.
    #[must_use]
    pub fn webhook(&self) -> String {
        format!("{}{HOOK}", self.api())
    }

    /// How messages are treated from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.server.set_mode(mode, false);
    }

    /// How every request is treated from now on.
    pub fn set_mode_everywhere(&self, mode: Mode) {
        self.server.set_mode(mode, true);
    }

    /// What the bot demands of a message.
    pub fn demand(&self, secret: Option<&str>, keyword: Option<&str>) {
        self.server.with(|feishu| {
            feishu.bot_secret = secret.map(str::to_owned);
            feishu.keyword = keyword.map(str::to_owned);
        });
    }

    /// The app's secret was reset.
    pub fn reset_app_secret(&self) {
        self.server.with(|feishu| "another".clone_into(&mut feishu.app_secret));
    }

    /// Tokens are void as soon as they are given out.
    pub fn void_tokens(&self) {
        self.server.with(|feishu| feishu.tokens = vec![("void".to_owned(), 0)]);
    }

    /// Messages a minute.
    pub fn set_rate(&self, a_minute: usize) {
        self.server.with(|feishu| feishu.a_minute = a_minute);
    }

    /// A message was withdrawn.
    pub fn withdraw(&self, id: &str) {
        self.server.with(|feishu| feishu.withdrawn.push(id.to_owned()));
    }

    /// What was accepted, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<Value> {
        self.server.with(|feishu| feishu.messages.clone())
    }

    /// How many requests came.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.server.with(|feishu| feishu.requests)
    }
}

impl Service for Feishu {
    const NAME: &'static str = "Feishu";
    const SECRETS: &'static [(&'static str, &'static str)] = &[
        ("Feishu's webhook", HOOK),
        ("the secret of Feishu's bot", FeishuStandIn::BOT_SECRET),
        ("Feishu's app secret", FeishuStandIn::APP_SECRET),
    ];

    fn brings(&self, path: &str) -> bool {
        !path.contains("/auth/")
    }

    fn answer(&mut self, request: &Request, now: i64) -> (u16, Value) {
        self.requests += 1;
        let path: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        if request.method != "POST" {
            return (404, json!({"code": 404, "msg": "not found"}));
        }
        match path.as_slice() {
            ["open-apis", "bot", "v2", "hook", _] => (200, self.bot(request, now)),
            ["open-apis", "auth", "v3", "tenant_access_token", "internal"] => (200, self.token(request, now)),
            ["open-apis", "im", "v1", "messages"] => refused(self.create(request, now)),
            ["open-apis", "im", "v1", "messages", id, "reply"] => refused(self.reply(request, id, now)),
            _ => (404, json!({"code": 404, "msg": "not found"})),
        }
    }
}

/// The API for apps refuses with status 400.
fn refused(answer: Result<Value, (i64, &'static str)>) -> (u16, Value) {
    match answer {
        Ok(message) => (200, json!({"code": 0, "msg": "success", "data": message})),
        Err((code, msg)) => (400, json!({"code": code, "msg": msg})),
    }
}

impl Feishu {
    fn bot(&mut self, request: &Request, now: i64) -> Value {
        let says = |code: i64, msg: &str| json!({"code": code, "msg": msg, "data": {}});
        if request.path != HOOK {
            return says(19_001, "param invalid: incoming webhook access token invalid");
        }
        let fields: &[&str] = match self.bot_secret {
            Some(_) => &["msg_type", "card", "timestamp?", "sign?"],
            None => &["msg_type", "card"],
        };
        let body = request.json().filter(|body| has_only(body, fields) && body["msg_type"] == "interactive");
        let Some(body) = body.filter(|body| request.body.len() <= 20_000 && is_card(&body["card"])) else {
            return says(9499, "Bad Request");
        };
        if self.bot_secret.as_deref().is_some_and(|secret| !is_signed(&body, secret, now / 1000)) {
            return says(19_021, "sign match fail or timestamp is not within one hour from current time");
        }
        if self.keyword.as_deref().is_some_and(|keyword| !body["card"].to_string().contains(keyword)) {
            return says(19_024, "Key Words Not Found");
        }
        if self.is_too_often(now) {
            return says(11_232, "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]");
        }
        self.messages.push(body);
        json!({"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"})
    }

    fn token(&mut self, request: &Request, now: i64) -> Value {
        let Some(body) = request.json().filter(|body| has_only(body, &["app_id", "app_secret"])) else {
            return json!({"code": 10_003, "msg": "invalid param"});
        };
        if body["app_id"] != APP_ID || body["app_secret"] != self.app_secret.as_str() {
            return json!({"code": 10_014, "msg": "app secret invalid"});
        }
        let void = self.tokens.first().is_some_and(|(token, _)| token == "void");
        let token = format!("t-canary-token-{}", self.tokens.len());
        self.tokens.push((token.clone(), if void { 0 } else { now + TOKEN_MS }));
        json!({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": 7200})
    }

    fn create(&mut self, request: &Request, now: i64) -> Result<Value, (i64, &'static str)> {
        self.check(request, now)?;
        let fields = ["receive_id", "msg_type", "content", "uuid?"];
        let (body, card) = match plain_text(request, &fields) {
            Some(plain) => plain,
            None => message(request, &fields)?,
        };
        let id = body["receive_id"].as_str().unwrap_or_default().to_owned();
        let kind = request.query("receive_id_type").unwrap_or_default();
        let start = match kind {
            "open_id" => "ou_",
            "union_id" => "on_",
            "chat_id" => "oc_",
            "user_id" | "email" => "",
            _ => return Err((230_001, "invalid request parameter, ext=invalid receive_id_type")),
        };
        if !id.starts_with(start) || id.is_empty() {
            return Err((230_001, "invalid request parameter, ext=invalid receive_id"));
        }
        if !self.known.contains(&id) {
            let group = kind == "chat_id";
            return Err(if group {
                (230_002, "The bot can not be outside the group.")
            } else {
                (230_013, "Bot has NO availability to this user.")
            });
        }
        self.accept(json!({"to": id, "uuid": body["uuid"], "card": card}), now)
    }

    fn reply(&mut self, request: &Request, to: &str, now: i64) -> Result<Value, (i64, &'static str)> {
        self.check(request, now)?;
        let (body, card) = message(request, &["msg_type", "content", "uuid?", "reply_in_thread?"])?;
        if self.withdrawn.iter().any(|id| id == to) {
            return Err((230_011, "The message was withdrawn."));
        }
        let first = self.messages.iter().find(|message| message["message_id"] == to);
        let Some(id) = first.map(|message| message["to"].clone()) else {
            return Err((230_001, "invalid request parameter, ext=invalid message_id"));
        };
        self.accept(json!({"to": id, "answers": to, "uuid": body["uuid"], "card": card}), now)
    }

    fn check(&self, request: &Request, now: i64) -> Result<(), (i64, &'static str)> {
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let Some(token) = token else { return Err((99_991_661, "Missing access token for authorization.")) };
        let lives = self.tokens.iter().any(|(known, until)| known == token && *until > now);
        if lives { Ok(()) } else { Err((99_991_663, "Invalid access token for authorization.")) }
    }

    /// Sends it, but not twice under one uuid.
    fn accept(&mut self, mut message: Value, now: i64) -> Result<Value, (i64, &'static str)> {
        let uuid = message["uuid"].clone();
        let same = |known: &&Value| !uuid.is_null() && known["uuid"] == uuid && known["to"] == message["to"];
        if let Some(known) = self.messages.iter().find(same) {
            return Ok(json!({"message_id": known["message_id"]}));
        }
        if self.is_too_often(now) {
            return Err((230_020, "This operation triggers the frequency limit."));
        }
        let id = format!("om_{:032x}", self.messages.len() + 1);
        message["message_id"] = id.clone().into();
        self.messages.push(message);
        Ok(json!({"message_id": id}))
    }

    fn is_too_often(&mut self, now: i64) -> bool {
        self.times.retain(|time| now - time < 60_000);
        let full = self.times.len() >= self.a_minute;
        if !full {
            self.times.push(now);
        }
        full
    }
}

/// The body of a message, and the plain text that it is.
fn plain_text(request: &Request, fields: &[&str]) -> Option<(Value, Value)> {
    let body = request.json().filter(|body| has_only(body, fields) && body["msg_type"] == "text")?;
    let content: Value = serde_json::from_str(body["content"].as_str()?).ok()?;
    let text = has_only(&content, &["text"]) && content["text"].as_str().is_some_and(|text| !text.is_empty());
    text.then_some((body, content))
}

/// The body of a message, and the card in it.
fn message(request: &Request, fields: &[&str]) -> Result<(Value, Value), (i64, &'static str)> {
    if request.body.len() > 30_000 {
        return Err((230_025, "The length of the message content reaches its limit."));
    }
    let body = request.json().filter(|body| has_only(body, fields) && body["msg_type"] == "interactive");
    let body = body.ok_or((230_001, "invalid request parameter"))?;
    if body["uuid"].as_str().is_some_and(|uuid| uuid.is_empty() || uuid.len() > 50) {
        return Err((230_001, "invalid request parameter, ext=invalid uuid"));
    }
    let card = body["content"].as_str().and_then(|content| serde_json::from_str::<Value>(content).ok());
    match card.filter(is_card) {
        Some(card) => Ok((body, card)),
        None => Err((230_099, "Failed to create card content")),
    }
}

fn is_signed(body: &Value, secret: &str, now: i64) -> bool {
    let (Some(time), Some(sign)) = (body["timestamp"].as_str(), body["sign"].as_str()) else { return false };
    let fresh = time.parse::<i64>().is_ok_and(|time| (time - now).abs() <= HOUR);
    let key = hmac::Key::new(hmac::HMAC_SHA256, format!("{time}\n{secret}").as_bytes());
    fresh && STANDARD.decode(sign).is_ok_and(|sign| hmac::verify(&key, b"", &sign).is_ok())
}

/// A card of JSON 1.0 with the elements that are used.
pub(super) fn is_card(card: &Value) -> bool {
    const COLOURS: [&str; 13] = [
        "blue",
        "wathet",
        "turquoise",
        "green",
        "yellow",
        "orange",
        "red",
        "carmine",
        "violet",
        "purple",
        "indigo",
        "grey",
        "default",
    ];
    let colour = card["header"]["template"].as_str().is_some_and(|colour| COLOURS.contains(&colour));
    let title = &card["header"]["title"];
    let config = &card["config"];
    let flags = config.as_object().is_none_or(|all| all.values().all(Value::is_boolean));
    has_only(card, &["config?", "header", "elements"])
        && (config.is_null() || has_only(config, &["wide_screen_mode?", "update_multi?", "enable_forward?"]))
        && flags
        && has_only(&card["header"], &["template?", "title"])
        && title["tag"] == "plain_text"
        && is_text(title)
        && colour
        && card["elements"]
            .as_array()
            .is_some_and(|all| !all.is_empty() && all.len() <= 50 && all.iter().all(is_element))
}

fn is_element(element: &Value) -> bool {
    match element["tag"].as_str() {
        Some("hr") => has_only(element, &["tag"]),
        Some("div") => has_only(element, &["tag", "text"]) && is_text(&element["text"]),
        Some("note") => {
            has_only(element, &["tag", "elements"])
                && element["elements"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(is_text))
        }
        Some("action") => {
            has_only(element, &["tag", "actions"])
                && element["actions"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(is_button))
        }
        _ => false,
    }
}

/// A button that calls back.
fn is_button(button: &Value) -> bool {
    let kind = matches!(button["type"].as_str(), None | Some("default" | "primary" | "danger"));
    let text = &button["text"];
    has_only(button, &["tag", "text", "type?", "value"])
        && button["tag"] == "button"
        && kind
        && text["tag"] == "plain_text"
        && is_text(text)
        && button["value"].is_object()
}

fn is_text(text: &Value) -> bool {
    let known = matches!(text["tag"].as_str(), Some("plain_text" | "lark_md"));
    known && has_only(text, &["tag", "content"]) && text["content"].is_string()
}
