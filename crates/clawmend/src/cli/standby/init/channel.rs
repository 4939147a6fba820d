//! The OpenClaw config that `standby init` writes on a standby: for which channel, and where.
//!
//! Invariant: a config that is there stays. Start at [`ChannelArgs::write_for`].

use super::super::super::context::Context;
use super::super::super::error::{CliError, Kind};
use super::super::SideArg;
use super::begin::shell;
use crate::daemon::setup;
use crate::host::files::is_private;
use crate::openclaw::discovery::Home;
use crate::openclaw::minimal::{self, Channel};
use crate::openclaw::sandbox::random_token;
use crate::settings::Settings;
use std::path::{Path, PathBuf};

/// What is said of the channel.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ChannelArgs {
    /// On the standby: write a minimal OpenClaw config for a bot of this channel, if there is none
    #[arg(
        long,
        value_enum,
        value_name = "CHANNEL",
        requires = "secret_file",
        requires = "user",
        conflicts_with = "shared"
    )]
    channel: Option<ChannelArg>,
    /// The file that holds the bot's token, or the secret of a Feishu app
    #[arg(long, value_name = "FILE", requires = "channel")]
    secret_file: Option<PathBuf>,
    /// The only user that it answers: a number, or for Feishu an open_id (ou_…)
    #[arg(long, value_name = "ID", requires = "channel")]
    user: Option<String>,
    /// The app of Feishu (cli_…)
    #[arg(long, value_name = "ID", requires = "channel")]
    app: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ChannelArg {
    Telegram,
    Discord,
    Feishu,
}

/// What is to be written, and where.
pub(super) struct Written {
    pub home: Home,
    pub text: String,
}

impl ChannelArgs {
    /// The channel that was named; `None`: none was.
    ///
    /// # Errors
    /// What was said of it cannot be.
    pub(super) fn channel(&self) -> Result<Option<Channel>, CliError> {
        let (Some(channel), Some(user)) = (self.channel, &self.user) else { return Ok(None) };
        if channel != ChannelArg::Feishu && self.app.is_some() {
            return Err(wrong("--app is for Feishu"));
        }
        let channel = match channel {
            ChannelArg::Telegram => Channel::Telegram { user: number(user)? },
            ChannelArg::Discord => Channel::Discord { user: number(user)? },
            ChannelArg::Feishu => {
                let app = self.app.as_deref().ok_or_else(|| wrong("--app is needed: the Feishu app (cli_…)"))?;
                Channel::Feishu { app: named(app, "cli_", "--app")?, user: named(user, "ou_", "--user")? }
            }
        };
        Ok(Some(channel))
    }

    /// The config that this host's OpenClaw gets; none if that was not asked for, or, said `again`, is there.
    ///
    /// # Errors
    /// One is there, the secret is open to others, or what was said cannot be.
    pub(super) fn write_for(
        &self,
        context: &Context,
        side: SideArg,
        settings: &Settings,
        again: bool,
    ) -> Result<Option<Written>, CliError> {
        let (Some(channel), Some(file)) = (self.channel()?, &self.secret_file) else { return Ok(None) };
        if side == SideArg::Primary {
            return Err(wrong("the primary has its own OpenClaw config; --channel is for the standby"));
        }
        let file = std::path::absolute(file)?;
        is_kept_secret(&file)?;
        let none = || CliError::new(Kind::NotFound, "there is no OpenClaw home here");
        let homes = setup::homes_here(context.global.gateway.as_ref(), settings)?;
        let home = homes.into_iter().next().ok_or_else(none)?;
        if home.config_path.exists() {
            if again && has(&home.config_path, channel.name()) {
                return Ok(None);
            }
            return Err(wrong(format!("{} is there already, and stays", home.config_path.display()))
                .hint("say this again without --channel, and add the channel there"));
        }
        let token =
            random_token().map_err(|_| CliError::new(Kind::Retry, "the system gives no random numbers just now"))?;
        Ok(Some(Written { home, text: minimal::config(&channel, &file, &token) }))
    }
}

fn wrong(text: impl Into<String>) -> CliError {
    CliError::new(Kind::Usage, text.into())
}

fn number(user: &str) -> Result<u64, CliError> {
    user.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| wrong("--user is the user's number, such as 123456789"))
}

/// It says something of this channel. One that a person has written in other ways than ours is theirs to know.
fn has(config: &Path, channel: &str) -> bool {
    let read = std::fs::read(config).ok().and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    read.is_none_or(|config| config["channels"][channel].is_object())
}

/// An identifier of Feishu's.
fn named(text: &str, begins: &str, option: &str) -> Result<String, CliError> {
    let rest = text.strip_prefix(begins).unwrap_or_default();
    if rest.is_empty() || rest.len() > 128 || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(wrong(format!("{option} begins with {begins} for Feishu, and has letters and digits after it")));
    }
    Ok(text.to_owned())
}

fn is_kept_secret(file: &Path) -> Result<(), CliError> {
    let name = file.display();
    match is_private(file) {
        Ok(true) => Ok(()),
        Ok(false) => Err(CliError::new(Kind::NeedsPerson, format!("others can read or change {name}"))
            .hint(format!("chmod 600 {}", shell(&name.to_string())))),
        Err(error) => Err(wrong(format!("{name} cannot be read: {error}"))),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn telegram() -> ChannelArgs {
        said(ChannelArg::Telegram, "42", None)
    }

    pub fn feishu() -> ChannelArgs {
        said(ChannelArg::Feishu, "ou_c3d4", Some("cli_a1b2"))
    }

    fn said(channel: ChannelArg, user: &str, app: Option<&str>) -> ChannelArgs {
        ChannelArgs {
            channel: Some(channel),
            secret_file: Some("/home/user/bot.secret".into()),
            user: Some(user.to_owned()),
            app: app.map(str::to_owned),
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_is_meant() {
        let all = [
            said(ChannelArg::Telegram, "@someone", None),
            said(ChannelArg::Discord, "0", None),
            said(ChannelArg::Discord, "42", Some("cli_a1b2")),
            said(ChannelArg::Feishu, "ou_c3d4", None),
            said(ChannelArg::Feishu, "42", Some("cli_a1b2")),
            said(ChannelArg::Feishu, "ou_c3\"d4", Some("cli_a1b2")),
            said(ChannelArg::Feishu, "ou_c3d4", Some("a1b2")),
            telegram(),
            feishu(),
        ];
        let lines = all.map(|args| match args.channel() {
            Ok(channel) => format!("{channel:?}"),
            Err(error) => error.message,
        });
        insta::assert_snapshot!(lines.join("\n"));
    }
}
