//! DingTalk's custom bot, and its API for apps.
//!
//! The contract is the one that the channels in `clawmend` name at their heads.

use super::dingtalk_stream::Gate;
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
    /// Opens connections, where there is somebody behind them.
    gate: Option<Gate>,
    /// Templates that are published.
    templates: Vec<String>,
    /// Cards that were made.
    tracks: Vec<String>,
}

impl DingtalkStandIn {
    /// The secret of the bot's signature.
    pub const BOT_SECRET: &'static str = "SECcanary-dingtalk-bot-secret";
    /// The app's secret.
    pub const CLIENT_SECRET: &'static str = "canary-dingtalk-client-secret";
    /// The app's id, and its robot's code.
    pub const CLIENT_ID: &'static str = "dingstandin";
    /// The template of its cards.
    pub const TEMPLATE: &'static str = "2c278d79-fc0b-41b4-b14e-8b8089dc08e8.schema";

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
            gate: None,
            templates: vec![Self::TEMPLATE.to_owned()],
            tracks: Vec::new(),
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

    /// Opens connections to there.
    pub(super) fn open_to(&self, gate: Gate) {
        self.server.with(|dingtalk| dingtalk.gate = Some(gate));
    }

    /// Its cards' template was deleted.
    pub fn delete_template(&self) {
        self.server.with(|dingtalk| dingtalk.templates.clear());
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
        !path.contains("/oauth2/") && !path.contains("/gateway/")
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
            ("POST", "/v1.0/card/instances/createAndDeliver") => answered(self.card(request, now)),
            ("POST", "/v1.0/gateway/connections/open") => answered(self.open(request, now)),
            _ => (404, json!({"code": "InvalidAction.NotFound", "message": "not found", "requestid": "R"})),
        }
    }
}

pub(super) type Refusal = (u16, &'static str, &'static str);

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

    /// <https://opensource.dingtalk.com/developerpedia/docs/learn/stream/protocol/>
    fn open(&mut self, request: &Request, now: i64) -> Result<Value, Refusal> {
        let body = request.json().ok_or((400, "invalidParameter", "the parameter is invalid"))?;
        if body["clientId"] != DingtalkStandIn::CLIENT_ID || body["clientSecret"] != self.client_secret.as_str() {
            return Err((401, "authFailed", "鉴权失败"));
        }
        let gate = self.gate.as_mut().ok_or((404, "InvalidAction.NotFound", "not found"))?;
        // Without it the real one answers with XML.
        if request.header("accept") != Some("application/json") {
            return Ok(Value::String("<xml/>".to_owned()));
        }
        gate.open(&body, now)
    }

    /// <https://open.dingtalk.com/document/development/create-and-deliver-cards>, to a person alone with the robot.
    fn card(&mut self, request: &Request, now: i64) -> Result<Value, Refusal> {
        self.is_token(request, now)?;
        const FIELDS: [&str; 8] = [
            "cardTemplateId",
            "outTrackId",
            "callbackType",
            "userIdType",
            "cardData",
            "openSpaceId",
            "imRobotOpenSpaceModel",
            "imRobotOpenDeliverModel",
        ];
        let invalid = (400, "param.invalid", "存在非法参数");
        let mut body = request.json().filter(|body| has_only(body, &FIELDS)).ok_or(invalid)?;
        let map = body["cardData"]["cardParamMap"].as_object().ok_or((400, "param.cardPublicDataEmpty", "为空"))?;
        if map.iter().any(|(key, value)| key.len() > 100 || value.as_str().is_none_or(|value| value.len() > 1_024)) {
            return Err(invalid);
        }
        if body["callbackType"] != "STREAM" || body["userIdType"] != 1 {
            return Err(invalid);
        }
        if body["imRobotOpenSpaceModel"] != json!({"supportForward": false}) {
            return Err((400, "param.openSpaceModelInvalid", "错误的场域属性模型"));
        }
        let deliver = json!({"spaceType": "IM_ROBOT", "robotCode": DingtalkStandIn::CLIENT_ID});
        if body["imRobotOpenDeliverModel"] != deliver {
            return Err((400, "param.openDeliverModelError", "场域投放模型格式错误"));
        }
        let template = body["cardTemplateId"].as_str().unwrap_or_default();
        if !self.templates.iter().any(|known| known == template) {
            return Err((400, "param.templateNotExist", "模板不存在"));
        }
        let track = body["outTrackId"].as_str().filter(|track| !track.is_empty());
        let track = track.ok_or((400, "param.outTrackIdEmpty", "业务标识outTrackId为空"))?.to_owned();
        if self.tracks.contains(&track) {
            return Err((400, "param.cardAlreadyExist", "卡片已经存在"));
        }
        let person = body["openSpaceId"].as_str().and_then(|space| space.strip_prefix("dtv1.card//IM_ROBOT."));
        let person = person.ok_or((400, "param.openSpaceIdInvalid", "openSpaceId不符合规范"))?.to_owned();
        if !["owner", "second"].contains(&person.as_str()) {
            return Err((400, "param.userIdNotExist", "用户user不存在"));
        }
        self.tracks.push(track.clone());
        body["userIds"] = json!([person]);
        self.messages.push(body);
        let result = json!({"spaceType": "IM_ROBOT", "spaceId": person, "success": true, "carrierId": "c"});
        Ok(json!({"success": true, "result": {"outTrackId": track, "deliverResults": [result]}}))
    }

    fn is_token(&self, request: &Request, now: i64) -> Result<(), Refusal> {
        let token = request.header("x-acs-dingtalk-access-token").unwrap_or_default();
        if self.tokens.iter().any(|(known, until)| known == token && *until > now) {
            return Ok(());
        }
        Err((400, "InvalidAuthentication", "不合法的access_token"))
    }

    /// The body of a message with a valid token, schema and length.
    fn checked(&self, request: &Request, to: &str, now: i64) -> Result<Value, Refusal> {
        self.is_token(request, now)?;
        let body = request.json().filter(|body| has_only(body, &["robotCode", "msgKey", "msgParam", to]));
        let body = body.ok_or((400, "invalidParameter.param.invalid", "the parameter is invalid"))?;
        if body["robotCode"] != DingtalkStandIn::CLIENT_ID {
            return Err((400, "invalidParameter.robotCode.auth", "the appkey does not match the robotCode"));
        }
        let fields: &[&str] = match body["msgKey"].as_str() {
            Some("sampleMarkdown") => &["title", "text"],
            Some("sampleText") => &["content"],
            _ => return Err((400, "invalidParameter.msgKey.invalid", "the msgKey is invalid")),
        };
        let param = body["msgParam"].as_str().unwrap_or_default();
        if param.len() > 15_000 {
            return Err((400, "invalidParameter.msgParam.invalid", "the msgParam exceeds 15000 bytes"));
        }
        let parsed: Value = serde_json::from_str(param).unwrap_or(Value::Null);
        if !has_only(&parsed, fields) {
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
