//! `clawmend pair`: the passphrase that approvals ask for, and the person whom the guard's own bot or app obeys.
//!
//! Invariant: refused from inside of a gateway; one that is set is only changed by who knows it.

mod app;
mod bot;
mod code;

use super::context::Context;
use super::error::{CliError, Kind};
use super::output;
use super::secret::ask_hidden;
use crate::approval::{Kept, PassphraseError};
use crate::host::files::private_dir;
use secrecy::ExposeSecret as _;
use std::process::ExitCode;

/// Options of `pair`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Show a code that you send to the guard's own bot, so that it obeys you
    Bot {
        /// Obey nobody any more
        #[arg(long)]
        forget: bool,
    },
    /// Show a code that you send to the guard's own app on Feishu, so that it obeys you
    Feishu {
        /// Obey nobody any more
        #[arg(long)]
        forget: bool,
    },
    /// Show a code that you send to the guard's own app on DingTalk, so that it obeys you
    Dingtalk {
        /// Obey nobody any more
        #[arg(long)]
        forget: bool,
    },
}

pub(super) fn pair(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    match &args.what {
        Some(What::Bot { forget }) => bot::pair(context, *forget),
        Some(What::Feishu { forget }) => app::pair(context, *forget, |found| found.feishu.take()),
        Some(What::Dingtalk { forget }) => app::pair(context, *forget, |found| found.dingtalk.take()),
        None => passphrase(context),
    }
}

fn passphrase(context: &Context) -> Result<ExitCode, CliError> {
    context.refuse_from_inside()?;
    let state = context.state_dir()?;
    private_dir(&state).map_err(|error| CliError::new(Kind::NeedsPerson, error.to_string()))?;
    let before = Kept::load(&state).map_err(|error| of(&error))?;
    if let Some(before) = &before
        && !before.is(&ask_hidden("present passphrase")?)
    {
        return Err(CliError::new(Kind::Refused, "the passphrase is wrong"));
    }
    let passphrase = ask_hidden("new passphrase")?;
    let again = ask_hidden("the same again")?;
    if passphrase.expose_secret() != again.expose_secret() {
        return Err(CliError::new(Kind::Usage, "the two are not the same; nothing was changed"));
    }
    Kept::set(&state, &passphrase, before.as_ref()).map_err(|error| of(&error))?;
    output::tell("the passphrase is set; `clawmend approve` asks for it");
    Ok(ExitCode::SUCCESS)
}

fn of(error: &PassphraseError) -> CliError {
    let kind = match error {
        PassphraseError::Length => Kind::Usage,
        PassphraseError::Open { .. } | PassphraseError::File { .. } => Kind::NeedsPerson,
        PassphraseError::NoRandom => Kind::Retry,
    };
    CliError::new(kind, error.to_string())
}
