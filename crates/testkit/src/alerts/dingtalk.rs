//! DingTalk's custom bot, and its API for apps.
//!
//! The contract is the one that the channels in `clawmend` name at their heads.

use super::frame_east::{Mode, Request, Server, Service, has_only};
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

const TOKEN: &str = "canary-dingtalk-access-token";
/// How far a signature's time may be off, in milliseconds.
const HOUR_MS: i64 = 3_600_000;
/// Tokens last two hours.
const TOKEN_MS: i64 = 7_200_000;

/// The stand-in.
pub struct DingtalkStandIn {
    server: Server<Dingtalk>,
}

struct Dingtalk {
    bot_secret: Option<String>,
    keyword: Option<String>,
    client_secret: String,
    tokens: Vec<(String, i64)>,
    void: bool,
    /// People who are slowed down.
    slowed: Vec<String>,
    a_minute: usize,
    times: Vec<i64>,
    messages: Vec<Value>,
}

impl DingtalkStandIn {
    /// The secret of the bot's signature.
    pub const BOT_SECRET: &'static str = "SECcanary-dingtalk-bot-secret";
    /// The app's secret.
    pub const CLIENT_SECRET: &'static str = "canary-dingtalk-client-secret";
    /// The app's id, and its robot's code.
    pub const CLIENT_ID: &'static str = "dingstandin";

    /// Starts it: a bot that demands a signature, an app that can write to `owner`, `second` and the group `cidGroup==`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self> {
        let service = Dingtalk {
            bot_secret: Some(Self::BOT_SECRET.to_owned()),
            keyword: None,
            client_secret: Self::CLIENT_SECRET.to_owned(),
            tokens: Vec::new(),
            void: false,
            slowed: Vec::new(),
            a_minute: 20,
            times: Vec::new(),
            messages: Vec::new(),
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
        format!("{}/robot/send?access_token={TOKEN}", self.api())
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
        self.server.with(|dingtalk| {
            dingtalk.bot_secret = secret.map(str::to_owned);
            dingtalk.keyword = keyword.map(str::to_owned);
        });
    }

    /// The app's secret was reset.
    pub fn reset_client_secret(&self) {
        self.server.with(|dingtalk| "another".clone_into(&mut dingtalk.client_secret));
    }

    /// Tokens are void as soon as they are given out.
    pub fn void_tokens(&self) {
        self.server.with(|dingtalk| dingtalk.void = true);
    }

    /// Somebody gets too many messages.
    pub fn slow(&self, person: &str) {
        self.server.with(|dingtalk| dingtalk.slowed.push(person.to_owned()));
    }

    /// What was accepted, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<Value> {
        self.server.with(|dingtalk| dingtalk.messages.clone())
    }
}

impl Service for Dingtalk {
    const NAME: &'static str = "DingTalk";
    const SECRETS: &'static [(&'static str, &'static str)] = &[
        ("the token in DingTalk's webhook", TOKEN),
        ("the secret of DingTalk's bot", DingtalkStandIn::BOT_SECRET),
        ("DingTalk's client secret", DingtalkStandIn::CLIENT_SECRET),
    ];

    fn brings(&self, path: &str) -> bool {
        !path.contains("/oauth2/")
    }

    fn answer(&mut self, request: &Request, now: i64) -> (u16, Value) {
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/robot/send") => {
                let (code, msg) = self.bot(request, now);
                (200, json!({"errcode": code, "errmsg": msg}))
            }
            ("POST", "/v1.0/oauth2/accessToken") => answered(self.token(request, now)),
            ("POST", "/v1.0/robot/oToMessages/batchSend") => answered(self.people(request, now)),
            ("POST", "/v1.0/robot/groupMessages/send") => answered(self.group(request, now)),
            _ => (404, json!({"code": "InvalidAction.NotFound", "message": "not found", "requestid": "R"})),
        }
    }
}

type Refusal = (u16, &'static str, &'static str);

fn answered(answer: Result<Value, Refusal>) -> (u16, Value) {
    match answer {
        Ok(body) => (200, body),
        Err((status, code, message)) => (status, json!({"code": code, "message": message, "requestid": "R"})),
    }
}

