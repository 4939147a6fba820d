//! `clawmend config restore` and `bisect`.

use super::super::error::{CliError, Kind};
use super::super::output::{self, Style};
use super::{Desk, compare};
use crate::api::types::SCHEMA;
use crate::generations::{Applied, ApplyError, Bench, ComposeError, How, Plan, RestoreError, Who, WriteError, short};
use crate::openclaw::config;
use clawmend_core::generation::{Difference, Guarded, Tree, differences};
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Options of `config restore`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// A generation, a file, or `proven`
    #[arg(value_name = "GENERATION", default_value = "proven")]
    generation: String,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    /// Also bring back roles, security settings and credentials as they were
    #[arg(long)]
    all_keys: bool,
}

/// Options of `config bisect`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct BisectArgs {
    /// A config that worked: a generation, a file, or `proven`
    #[arg(value_name = "GENERATION", default_value = "proven")]
    generation: String,
    /// Take the keys back
    #[arg(long)]
    restore: bool,
}

#[derive(Serialize)]
struct Report {
    schema: u32,
    from: String,
    /// `whole` or `keys`.
    how: &'static str,
    /// The keys that were taken back, when it was not the whole config.
    keys: Vec<String>,
    changes: Vec<compare::Entry>,
    /// Keys that stay as they are now, and why.
    held: Vec<HeldEntry>,
    written: Vec<String>,
    /// The config as it was.
    kept_beside: Option<String>,
}

#[derive(Serialize)]
struct HeldEntry {
    path: String,
    why: &'static str,
}

pub(super) fn restore(desk: &Desk<'_>, args: &Args) -> Result<ExitCode, CliError> {
    let who = if args.all_keys { Who::PersonAll } else { Who::Person };
    run(desk, &args.generation, who, !args.dry_run, false)
}

pub(super) fn bisect(desk: &Desk<'_>, args: &BisectArgs) -> Result<ExitCode, CliError> {
    run(desk, &args.generation, Who::Guard, args.restore, true)
}

/// Brings back the newest proven one, and says only what was written.
pub(super) fn proven(desk: &Desk<'_>) -> Result<(), CliError> {
    let from = desk.named("proven")?;
    let room = desk.room()?;
    let schema = desk.schema(false);
    let env = desk.env();
    let around = desk.around(&env, schema.as_ref());
    let bench = Bench { home: &desk.home, room: &room, around: &around };
    let plan = bench.plan(Some(from), Who::Person)?;
    tell_written(&plan, &bench.carry_out(&plan, Some("replaced"), desk.now())?);
    Ok(())
}

fn run(desk: &Desk<'_>, name: &str, who: Who, write: bool, keys_only: bool) -> Result<ExitCode, CliError> {
    let from = desk.named(name)?;
    let room = desk.room()?;
    let schema = desk.schema(false);
    let env = desk.env();
    let around = desk.around(&env, schema.as_ref());
    let bench = Bench { home: &desk.home, room: &room, around: &around };
    let plan = bench.plan(Some(from), who)?;
    if keys_only && plan.composed.how == How::Whole {
        let message = "no set of keys explains it: the config cannot be read, or consists of several files";
        return Err(
            CliError::new(Kind::NotFound, message).hint("`clawmend config restore` brings back the whole config")
        );
    }
    let applied = if write { Some(bench.carry_out(&plan, Some("replaced"), desk.now())?) } else { None };
    tell(desk, &plan, applied.as_ref())?;
    Ok(ExitCode::SUCCESS)
}

fn tell(desk: &Desk<'_>, plan: &Plan, applied: Option<&Applied>) -> Result<(), CliError> {
    let present = plan.present.as_ref().map_or_else(Tree::empty, config::tree);
    let (found, more) = differences(&present, &plan.composed.tree);
    if desk.context.global.json {
        return output::print_json(&report(plan, &found, applied));
    }
    let style = Style::of_stdout();
    let mut text = String::new();
    if let Some(fault) = &plan.fault {
        let _ = writeln!(text, "it is broken: {}", output::clean(fault, 300));
    }
    match &plan.composed.how {
        How::Keys(keys) => {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "these keys break it: {}", output::clean(&keys.join(", "), 400));
        }
        How::Whole if plan.present.is_none() => {
            text.push_str("the present config cannot be read; the whole of it comes back\n")
        }
        How::Whole => {}
    }
    text.push_str(&compare::page(&found, more, style));
    for held in &plan.composed.held {
        let _ =
            writeln!(text, "  {} stays as it is now ({})", output::clean(&held.path.to_string(), 200), why(held.why));
    }
    output::print(&text)?;
    match applied {
        None => output::tell("nothing was written"),
        Some(done) => tell_written(plan, done),
    }
    Ok(())
}

fn tell_written(plan: &Plan, done: &Applied) {
    let names: Vec<String> = done.written.iter().map(|path| path.display().to_string()).collect();
    output::tell(&format!("written: {} (from {})", names.join(", "), short(&plan.from)));
    if let Some(aside) = &done.aside {
        output::tell(&format!("the config as it was: {}", aside.display()));
    }
}

fn report(plan: &Plan, found: &[Difference], applied: Option<&Applied>) -> Report {
    let (how, keys) = match &plan.composed.how {
        How::Whole => ("whole", Vec::new()),
        How::Keys(keys) => ("keys", keys.iter().map(ToString::to_string).collect()),
    };
    Report {
        schema: SCHEMA,
        from: plan.from.clone(),
        how,
        keys,
        changes: compare::entries(found),
        held: plan
            .composed
            .held
            .iter()
            .map(|held| HeldEntry { path: held.path.to_string(), why: why(held.why) })
            .collect(),
        written: applied
            .map(|done| done.written.iter().map(|path| path.display().to_string()).collect())
            .unwrap_or_default(),
        kept_beside: applied.and_then(|done| done.aside.as_ref()).map(|path| path.display().to_string()),
    }
}

const fn why(guarded: Guarded) -> &'static str {
    match guarded {
        Guarded::Role => "role",
        Guarded::Security => "security",
        Guarded::Credential => "credential",
        Guarded::Meta => "openclaw",
    }
}

impl From<RestoreError> for CliError {
    fn from(error: RestoreError) -> Self {
        let message = error.to_string();
        match error {
            RestoreError::NeedsPerson(_)
            | RestoreError::Compose(ComposeError::SeveralFiles | ComposeError::StillBroken(_)) => {
                Self::new(Kind::NeedsPerson, message)
            }
            RestoreError::NotBroken | RestoreError::Compose(ComposeError::Nothing) => {
                Self::new(Kind::NotFound, message)
            }
            RestoreError::NothingProven => {
                Self::new(Kind::NotFound, message).hint("`clawmend config history` lists what was kept")
            }
            RestoreError::Compose(ComposeError::Unreadable(_)) => Self::new(Kind::NotFound, message),
            RestoreError::Room(error) => error.into(),
            RestoreError::Apply(error) => error.into(),
        }
    }
}

impl From<ApplyError> for CliError {
    fn from(error: ApplyError) -> Self {
        let message = error.to_string();
        match error {
            ApplyError::Room(_) | ApplyError::Write(WriteError::Changed { .. } | WriteError::Io { .. }) => {
                Self::new(Kind::Retry, message)
            }
            ApplyError::Write(WriteError::NotAFile { .. } | WriteError::ForeignLink { .. }) => {
                Self::new(Kind::NeedsPerson, message)
            }
            ApplyError::Write(WriteError::NotPermitted { .. }) => Self::new(Kind::Refused, message),
        }
    }
}
