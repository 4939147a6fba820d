//! What names an account at its provider, channel by channel: OpenClaw 2026.9.6 (its channel catalog and manifests) and
//! the community plugin `@soimy/dingtalk` 3.6.7.
//!
//! Invariant: where a provider has an id for a bot, that id names it, because tokens rotate and a bot may have several.
//! Settings that more than one bot may share, or that one bot may have twice, stand here only beside such an id, or
//! where there is none.

/// How a channel's accounts are told apart.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// By settings.
    Settings(&'static [Setting]),
    /// By the number in the saved login.
    WhatsApp,
    /// Not at all, for this reason.
    Login(&'static str),
}

/// One setting, of the account or of its channel.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    /// Its key.
    pub(super) name: &'static str,
    /// The key that names a file with it instead.
    pub(super) file: Option<&'static str>,
    /// Variables that the account `default` takes it from.
    pub(super) variables: &'static [&'static str],
    /// Without it the account is not known. Else it counts where it is set.
    pub(super) required: bool,
    /// What of it counts.
    pub(super) part: Part,
}

/// What of a value names the account.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// All of it, in small letters and without a leading `~` or `@`.
    Name,
    /// The digits.
    Phone,
    /// The bot's number in `123456:secret`.
    BeforeColon,
    /// The bot's id in a token of Discord, without `Bot `.
    BeforeDot,
    /// The app's id in `xapp-1-A0123-…`, else all of it.
    SlackApp,
    /// `client_email` of a service account of Google.
    ServiceAccount,
    /// The key of Nostr, written as `nsec1…` or in hexadecimal.
    NostrKey,
    /// Nick and `host`.
    IrcNick,
}

/// A setting without which the account is not known.
const fn required(name: &'static str, part: Part, variables: &'static [&'static str]) -> Setting {
    Setting { name, file: None, variables, required: true, part }
}

/// A setting that counts where it is set.
const fn also(name: &'static str, part: Part, variables: &'static [&'static str]) -> Setting {
    Setting { name, file: None, variables, required: false, part }
}

const fn or_file(setting: Setting, file: &'static str) -> Setting {
    Setting { name: setting.name, file: Some(file), variables: setting.variables, ..setting }
}

/// Channels, by their key in `channels`.
pub(super) const CHANNELS: [(&str, Rule); 25] = [
    ("buzz", Rule::Settings(&[required("privateKey", Part::NostrKey, &["BUZZ_PRIVATE_KEY"])])),
    ("clickclack", Rule::Settings(&[or_file(required("token", Part::Whole, &["CLICKCLACK_BOT_TOKEN"]), "tokenFile")])),
    ("dingtalk", Rule::Settings(&[required("clientId", Part::Whole, &[])])),
    ("discord", Rule::Settings(&[required("token", Part::BeforeDot, &["DISCORD_BOT_TOKEN"])])),
    ("feishu", Rule::Settings(&[required("appId", Part::Whole, &["FEISHU_APP_ID"])])),
    (
        "googlechat",
        Rule::Settings(&[or_file(
            required("serviceAccount", Part::ServiceAccount, &["GOOGLE_CHAT_SERVICE_ACCOUNT"]),
            "serviceAccountFile",
        )]),
    ),
    ("imessage", Rule::Login("which Apple account a Mac is signed in with is not in OpenClaw's config")),
    ("irc", Rule::Settings(&[required("nick", Part::IrcNick, &["IRC_NICK"])])),
    (
        "line",
        Rule::Settings(&[
            or_file(required("channelSecret", Part::Whole, &["LINE_CHANNEL_SECRET"]), "secretFile"),
            or_file(also("channelAccessToken", Part::Whole, &["LINE_CHANNEL_ACCESS_TOKEN"]), "tokenFile"),
        ]),
    ),
    // An access token does not tell whose it is, and a user may have many.
    ("matrix", Rule::Settings(&[required("userId", Part::Name, &["MATRIX_USER_ID"])])),
    ("mattermost", Rule::Settings(&[required("botToken", Part::Whole, &["MATTERMOST_BOT_TOKEN"])])),
    ("msteams", Rule::Settings(&[required("appId", Part::Name, &["MSTEAMS_APP_ID"])])),
    (
        "nextcloud-talk",
        Rule::Settings(&[or_file(required("botSecret", Part::Whole, &["NEXTCLOUD_TALK_BOT_SECRET"]), "botSecretFile")]),
    ),
    ("nostr", Rule::Settings(&[required("privateKey", Part::NostrKey, &["NOSTR_PRIVATE_KEY"])])),
    ("qqbot", Rule::Settings(&[required("appId", Part::Whole, &["QQBOT_APP_ID"])])),
    ("signal", Rule::Settings(&[required("account", Part::Phone, &[]), also("accountUuid", Part::Name, &[])])),
    (
        "slack",
        Rule::Settings(&[
            also("botToken", Part::Whole, &["SLACK_BOT_TOKEN"]),
            // Slack gives each message to any one of an app's connections.
            also("appToken", Part::SlackApp, &["SLACK_APP_TOKEN"]),
            also("userToken", Part::Whole, &["SLACK_USER_TOKEN"]),
            also("signingSecret", Part::Whole, &["SLACK_SIGNING_SECRET"]),
        ]),
    ),
    // A messaging service may hold any number.
    ("sms", Rule::Settings(&[required("fromNumber", Part::Phone, &["TWILIO_PHONE_NUMBER", "TWILIO_SMS_FROM"])])),
    (
        "telegram",
        Rule::Settings(&[or_file(required("botToken", Part::BeforeColon, &["TELEGRAM_BOT_TOKEN"]), "tokenFile")]),
    ),
    ("tlon", Rule::Settings(&[required("ship", Part::Name, &[])])),
    ("twitch", Rule::Settings(&[required("username", Part::Name, &[])])),
    ("whatsapp", Rule::WhatsApp),
    ("zalo", Rule::Settings(&[or_file(required("botToken", Part::BeforeColon, &["ZALO_BOT_TOKEN"]), "tokenFile")])),
    ("zalouser", Rule::Login("whose login a Zalo profile is, is not in OpenClaw's config")),
    ("raft", Rule::Login("whose login a Raft profile is, is not in OpenClaw's config")),
];

/// How the accounts of this channel are told apart.
pub(super) fn rule_of(channel: &str) -> Option<Rule> {
    CHANNELS.iter().find(|(name, _)| *name == channel).map(|(_, rule)| *rule)
}