impl Dingtalk {
    fn bot(&mut self, request: &Request, now: i64) -> (i64, &'static str) {
        if request.query("access_token") != Some(TOKEN) {
            return (300_001, "token is not exist");
        }
        if !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            return (43_004, "无效的HTTP HEADER Content-Type");
        }
        if let Some(secret) = self.bot_secret.as_deref() {
            let time = request.query("timestamp").and_then(|time| time.parse::<i64>().ok());
            if time.is_none_or(|time| (time - now).abs() > HOUR_MS) {
                return (310_000, "invalid timestamp");
            }
            if !is_signed(request, secret) {
                return (310_000, "sign not match");
            }
        }
        let Some(body) = request.json().filter(|body| has_only(body, &["msgtype", "markdown", "at?"])) else {
            return (40_035, "缺少参数 json");
        };
        if body["msgtype"] != "markdown" {
            return (400_105, "不支持的消息类型");
        }
        let (title, text) = (body["markdown"]["title"].as_str(), body["markdown"]["text"].as_str());
        let (Some(title), Some(text), true) = (title, text, has_only(&body["markdown"], &["title", "text"])) else {
            return (40_035, "缺少参数 json");
        };
        if title.is_empty() || text.is_empty() {
            return (40_035, "缺少参数 json");
        }
        if text.len() > 20_000 {
            return (460_101, "message too long, exceed 20000 bytes");
        }
        if self.keyword.as_deref().is_some_and(|keyword| !text.contains(keyword) && !title.contains(keyword)) {
            return (310_000, "keywords not in content");
        }
        if self.is_too_often(now) {
            return (130_101, "send too fast, exceed 20 times per minute");
        }
        self.messages.push(body);
        (0, "ok")
    }

    fn token(&mut self, request: &Request, now: i64) -> Result<Value, Refusal> {
        let body = request.json().filter(|body| has_only(body, &["appKey", "appSecret"]));
        let body = body.ok_or((400, "MissingappKey", "appKey is mandatory for this action."))?;
        if body["appKey"] != DingtalkStandIn::CLIENT_ID || body["appSecret"] != self.client_secret.as_str() {
            return Err((400, "invalidClientIdOrSecret", "无效的clientId或者clientSecret"));
        }
        let token = format!("canary-token-{}", self.tokens.len());
        self.tokens.push((token.clone(), if self.void { 0 } else { now + TOKEN_MS }));
        Ok(json!({"accessToken": token, "expireIn": 7200}))
    }

    fn people(&mut self, request: &Request, now: i64) -> Result<Value, Refusal> {
        let mut body = self.checked(request, "userIds", now)?;
        let ids: Vec<String> = serde_json::from_value(body["userIds"].clone())
            .map_err(|_| (400, "invalidParameter.userIds.empty", "userIds"))?;
        if ids.is_empty() {
            return Err((400, "invalidParameter.userIds.empty", "the list of userIds is empty"));
        }
        if ids.len() > 20 {
            return Err((400, "invalidParameter.userIds.overMax", "the list of userIds exceeds the limit"));
        }
        let of = |list: &[String]| -> Vec<String> { list.iter().filter(|id| ids.contains(id)).cloned().collect() };
        let slowed = of(&self.slowed);
        let known = of(&["owner".to_owned(), "second".to_owned()]);
        let unknown: Vec<&String> = ids.iter().filter(|id| !known.contains(id)).collect();
        let got: Vec<&String> = known.iter().filter(|id| !slowed.contains(id)).collect();
        if !got.is_empty() {
            body["userIds"] = json!(got);
            self.messages.push(body);
        }
        let key = format!("key{}", self.messages.len());
        Ok(json!({"processQueryKey": key, "invalidStaffIdList": unknown, "flowControlledStaffIdList": slowed}))
    }

    fn group(&mut self, request: &Request, now: i64) -> Result<Value, Refusal> {
        let body = self.checked(request, "openConversationId", now)?;
        if body["openConversationId"] != "cidGroup==" {
            return Err((400, "invalidParameter.openConversationId.invalid", "the group is not known"));
        }
        self.messages.push(body);
        Ok(json!({"processQueryKey": format!("key{}", self.messages.len())}))
    }

    /// The body of a message with a valid token, schema and length.
    fn checked(&self, request: &Request, to: &str, now: i64) -> Result<Value, Refusal> {
        let token = request.header("x-acs-dingtalk-access-token").unwrap_or_default();
        if !self.tokens.iter().any(|(known, until)| known == token && *until > now) {
            return Err((400, "InvalidAuthentication", "不合法的access_token"));
        }
        let body = request.json().filter(|body| has_only(body, &["robotCode", "msgKey", "msgParam", to]));
        let body = body.ok_or((400, "invalidParameter.param.invalid", "the parameter is invalid"))?;
        if body["robotCode"] != DingtalkStandIn::CLIENT_ID {
            return Err((400, "invalidParameter.robotCode.auth", "the appkey does not match the robotCode"));
        }
        if body["msgKey"] != "sampleMarkdown" {
            return Err((400, "invalidParameter.msgKey.invalid", "the msgKey is invalid"));
        }
        let param = body["msgParam"].as_str().unwrap_or_default();
        if param.len() > 15_000 {
            return Err((400, "invalidParameter.msgParam.invalid", "the msgParam exceeds 15000 bytes"));
        }
        let parsed: Value = serde_json::from_str(param).unwrap_or(Value::Null);
        if !has_only(&parsed, &["title", "text"]) {
            return Err((400, "invalidParameter.msgParam.invalid", "the msgParam must be in JSON format"));
        }
        Ok(body)
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

fn is_signed(request: &Request, secret: &str) -> bool {
    let (Some(time), Some(sign)) = (request.query("timestamp"), request.query("sign")) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = format!("{time}\n{secret}");
    STANDARD.decode(sign).is_ok_and(|sign| hmac::verify(&key, signed.as_bytes(), &sign).is_ok())
}
