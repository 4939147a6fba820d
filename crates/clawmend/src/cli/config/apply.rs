//! `clawmend config apply` and `confirm`.
//!
//! Invariant: a config on trial is noted, durable, before it is written; the guard brings the one before back when
//! nobody confirms, also when this command and its terminal are long gone.

use super::super::error::{CliError, Kind};
use super::super::output;
use super::Desk;
use crate::api::types::{SCHEMA, Time};
use crate::api::{Answer, Request};
use crate::generations::{self, Pending, Snapshot, short, value_of};
use crate::openclaw::config::check::{self, Severity};
use clawmend_core::time::Wall;
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of `config apply`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The new config
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Bring the present config back unless you confirm within this time, such as 5m
    #[arg(long, value_name = "TIME", value_parser = super::super::args::duration_value)]
    confirm_within: Option<u64>,
    /// Also when the check says that the gateway would not start with it
    #[arg(long)]
    force: bool,
}

pub(super) fn apply(desk: &Desk<'_>, args: &Args) -> Result<ExitCode, CliError> {
    let new = desk.file(&args.file)?;
    let env = desk.env();
    let schema = desk.schema(false);
    let around = desk.around(&env, schema.as_ref());
    let read = value_of(&new);
    let fault = match &read {
        Err(why) => Some(why.clone()),
        Ok(value) => check::look_at(value, &desk.home, &around)
            .into_iter()
            .find(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.message),
    };
    if let (Some(fault), false) = (&fault, args.force) {
        return Err(CliError::new(Kind::NeedsPerson, format!("the gateway would not start with it: {fault}"))
            .hint("`clawmend config check FILE` shows where; --force applies it all the same"));
    }
    if args.confirm_within.is_some() && !matches!(desk.context.ask(Request::Check)?, Some(Answer::Check(_))) {
        return Err(CliError::new(Kind::NoGuard, "no guard runs that would bring the present config back")
            .hint("start one with `clawmend up`, or leave --confirm-within out"));
    }
    let room = desk.room()?;
    let before = Snapshot::take(&desk.home, desk.env());
    let previous = match &before {
        Some(before) => Some(room.keep(before, desk.now(), |_| {})?.id().to_owned()),
        None => None,
    };
    let applied = room
        .keep(&new, desk.now(), |record| {
            record.readable = read.is_ok();
            record.by = Some("clawmend".to_owned());
        })?
        .id()
        .to_owned();
    let until = match (args.confirm_within, previous) {
        (None, _) => None,
        (Some(ms), Some(previous)) => {
            let until = Wall(desk.now().0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)));
            Pending { schema: 1, applied: applied.clone(), previous, until }.write(
                &desk.state,
                &desk.home.id,
                &room,
            )?;
            Some(until)
        }
        (Some(_), None) => {
            return Err(CliError::new(Kind::NotFound, "there is no present config that could be brought back"));
        }
    };
    let bytes = new.files.first().map(|file| file.bytes.clone()).unwrap_or_default();
    let files = [(desk.home.config_path.clone(), bytes)];
    if let Err(error) = generations::apply(&room, before.as_ref(), &files, None, desk.now()) {
        Pending::clear(&desk.state, &desk.home.id)?;
        return Err(error.into());
    }
    if desk.context.global.json {
        output::print_json(
            &serde_json::json!({"schema": SCHEMA, "applied": applied, "confirm_until": until.map(Time::from)}),
        )?;
    } else {
        output::print(&format!("{} is in place\n", short(&applied)))?;
        if until.is_some() {
            output::tell("`clawmend config confirm` keeps it; else the config before it comes back");
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn confirm(desk: &Desk<'_>) -> Result<ExitCode, CliError> {
    let Some(pending) = Pending::read(&desk.state, &desk.home.id) else {
        return Err(CliError::new(Kind::NotFound, "no config is on trial"));
    };
    Pending::clear(&desk.state, &desk.home.id)?;
    if desk.context.global.json {
        output::print_json(&serde_json::json!({"schema": SCHEMA, "confirmed": pending.applied}))?;
    } else {
        output::print(&format!("{} stays\n", short(&pending.applied)))?;
    }
    Ok(ExitCode::SUCCESS)
}
