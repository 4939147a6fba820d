//! `clawmend config history` and `forget`.

use super::super::error::CliError;
use super::super::output::{self, Style, Tone, clean};
use super::super::words;
use super::Desk;
use crate::api::types::{SCHEMA, Time};
use crate::generations::{Generation, Pending, Room, Snapshot, short};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Options of `config forget`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ForgetArgs {
    /// The beginning of its name in the history
    #[arg(value_name = "GENERATION")]
    generation: String,
}

#[derive(Serialize)]
struct Report {
    schema: u32,
    gateway: String,
    generations: Vec<Entry>,
    on_trial: Option<Trial>,
    /// Copies beside the config that nobody has proven.
    unproven_files: Vec<String>,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    present: bool,
    readable: bool,
    damaged: bool,
    first_seen: Time,
    last_seen: Time,
    by: Option<String>,
    openclaw: Option<String>,
    proven_at: Option<Time>,
    refused: Option<String>,
}

#[derive(Serialize)]
struct Trial {
    applied: String,
    previous: String,
    until: Time,
}

pub(super) fn history(desk: &Desk<'_>) -> Result<ExitCode, CliError> {
    let all = match Room::existing(&desk.state, &desk.home.id) {
        Some(room) => room.list()?,
        None => Vec::new(),
    };
    let present = Snapshot::take(&desk.home, desk.env()).and_then(|snapshot| snapshot.id().ok());
    let pending = Pending::read(&desk.state, &desk.home.id);
    let copies = copies(desk);
    if desk.context.global.json {
        output::print_json(&Report {
            schema: SCHEMA,
            gateway: desk.home.id.0.clone(),
            generations: all.iter().map(|one| entry(one, present.as_deref())).collect(),
            on_trial: pending.map(|one| Trial {
                applied: one.applied,
                previous: one.previous,
                until: one.until.into(),
            }),
            unproven_files: copies,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    output::print(&table(&all, present.as_deref(), &TimeZone::system(), Style::of_stdout()))?;
    if let Some(pending) = pending {
        let until = words::time(pending.until.into(), &TimeZone::system());
        output::tell(&format!(
            "{} is on trial until {until}: `clawmend config confirm` keeps it",
            short(&pending.applied)
        ));
    }
    if !copies.is_empty() {
        output::tell(&format!("unproven copies beside the config: {}", copies.join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}

/// OpenClaw's and people's own copies; `config restore FILE` takes one.
fn copies(desk: &Desk<'_>) -> Vec<String> {
    let Some(folder) = desk.home.config_path.parent() else { return Vec::new() };
    let Some(name) = desk.home.config_path.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
    let begin = format!("{name}.");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|file| file.starts_with(&begin) && !file.ends_with(".tmp"))
        .take(50)
        .map(|file| clean(&folder.join(file).display().to_string(), 300))
        .collect();
    found.sort();
    found
}

fn entry(one: &Generation, present: Option<&str>) -> Entry {
    let record = &one.record;
    Entry {
        id: one.id.clone(),
        present: present == Some(one.id.as_str()),
        readable: record.readable,
        damaged: one.damaged,
        first_seen: record.first_seen.into(),
        last_seen: record.last_seen.into(),
        by: record.by.clone(),
        openclaw: record.openclaw.clone(),
        proven_at: record.proven.as_ref().map(|proof| proof.at.into()),
        refused: record.refused.as_ref().map(|text| clean(text, 300)),
    }
}

fn table(all: &[Generation], present: Option<&str>, zone: &TimeZone, style: Style) -> String {
    if all.is_empty() {
        return "no generation was kept yet\n".to_owned();
    }
    let mut text = String::new();
    for one in all {
        let record = &one.record;
        let state = match (one.damaged, &record.proven, record.readable) {
            (true, _, _) => style.paint(Tone::Bad, "damaged"),
            (_, Some(proof), _) => style.paint(Tone::Good, &format!("proven {}", words::time(proof.at.into(), zone))),
            (_, None, true) => "unproven".to_owned(),
            (_, None, false) => style.paint(Tone::Warning, "broken"),
        };
        let mark = if present == Some(one.id.as_str()) { "* " } else { "  " };
        let _ = write!(text, "{mark}{}  {}  {state}", short(&one.id), words::time(record.last_seen.into(), zone));
        if let Some(by) = &record.by {
            let _ = write!(text, "  by {}", clean(by, 40));
        }
        if let Some(why) = &record.refused {
            let _ = write!(text, "  refused: {}", clean(why, 120));
        }
        text.push('\n');
    }
    text
}

pub(super) fn forget(desk: &Desk<'_>, args: &ForgetArgs) -> Result<ExitCode, CliError> {
    let room = desk.kept()?;
    let id = room.find(&args.generation)?;
    room.forget(&id)?;
    if desk.context.global.json {
        output::print_json(&serde_json::json!({"schema": SCHEMA, "forgotten": id}))?;
    } else {
        output::print(&format!("{} is gone for good\n", short(&id)))?;
    }
    Ok(ExitCode::SUCCESS)
}
