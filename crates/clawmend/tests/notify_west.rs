//! Telegram, ntfy, webhooks, Slack, Discord, PagerDuty, e-mail and the desktop, each against a stand-in that holds its
//! service's documented contract.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

#[path = "west/battery.rs"]
mod battery;
#[path = "west/desktop.rs"]
mod desktop;
#[path = "west/discord.rs"]
mod discord;
#[path = "west/email.rs"]
mod email;
#[path = "west/ntfy.rs"]
mod ntfy;
#[path = "west/pagerduty.rs"]
mod pagerduty;
#[path = "west/proxy.rs"]
mod proxy;
#[path = "west/slack.rs"]
mod slack;
#[path = "west/telegram.rs"]
mod telegram;
#[path = "west/webhook.rs"]
mod webhook;
