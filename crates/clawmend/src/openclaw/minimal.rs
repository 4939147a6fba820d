//! The least config with which a standby's gateway carries one bot.
//!
//! Invariant: nothing in it acts by itself: no timed work, no heartbeat (which messages its owner unasked), loopback only,
//! only direct messages, and of them only the named user's are answered. The bot's secret never stands in it. Keys as
//! OpenClaw 2026.9.6 and its plugins of that version take them. Start at [`config`].

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::path::Path;

/// The standby's channel, and the only user that it answers there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A bot of Telegram.
    Telegram {
        /// The user's number.
        user: u64,
    },
    /// A bot of Discord.
    Discord {
        /// The user's number.
        user: u64,
    },
    /// An app of Feishu.
    Feishu {
        /// The app (`cli_…`).
        app: String,
        /// The user, as this app knows them (`ou_…`).
        user: String,
    },
}

impl Channel {
    /// What OpenClaw calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Telegram { .. } => "telegram",
            Self::Discord { .. } => "discord",
            Self::Feishu { .. } => "feishu",
        }
    }

    /// The package of its plugin, where OpenClaw comes without it (2026.9.6).
    #[must_use]
    pub const fn plugin(&self) -> Option<&'static str> {
        match self {
            Self::Telegram { .. } => None,
            Self::Discord { .. } => Some("@openclaw/discord"),
            Self::Feishu { .. } => Some("@openclaw/feishu"),
        }
    }

    /// Its section, and how the secret's file is named to OpenClaw where the channel takes no file by itself.
    fn section(&self, secret_file: &Path) -> (Value, Option<&'static str>) {
        match self {
            Self::Telegram { user } => {
                let section = json!({
                    "enabled": true,
                    "tokenFile": secret_file,
                    "dmPolicy": "allowlist",
                    "allowFrom": [user.to_string()],
                    "groupPolicy": "disabled",
                });
                (section, None)
            }
            Self::Discord { user } => {
                let provider = "discord-token";
                let section = json!({
                    "enabled": true,
                    "token": from_file(provider),
                    "dmPolicy": "allowlist",
                    "allowFrom": [user.to_string()],
                    "groupPolicy": "disabled",
                });
                (section, Some(provider))
            }
            Self::Feishu { app, user } => {
                let provider = "feishu-secret";
                let section = json!({
                    "enabled": true,
                    "appId": app,
                    "appSecret": from_file(provider),
                    "dmPolicy": "allowlist",
                    "allowFrom": [user],
                    "groupPolicy": "disabled",
                });
                (section, Some(provider))
            }
        }
    }
}

/// A secret that is the whole of a provider's file, but for the end of its line.
fn from_file(provider: &str) -> Value {
    json!({"source": "file", "provider": provider, "id": "value"})
}

/// The text of `openclaw.json`. `secret_file` holds the bot's token or the app's secret, `token` is for the gateway's own
/// clients.
#[must_use]
pub fn config(channel: &Channel, secret_file: &Path, token: &SecretString) -> String {
    let (name, (section, provider)) = (channel.name(), channel.section(secret_file));
    let mut config = json!({
        "gateway": {
            "mode": "local",
            "bind": "loopback",
            "auth": {"mode": "token", "token": token.expose_secret()},
        },
        "channels": {name: section},
        "cron": {"enabled": false},
        "agents": {"defaults": {"heartbeat": {"every": "0m"}}},
    });
    if let Some(provider) = provider {
        let file = json!({"source": "file", "path": secret_file, "mode": "singleValue"});
        config["secrets"] = json!({"providers": {provider: file}});
    }
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_answers_one_user_and_holds_no_secret() {
        let feishu = Channel::Feishu { app: "cli_a1b2".into(), user: "ou_c3d4".into() };
        let token = SecretString::from("for-own-clients");
        let channels = [Channel::Telegram { user: 42 }, Channel::Discord { user: 123_456_789_012_345_678 }, feishu];
        let texts = channels.map(|channel| config(&channel, Path::new("/home/user/bot.secret"), &token));
        insta::assert_snapshot!(texts.join("--\n"));
    }
}
