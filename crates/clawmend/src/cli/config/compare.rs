//! `clawmend config diff`.

use super::super::error::{CliError, Kind};
use super::super::output::{self, Style, Tone, clean};
use super::Desk;
use crate::api::types::SCHEMA;
use crate::generations::{Loaded, short, value_of};
use crate::openclaw::config;
use clawmend_core::generation::{Change, Difference, Tree, differences};
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Options of `config diff`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// A generation, a file, `proven` or `present`
    #[arg(value_name = "A", default_value = "proven")]
    old: String,
    /// The same
    #[arg(value_name = "B", default_value = "present")]
    new: String,
}

#[derive(Serialize)]
struct Report {
    schema: u32,
    old: String,
    new: String,
    changes: Vec<Entry>,
    more: usize,
}

/// One key that differs, for scripts.
#[derive(Serialize)]
pub(super) struct Entry {
    path: String,
    change: &'static str,
    old: Option<String>,
    new: Option<String>,
}

pub(super) fn diff(desk: &Desk<'_>, args: &Args) -> Result<ExitCode, CliError> {
    let (old, new) = (desk.named(&args.old)?, desk.named(&args.new)?);
    let (found, more) = differences(&tree_of(&old)?, &tree_of(&new)?);
    if desk.context.global.json {
        let changes = entries(&found);
        output::print_json(&Report { schema: SCHEMA, old: old.id, new: new.id, changes, more })?;
    } else {
        output::print(&page(&found, more, Style::of_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn tree_of(loaded: &Loaded) -> Result<Tree, CliError> {
    let value = value_of(&loaded.snapshot)
        .map_err(|why| CliError::new(Kind::NeedsPerson, format!("{} cannot be compared: {why}", short(&loaded.id))))?;
    Ok(config::tree(&value))
}

pub(super) fn entries(found: &[Difference]) -> Vec<Entry> {
    found
        .iter()
        .map(|one| Entry {
            path: one.path.to_string(),
            change: match one.change {
                Change::Added => "added",
                Change::Removed => "removed",
                Change::Changed => "changed",
            },
            old: one.old.clone(),
            new: one.new.clone(),
        })
        .collect()
}

/// `- key: old`, `+ key: new`, `~ key: old → new`.
pub(super) fn page(found: &[Difference], more: usize, style: Style) -> String {
    if found.is_empty() {
        return "no key differs\n".to_owned();
    }
    let mut text = String::new();
    for one in found {
        let path = clean(&one.path.to_string(), 200);
        let show = |value: &Option<String>| clean(value.as_deref().unwrap_or_default(), 200);
        let line = match one.change {
            Change::Added => style.paint(Tone::Good, &format!("+ {path}: {}", show(&one.new))),
            Change::Removed => style.paint(Tone::Bad, &format!("- {path}: {}", show(&one.old))),
            Change::Changed => {
                style.paint(Tone::Warning, &format!("~ {path}: {} → {}", show(&one.old), show(&one.new)))
            }
        };
        let _ = writeln!(text, "{line}");
    }
    if more > 0 {
        let _ = writeln!(text, "… and {more} more");
    }
    text
}
