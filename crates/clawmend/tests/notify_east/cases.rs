//! The five channels, made from settings, each at its stand-in.

use super::{http, now};
use clawmend::notify::channel::Channel;
use clawmend::notify::{Letter, NotDelivered, Receipt};
use clawmend_testkit::alerts::{DingtalkStandIn, EastMode as Mode, FeishuStandIn, WecomStandIn};
use serde_json::Value;
use std::rc::Rc;

/// A channel, its stand-in, and what can be done to that.
pub struct Case {
    pub channel: Channel,
    pub set_mode: Box<dyn Fn(Mode)>,
    pub messages: Box<dyn Fn() -> Vec<Value>>,
}

impl Case {
    pub async fn deliver(&self, letter: &Letter) -> Result<Receipt, NotDelivered> {
        self.channel.deliver(letter, &http(), now()).await
    }
}

pub fn channel(toml: &str) -> Channel {
    toml::from_str(toml).unwrap()
}

pub fn feishu_bot(at: &FeishuStandIn, secret: &str) -> Channel {
    channel(&format!("kind = \"feishu_bot\"\nwebhook = \"{}\"\nsecret = \"{secret}\"", at.webhook()))
}

pub fn feishu_app(at: &FeishuStandIn, to: &str) -> Channel {
    let (id, secret) = (FeishuStandIn::APP_ID, FeishuStandIn::APP_SECRET);
    channel(&format!(
        "kind = \"feishu_app\"\napp_id = \"{id}\"\napp_secret = \"{secret}\"\ndomain = \"{}\"\nto = {to}",
        at.api()
    ))
}

pub fn dingtalk_bot(at: &DingtalkStandIn, secret: &str) -> Channel {
    channel(&format!("kind = \"dingtalk_bot\"\nwebhook = \"{}\"\nsecret = \"{secret}\"", at.webhook()))
}

pub fn dingtalk_app(at: &DingtalkStandIn, to: &str) -> Channel {
    let (id, secret) = (DingtalkStandIn::CLIENT_ID, DingtalkStandIn::CLIENT_SECRET);
    channel(&format!(
        "kind = \"dingtalk_app\"\nclient_id = \"{id}\"\nclient_secret = \"{secret}\"\napi = \"{}\"\nto = {to}",
        at.api()
    ))
}

pub fn wecom(at: &WecomStandIn) -> Channel {
    channel(&format!("kind = \"wecom_bot\"\nwebhook = \"{}\"", at.webhook()))
}

pub fn case<S: 'static>(stand_in: S, channel: Channel, set: fn(&S, Mode), messages: fn(&S) -> Vec<Value>) -> Case {
    let stand_in = Rc::new(stand_in);
    let asked = Rc::clone(&stand_in);
    Case { channel, set_mode: Box::new(move |mode| set(&stand_in, mode)), messages: Box::new(move || messages(&asked)) }
}

/// All five, each with a stand-in of its own.
pub fn all() -> Vec<Case> {
    let feishu = || FeishuStandIn::start().unwrap();
    let dingtalk = || DingtalkStandIn::start().unwrap();
    let (bot, app, ding, ding_app, wecom_bot) =
        (feishu(), feishu(), dingtalk(), dingtalk(), WecomStandIn::start().unwrap());
    let channels = (
        feishu_bot(&bot, FeishuStandIn::BOT_SECRET),
        feishu_app(&app, "[\"ou_owner\"]"),
        dingtalk_bot(&ding, DingtalkStandIn::BOT_SECRET),
        dingtalk_app(&ding_app, "[\"owner\"]"),
        wecom(&wecom_bot),
    );
    vec![
        case(bot, channels.0, FeishuStandIn::set_mode, FeishuStandIn::messages),
        case(app, channels.1, FeishuStandIn::set_mode, FeishuStandIn::messages),
        case(ding, channels.2, DingtalkStandIn::set_mode, DingtalkStandIn::messages),
        case(ding_app, channels.3, DingtalkStandIn::set_mode, DingtalkStandIn::messages),
        case(wecom_bot, channels.4, WecomStandIn::set_mode, WecomStandIn::messages),
    ]
}
