//! `clawmend pair feishu` and `pair dingtalk`: whom the guard's own app obeys.
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
use crate::cards::{App, Bound};
use crate::host::files::private_dir;
use crate::notify::places::{Found, OwnApp};
use std::process::ExitCode;

/// `take` takes the app out of what was found.
pub(super) fn pair<A: App>(
    context: &Context,
    forget: bool,
    take: fn(&mut Found) -> Option<OwnApp<A>>,
) -> Result<ExitCode, CliError> {
    context.refuse_from_inside()?;
    let here = Here::of(context)?;
    let state = &here.premises.state;
    let folder = state.join(A::FOLDER);
    for dir in [state, &folder] {
        private_dir(dir).map_err(|error| CliError::new(Kind::NeedsPerson, error.to_string()))?;
    }
    let Some(kept) = Kept::load(state).map_err(|error| super::of(&error))? else {
        return Err(CliError::new(Kind::NeedsPerson, "no passphrase is set yet").hint("`clawmend pair` sets one"));
    };
    let app = if forget { None } else { Some(usable(here.premises.look(&here.settings.notify), take)?) };
    if !kept.is(&ask_hidden("passphrase")?) {
        return Err(CliError::new(Kind::Refused, "the passphrase is wrong"));
    }
    Pairing::forget(&folder).map_err(|error| code::of(&error))?;
    let Some(app) = app else {
        Bound::forget(&folder).map_err(|error| code::of(&error))?;
        output::tell(&format!("{} obeys nobody any more", A::NOTE));
        return Ok(ExitCode::SUCCESS);
    };
    let to = format!("the app's bot on {}, as a message to it alone,", A::SERVICE);
    let sealing = Sealing::new(kept.key());
    code::show(context, &code::For { folder: &folder, sealing: &sealing, id: app.access.id(), to: &to })
}

fn usable<A: App>(mut found: Found, take: fn(&mut Found) -> Option<OwnApp<A>>) -> Result<OwnApp<A>, CliError> {
    let app = take(&mut found);
    if let Some(why) = app.as_ref().and_then(|app| app.refused.as_ref()) {
        return Err(CliError::new(Kind::NeedsPerson, format!("{} cannot be used: {why}", A::NOTE)));
    }
    app.ok_or_else(|| {
        let what = format!("the guard has no {} app of its own that can be used", A::SERVICE);
        let hint = format!("it belongs under [{}] of notify.toml; docs/cards.md shows the steps", A::FOLDER);
        let error = CliError::new(Kind::NeedsPerson, what).hint(hint);
        found.problems.into_iter().fold(error, CliError::hint)
    })
}
