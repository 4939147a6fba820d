//! What a search finds.
//!
//! Invariant: an account is either usable, with a bot and at least one recipient, or has the reason why not. What a
//! provider's API takes as an id or as part of an address holds only characters that cannot change a request.

use super::Reason;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// One account of one channel in OpenClaw's config.
#[derive(Debug)]
pub struct Found {
    /// Its key in `channels`, such as `telegram`.
    pub channel: String,
    /// Its id, `default` where the channel has just one.
    pub account: String,
    /// OpenClaw takes this account where none is named.
    pub is_default: bool,
    /// The way to its owner, or why there is none.
    pub reach: Result<Reach, Reason>,
}

impl Found {
    /// The way to its owner.
    #[must_use]
    pub const fn usable(&self) -> Option<&Reach> {
        match &self.reach {
            Ok(reach) => Some(reach),
            Err(_) => None,
        }
    }

    /// Why it cannot carry an alert.
    #[must_use]
    pub const fn reason(&self) -> Option<&Reason> {
        match &self.reach {
            Ok(_) => None,
            Err(reason) => Some(reason),
        }
    }
}

/// All that an alert needs.
#[derive(Debug)]
pub struct Reach {
    /// Who speaks.
    pub bot: Bot,
    /// Who is told; never empty, at most [`MAX_RECIPIENTS`](super::MAX_RECIPIENTS).
    pub recipients: Vec<Recipient>,
}

/// Channels of OpenClaw that can carry an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Feishu and Lark.
    Feishu,
    /// DingTalk.
    DingTalk,
    /// Telegram.
    Telegram,
    /// Discord.
    Discord,
    /// Slack.
    Slack,
}

impl Kind {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 5] = [Self::Feishu, Self::DingTalk, Self::Telegram, Self::Discord, Self::Slack];

    /// Its key in `channels`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Feishu => "feishu",
            Self::DingTalk => "dingtalk",
            Self::Telegram => "telegram",
            Self::Discord => "discord",
            Self::Slack => "slack",
        }
    }
}

/// A bot with its credentials, for the API of its provider.
#[derive(Debug)]
pub enum Bot {
    /// An app of Feishu or Lark.
    Feishu {
        /// `appId`.
        app_id: String,
        /// `appSecret`.
        app_secret: SecretString,
        /// `domain`.
        domain: FeishuDomain,
    },
    /// An app of DingTalk.
    DingTalk {
        /// `clientId`, the app key.
        client_id: String,
        /// `clientSecret`.
        client_secret: SecretString,
        /// The robot's code: the plugin always takes the client id (`resolveRobotCode`, 3.6.7).
        robot_code: String,
    },
    /// A bot of Telegram.
    Telegram {
        /// `botToken`, or what `tokenFile` holds. Safe as a part of a path.
        token: SecretString,
        /// `apiRoot` without a slash at its end; none is `https://api.telegram.org`.
        api_root: Option<String>,
        /// `proxy`, which may hold a password.
        proxy: Option<SecretString>,
    },
    /// A bot of Discord.
    Discord {
        /// `token`, without `Bot `.
        token: SecretString,
        /// `proxy`, which may hold a password.
        proxy: Option<SecretString>,
    },
    /// A bot of Slack.
    Slack {
        /// `botToken`.
        token: SecretString,
    },
}

impl Bot {
    /// The channel that it is a bot of.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Feishu { .. } => Kind::Feishu,
            Self::DingTalk { .. } => Kind::DingTalk,
            Self::Telegram { .. } => Kind::Telegram,
            Self::Discord { .. } => Kind::Discord,
            Self::Slack { .. } => Kind::Slack,
        }
    }

    /// Both are the same bot at the provider.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let secret = |bot: &Self| match bot {
            Self::Feishu { app_secret, .. } => app_secret.expose_secret().to_owned(),
            Self::DingTalk { client_secret, .. } => client_secret.expose_secret().to_owned(),
            Self::Telegram { token, .. } | Self::Discord { token, .. } | Self::Slack { token } => {
                token.expose_secret().to_owned()
            }
        };
        self.kind() == other.kind() && secret(self) == secret(other)
    }
}

/// Where the API of Feishu is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeishuDomain {
    /// The one in China.
    Feishu,
    /// The one for the rest of the world.
    Lark,
    /// An installation of one's own: an `https` address without a slash at its end.
    Custom(String),
}

impl FeishuDomain {
    /// Where its `/open-apis/…` begins (`@openclaw/feishu` 2026.9.5).
    #[must_use]
    pub fn base_url(&self) -> &str {
        match self {
            Self::Feishu => "https://open.feishu.cn",
            Self::Lark => "https://open.larksuite.com",
            Self::Custom(url) => url,
        }
    }
}

/// A person to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Its id at the provider, without OpenClaw's prefixes.
    pub id: String,
    /// What the provider calls such an id.
    pub kind: IdKind,
    /// Where it was found.
    pub source: Source,
}

/// What the provider calls an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// Feishu `open_id`.
    OpenId,
    /// A user's id: `user_id` of Feishu, the staff id of DingTalk, the user of Telegram, Discord or Slack.
    UserId,
}

impl IdKind {
    /// As Feishu's `receive_id_type` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenId => "open_id",
            Self::UserId => "user_id",
        }
    }
}

/// Where a recipient was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `commands.ownerAllowFrom`.
    CommandOwner,
    /// A list in the config, by its path.
    AllowFrom(String),
    /// The approved senders in OpenClaw's database.
    Pairing,
    /// The approved senders in a file of an older OpenClaw, by its name in `credentials`.
    PairingFile(String),
}

impl Source {
    /// Its name for scripts; it never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CommandOwner => "command_owner",
            Self::AllowFrom(_) => "allow_from",
            Self::Pairing => "pairing",
            Self::PairingFile(_) => "pairing_file",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandOwner => out.write_str("commands.ownerAllowFrom"),
            Self::AllowFrom(path) => out.write_str(path),
            Self::Pairing => out.write_str("openclaw pairing"),
            Self::PairingFile(name) => write!(out, "credentials/{name}"),
        }
    }
}
