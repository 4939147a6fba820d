//! Where letters go: one file per channel.
//!
//! Each speaks the official API of its service, named at its head, and knows its limits, its escaping and its error
//! codes. None of them retries or waits.

mod clock;
pub mod desktop;
pub mod dingtalk;
pub mod discord_bot;
pub mod discord_webhook;
pub mod email;
pub mod feishu;
mod fit;
pub mod ntfy;
pub mod pagerduty;
pub mod slack_bot;
pub mod slack_webhook;
pub mod telegram;
pub mod webhook;
pub mod wecom_bot;

mod discord;
mod document;
mod mail;
mod slack;

use super::http::Http;
use super::{Letter, NotDelivered, Receipt};
use clawmend_core::time::Wall;
use serde::Deserialize;

/// One place to bring letters to, as it stands in the settings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Channel {
    /// A Feishu (Lark) group through its custom bot.
    FeishuBot(feishu::FeishuBot),
    /// People or chats on Feishu (Lark) through an app.
    FeishuApp(feishu::FeishuApp),
    /// A DingTalk group through its custom bot.
    DingtalkBot(dingtalk::DingtalkBot),
    /// People on DingTalk through an app.
    DingtalkApp(dingtalk::DingtalkApp),
    /// A WeCom group through its bot.
    WecomBot(wecom_bot::WecomBot),
    /// People or chats on Telegram through a bot.
    Telegram(telegram::Telegram),
    /// A Discord channel through a webhook.
    DiscordWebhook(discord_webhook::DiscordWebhook),
    /// People on Discord through a bot.
    DiscordBot(discord_bot::DiscordBot),
    /// A Slack channel through an incoming webhook.
    SlackWebhook(slack_webhook::SlackWebhook),
    /// People or channels on Slack through a bot.
    SlackBot(slack_bot::SlackBot),
    /// Mail over SMTP with TLS.
    Email(email::Email),
    /// A topic of ntfy.
    Ntfy(ntfy::Ntfy),
    /// PagerDuty, Events API v2.
    #[serde(rename = "pagerduty")]
    PagerDuty(pagerduty::PagerDuty),
    /// Any service that takes JSON, signed.
    Webhook(webhook::Webhook),
    /// A notification on the desktop of this machine.
    Desktop(desktop::Desktop),
}

impl Channel {
    /// Its name in the settings and records.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::FeishuBot(_) => "feishu_bot",
            Self::FeishuApp(_) => "feishu_app",
            Self::DingtalkBot(_) => "dingtalk_bot",
            Self::DingtalkApp(_) => "dingtalk_app",
            Self::WecomBot(_) => "wecom_bot",
            Self::Telegram(_) => "telegram",
            Self::DiscordWebhook(_) => "discord_webhook",
            Self::DiscordBot(_) => "discord_bot",
            Self::SlackWebhook(_) => "slack_webhook",
            Self::SlackBot(_) => "slack_bot",
            Self::Email(_) => "email",
            Self::Ntfy(_) => "ntfy",
            Self::PagerDuty(_) => "pagerduty",
            Self::Webhook(_) => "webhook",
            Self::Desktop(_) => "desktop",
        }
    }

    /// Brings a letter there, once.
    ///
    /// # Errors
    /// [`NotDelivered`], by what is to be done next.
    pub async fn deliver(&self, letter: &Letter, http: &Http, now: Wall) -> Result<Receipt, NotDelivered> {
        match self {
            Self::FeishuBot(to) => to.deliver(letter, http, now).await,
            Self::FeishuApp(to) => to.deliver(letter, http, now).await,
            Self::DingtalkBot(to) => to.deliver(letter, http, now).await,
            Self::DingtalkApp(to) => to.deliver(letter, http, now).await,
            Self::WecomBot(to) => to.deliver(letter, http, now).await,
            Self::Telegram(to) => to.deliver(letter, http, now).await,
            Self::DiscordWebhook(to) => to.deliver(letter, http, now).await,
            Self::DiscordBot(to) => to.deliver(letter, http, now).await,
            Self::SlackWebhook(to) => to.deliver(letter, http, now).await,
            Self::SlackBot(to) => to.deliver(letter, http, now).await,
            Self::Email(to) => to.deliver(letter, http, now).await,
            Self::Ntfy(to) => to.deliver(letter, http, now).await,
            Self::PagerDuty(to) => to.deliver(letter, http, now).await,
            Self::Webhook(to) => to.deliver(letter, http, now).await,
            Self::Desktop(to) => to.deliver(letter, http, now).await,
        }
    }
}
