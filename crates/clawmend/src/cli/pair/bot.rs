//! `clawmend pair bot`: whom the guard's own bot obeys.
//!
//! Invariants: only who knows the passphrase gets a code; the code is shown once and kept nowhere. Whom it binds is decided by
//! the guard, when the code comes in.

use super::super::context::Context;
use super::super::error::{CliError, Kind};
use super::super::notify::Here;
use super::super::output;
use super::super::secret::ask_hidden;
use super::code;
use crate::approval::Kept;
use crate::bot::{Binding, Pairing, Sealing};
use crate::host::files::private_dir;
use crate::notify::places::{Found, OwnBot};
use std::process::ExitCode;

pub(super) fn pair(context: &Context, forget: bool) -> Result<ExitCode, CliError> {
    context.refuse_from_inside()?;
    let here = Here::of(context)?;
    let state = &here.premises.state;
    private_dir(state).map_err(|error| CliError::new(Kind::NeedsPerson, error.to_string()))?;
    let Some(kept) = Kept::load(state).map_err(|error| super::of(&error))? else {
        return Err(CliError::new(Kind::NeedsPerson, "no passphrase is set yet").hint("`clawmend pair` sets one"));
    };
    let bot = if forget { None } else { Some(usable(here.premises.look(&here.settings.notify))?) };
    if !kept.is(&ask_hidden("passphrase")?) {
        return Err(CliError::new(Kind::Refused, "the passphrase is wrong"));
    }
    Pairing::forget(state).map_err(|error| code::of(&error))?;
    let Some(bot) = bot else {
        Binding::forget(state).map_err(|error| code::of(&error))?;
        output::tell("the guard's bot obeys nobody any more");
        return Ok(ExitCode::SUCCESS);
    };
    let to = "your bot on Telegram";
    code::show(context, &code::For { folder: state, sealing: &Sealing::new(kept.key()), id: bot.access.id(), to })
}

fn usable(found: Found) -> Result<OwnBot, CliError> {
    if let Some(why) = found.bot.as_ref().and_then(|bot| bot.refused.as_ref()) {
        return Err(CliError::new(Kind::NeedsPerson, format!("{} cannot be used: {why}", crate::bot::NOTE)));
    }
    found.bot.ok_or_else(|| {
        let error = CliError::new(Kind::NeedsPerson, "the guard has no bot of its own that can be used");
        let error = error.hint("its token belongs under [bot] of notify.toml; @BotFather gives one with /newbot");
        found.problems.into_iter().fold(error, CliError::hint)
    })
}
