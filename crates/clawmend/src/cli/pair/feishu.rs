//! `clawmend pair feishu`: whom the guard's own app on Feishu obeys.
//!
//! Invariants: only who knows the passphrase gets a code. Whom it binds is decided by the guard, when the code comes in.

use super::super::context::Context;
use super::super::error::{CliError, Kind};
use super::super::notify::Here;
use super::super::output;
use super::super::secret::ask_hidden;
use super::code;
use crate::approval::Kept;
use crate::bot::{Pairing, Sealing};
use crate::cards::{Bound, FOLDER, NOTE};
use crate::host::files::private_dir;
use crate::notify::places::{Found, OwnFeishu};
use std::process::ExitCode;

pub(super) fn pair(context: &Context, forget: bool) -> Result<ExitCode, CliError> {
    context.refuse_from_inside()?;
    let here = Here::of(context)?;
    let state = &here.premises.state;
    let folder = state.join(FOLDER);
    for dir in [state, &folder] {
        private_dir(dir).map_err(|error| CliError::new(Kind::NeedsPerson, error.to_string()))?;
    }
    let Some(kept) = Kept::load(state).map_err(|error| super::of(&error))? else {
        return Err(CliError::new(Kind::NeedsPerson, "no passphrase is set yet").hint("`clawmend pair` sets one"));
    };
    let app = if forget { None } else { Some(usable(here.premises.look(&here.settings.notify))?) };
    if !kept.is(&ask_hidden("passphrase")?) {
        return Err(CliError::new(Kind::Refused, "the passphrase is wrong"));
    }
    Pairing::forget(&folder).map_err(|error| code::of(&error))?;
    let Some(app) = app else {
        Bound::forget(&folder).map_err(|error| code::of(&error))?;
        output::tell("the guard's Feishu app obeys nobody any more");
        return Ok(ExitCode::SUCCESS);
    };
    let to = "the app's bot on Feishu, as a message to it alone,";
    code::show(context, &code::For { folder: &folder, sealing: &Sealing::new(kept.key()), id: &app.access.app_id, to })
}

fn usable(found: Found) -> Result<OwnFeishu, CliError> {
    if let Some(why) = found.feishu.as_ref().and_then(|app| app.refused.as_ref()) {
        return Err(CliError::new(Kind::NeedsPerson, format!("{NOTE} cannot be used: {why}")));
    }
    found.feishu.ok_or_else(|| {
        let error = CliError::new(Kind::NeedsPerson, "the guard has no Feishu app of its own that can be used");
        let error = error.hint("it belongs under [feishu] of notify.toml; docs/cards.md shows the steps");
        found.problems.into_iter().fold(error, CliError::hint)
    })
}
