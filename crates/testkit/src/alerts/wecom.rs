//! WeCom's bot of a group.
//!
//! The contract is the one that the channel in `clawmend` names at its head.

use super::frame_east::{Mode, Request, Server, Service, has_only};
use anyhow::Result;
use serde_json::{Value, json};

const KEY: &str = "canary-wecom-key-0123456789";

/// The stand-in.
pub struct WecomStandIn {
    server: Server<Wecom>,
}

struct Wecom {
    removed: bool,
    times: Vec<i64>,
    messages: Vec<Value>,
}

impl WecomStandIn {
    /// Starts it.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self> {
        let service = Wecom { removed: false, times: Vec::new(), messages: Vec::new() };
        Ok(Self { server: Server::start(service)? })
    }

    /// The bot's webhook.
    #[must_use]
    pub fn webhook(&self) -> String {
        format!("http://127.0.0.1:{}/cgi-bin/webhook/send?key={KEY}", self.server.port)
    }

    /// How messages are treated from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.server.set_mode(mode, false);
    }

    /// The bot was removed from its group.
    pub fn remove(&self) {
        self.server.with(|wecom| wecom.removed = true);
    }

    /// What was accepted, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<Value> {
        self.server.with(|wecom| wecom.messages.clone())
    }
}

impl Service for Wecom {
    const NAME: &'static str = "WeCom";
    const SECRETS: &'static [(&'static str, &'static str)] = &[("the key in WeCom's webhook", KEY)];

    fn brings(&self, _path: &str) -> bool {
        true
    }

    fn answer(&mut self, request: &Request, now: i64) -> (u16, Value) {
        let (code, msg) = self.send(request, now);
        (200, json!({"errcode": code, "errmsg": msg}))
    }
}

impl Wecom {
    fn send(&mut self, request: &Request, now: i64) -> (i64, &'static str) {
        let there = request.method == "POST" && request.path == "/cgi-bin/webhook/send";
        if !there || request.query("key") != Some(KEY) || self.removed {
            return (93_000, "invalid webhook url");
        }
        let Some(body) = request.json().filter(|body| has_only(body, &["msgtype", "markdown"])) else {
            return (40_058, "invalid Request Parameter");
        };
        if body["msgtype"] != "markdown" {
            return (40_008, "invalid message type");
        }
        match body["markdown"]["content"].as_str() {
            None | Some("") => return (44_004, "content is empty"),
            Some(content) if content.len() > 4096 => return (40_058, "markdown.content exceed max length 4096"),
            Some(_) if !has_only(&body["markdown"], &["content"]) => return (40_058, "invalid Request Parameter"),
            Some(_) => {}
        }
        self.times.retain(|time| now - time < 60_000);
        if self.times.len() >= 20 {
            return (45_009, "api freq out of limit");
        }
        self.times.push(now);
        self.messages.push(body);
        (0, "ok")
    }
}
