//! The least config with which a standby's gateway carries one Telegram bot.
//!
//! Invariant: nothing in it acts by itself: no timed work, no heartbeat (which messages its owner unasked), loopback only,
//! and only the named user is answered. Keys as OpenClaw 2026.9.6 takes them.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::path::Path;

/// A standby's Telegram bot.
#[derive(Clone, Debug)]
pub struct Telegram<'a> {
    /// The file that holds its token, which never stands in the config.
    pub token_file: &'a Path,
    /// The number of the only user that it answers.
    pub user: u64,
}

/// The text of `openclaw.json`. `token` is for the gateway's own clients.
#[must_use]
pub fn with_telegram(telegram: &Telegram<'_>, token: &SecretString) -> String {
    let config = json!({
        "gateway": {
            "mode": "local",
            "bind": "loopback",
            "auth": {"mode": "token", "token": token.expose_secret()},
        },
        "channels": {"telegram": {
            "enabled": true,
            "tokenFile": telegram.token_file,
            "dmPolicy": "allowlist",
            "allowFrom": [telegram.user.to_string()],
        }},
        "cron": {"enabled": false},
        "agents": {"defaults": {"heartbeat": {"every": "0m"}}},
    });
    format!("{config:#}\n")
}
