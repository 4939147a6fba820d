//! `clawmend cases import`: cases of others, and what the earlier iflow doctor has left.

use super::cases::take;
use super::context::Context;
use super::doctor::load;
use super::error::{CliError, Kind};
use super::output::{self, clean};
use crate::api::types::SCHEMA;
use crate::doctor::earlier::{self, config, records};
use crate::doctor::experience::{self, ExperienceError};
use crate::doctor::library::read_text;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Largest file.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Serialize)]
struct RecordsReport {
    schema: u32,
    added: [String; 0],
    left_out: Vec<String>,
    /// Outcomes of repairs that are new here.
    repairs: usize,
}

#[derive(Serialize)]
struct ConfigReport {
    schema: u32,
    added: [String; 0],
    left_out: Vec<String>,
    understood: Vec<String>,
    /// A piece of `clawmend.toml`; nothing was applied.
    settings: String,
}

/// Takes a file over, whatever it is.
pub(super) fn import(context: &Context, file: &Path) -> Result<ExitCode, CliError> {
    // What cannot be read as text is told by whoever reads cases.
    let text = read_text(file, MAX_BYTES).unwrap_or_default();
    match earlier::kind(&text) {
        earlier::Kind::Cases => take(context, file, false),
        earlier::Kind::Records => of_records(context, file, &text),
        earlier::Kind::Config => of_config(context, file, &text),
    }
}

fn bad(file: &Path, why: &str) -> CliError {
    CliError::new(Kind::NeedsPerson, format!("{}: {why}", file.display()))
}

/// The outcomes become the starting success rates.
fn of_records(context: &Context, file: &Path, text: &str) -> Result<ExitCode, CliError> {
    let (taken, left_out) = records::read(text, &load(context)).map_err(|why| bad(file, &why))?;
    let repairs = experience::import(&context.state_dir()?, taken)?;
    if context.global.json {
        output::print_json(&RecordsReport { schema: SCHEMA, added: [], left_out, repairs })?;
        return Ok(ExitCode::SUCCESS);
    }
    output::print(&format!("taken over: {repairs} outcomes of repairs; `clawmend cases list` shows them\n"))?;
    tell_left(&left_out);
    if left_out.iter().any(|why| why.contains("no case is known")) {
        output::tell("its cases.json, imported first, may name the cases that are missing");
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings are printed for a person, and never applied.
fn of_config(context: &Context, file: &Path, text: &str) -> Result<ExitCode, CliError> {
    let taken = config::read(text).map_err(|why| bad(file, &why))?;
    if context.global.json {
        let (left_out, understood, settings) = (taken.left, taken.understood, taken.toml);
        output::print_json(&ConfigReport { schema: SCHEMA, added: [], left_out, understood, settings })?;
        return Ok(ExitCode::SUCCESS);
    }
    output::print(&taken.toml)?;
    output::tell("nothing was changed: put this into clawmend.toml if you want it so");
    for line in &taken.understood {
        output::tell(&format!("understood: {}", clean(line, 300)));
    }
    tell_left(&taken.left);
    Ok(ExitCode::SUCCESS)
}

fn tell_left(left_out: &[String]) {
    for why in left_out {
        output::tell(&format!("left out: {}", clean(why, 300)));
    }
}

impl From<ExperienceError> for CliError {
    fn from(error: ExperienceError) -> Self {
        let message = error.to_string();
        match error {
            ExperienceError::Dir(_) => Self::new(Kind::NeedsPerson, message),
            ExperienceError::Locked(_) | ExperienceError::Io(_) => Self::new(Kind::Retry, message).hint("try again"),
            ExperienceError::NoCase(_) => Self::new(Kind::Internal, message),
        }
    }
}
