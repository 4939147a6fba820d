//! Shows a code that binds whoever sends it.
//!
//! Invariant: it is shown once and kept nowhere; an earlier one counts no more.

use super::super::context::Context;
use super::super::error::{CliError, Kind};
use super::super::output;
use crate::bot::binding::VALID_MS;
use crate::bot::{Pairing, SealError, Sealing};
use crate::host::clock;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// What it binds to.
pub struct For<'a> {
    /// Where the pairing is kept.
    pub folder: &'a Path,
    /// The keys.
    pub sealing: &'a Sealing,
    /// The bot or app.
    pub id: &'a str,
    /// Where it is sent, for people.
    pub to: &'a str,
}

pub fn show(context: &Context, to: &For<'_>) -> Result<ExitCode, CliError> {
    let Some((pairing, code)) = Pairing::fresh(to.sealing, to.id, clock::now().wall) else {
        return Err(CliError::new(Kind::Retry, "the system gives no random bytes"));
    };
    pairing.save(to.folder, to.sealing).map_err(|error| of(&error))?;
    if context.global.json {
        output::print_json(&json!({"schema": crate::api::types::SCHEMA, "code": code, "valid_ms": VALID_MS}))?;
    } else {
        output::print(&format!("{code}\n"))?;
        let minutes = VALID_MS / 60_000;
        output::tell(&format!(
            "send this code to {} within {minutes} minutes, while the guard runs; it answers you when it was right, and \
             nobody when it was not",
            to.to
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub fn of(error: &SealError) -> CliError {
    CliError::new(Kind::NeedsPerson, error.to_string())
}
