//! `clawmend notify list`.

use super::super::context::Context;
use super::super::error::CliError;
use super::super::output::{self, Style, Tone, clean};
use super::super::words;
use super::Here;
use crate::api::types::{SCHEMA, Time};
use crate::cards::{self, App};
use crate::host::clock;
use crate::notify::places::OwnApp;
use crate::store::{Logged, Reader};
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    schema: u32,
    enabled: bool,
    places: Vec<Row>,
    unusable: Vec<Unusable>,
    problems: Vec<String>,
    heartbeat: Option<String>,
    bot: Option<Bot>,
    feishu: Option<Bot>,
    dingtalk: Option<Bot>,
}

/// The guard's own bot on Telegram, or its app on Feishu or DingTalk.
#[derive(Serialize)]
struct Bot {
    /// Its number, or its app id.
    id: String,
    /// Somebody is obeyed.
    paired: bool,
    /// Why it is not used.
    refused: Option<String>,
    /// What a guard that runs says of it.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kind: &'static str,
    /// `settings`, or `openclaw` when it was taken over.
    source: &'static str,
    backup: bool,
    at_least: &'static str,
    last: Option<Last>,
}

#[derive(Serialize)]
struct Last {
    at: Time,
    state: &'static str,
    why: String,
}

#[derive(Serialize)]
struct Unusable {
    what: String,
    reason: String,
    why: String,
}

pub(super) fn list(context: &Context) -> Result<ExitCode, CliError> {
    let here = Here::of(context)?;
    let found = here.premises.look(&here.settings.notify);
    let told = Reader::open(&here.premises.state).and_then(|reader| reader.deliveries(1_000)).unwrap_or_default();
    let report = Report {
        schema: SCHEMA,
        enabled: here.settings.notify.enabled,
        places: found
            .places
            .iter()
            .map(|(place, channel)| Row {
                name: place.id.clone(),
                kind: channel.kind(),
                source: if found.taken_over.contains(&place.id) { "openclaw" } else { "settings" },
                backup: place.backup,
                at_least: place.at_least.name(),
                last: told.iter().find(|one| one.delivery.place == place.id).map(last),
            })
            .collect(),
        unusable: found
            .unusable
            .iter()
            .map(|one| Unusable { what: one.what.clone(), reason: one.reason.clone(), why: one.why.clone() })
            .collect(),
        problems: found.problems.clone(),
        heartbeat: found.heartbeat.as_ref().map(|heartbeat| heartbeat.address.host().to_owned()),
        bot: found.bot.as_ref().map(|bot| Bot {
            id: bot.access.id().to_owned(),
            paired: bot.bound.is_some(),
            refused: bot.refused.clone(),
            notes: notes_of(context, crate::bot::NOTE),
        }),
        feishu: found.feishu.as_ref().map(|app| app_row(context, app)),
        dingtalk: found.dingtalk.as_ref().map(|app| app_row(context, app)),
    };
    if context.global.json {
        output::print_json(&report)?;
    } else {
        output::print(&render(&report, Style::of_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn app_row<A: App>(context: &Context, app: &OwnApp<A>) -> Bot {
    Bot {
        id: app.access.id().to_owned(),
        paired: app.bound.is_some(),
        refused: app.refused.clone(),
        notes: notes_of(context, A::NOTE),
    }
}

/// A guard that does not run says nothing.
fn notes_of(context: &Context, name: &str) -> Vec<String> {
    let notes = context.guard_status().map(|status| status.guard.notes).unwrap_or_default();
    notes.into_iter().filter(|note| note.starts_with(name)).collect()
}

fn last(logged: &Logged) -> Last {
    Last { at: Time(logged.delivery.at), state: logged.delivery.fate.name(), why: logged.delivery.why.clone() }
}

fn render(report: &Report, style: Style) -> String {
    let mut text = String::new();
    if !report.enabled {
        text.push_str("alerts are off: `enabled = false` in [notify] of clawmend.toml\n");
    } else if report.places.is_empty() {
        text.push_str("nobody is told of trouble: no place for alerts was found\n");
        text.push_str("  `clawmend notify set KIND` sets one; `clawmend notify set help` lists the kinds\n");
    }
    let now = clock::now().wall;
    for row in &report.places {
        let name = style.paint(Tone::Strong, &clean(&row.name, 80));
        let _ = write!(text, "{name}  {}", row.kind);
        if row.source == "openclaw" {
            text.push_str(", from OpenClaw's config");
        }
        if row.backup {
            text.push_str(", only when no other place takes an alert");
        }
        if row.at_least != "info" {
            let _ = write!(text, ", from `{}` on", row.at_least);
        }
        text.push('\n');
        if let Some(last) = &row.last {
            let why = if last.why.is_empty() { String::new() } else { format!(": {}", clean(&last.why, 300)) };
            let _ = writeln!(text, "  last: {} {}{why}", last.state, words::ago(last.at, now));
        }
    }
    for one in &report.unusable {
        let _ = writeln!(text, "not used: {}: {}", clean(&one.what, 120), clean(&one.why, 300));
    }
    for problem in &report.problems {
        let _ = writeln!(text, "{} {}", style.paint(Tone::Bad, "problem:"), clean(problem, 500));
    }
    if let Some(bot) = &report.bot {
        own(&mut text, bot, style, ("own bot", "bot", crate::bot::NOTE));
    }
    if let Some(feishu) = &report.feishu {
        own(&mut text, feishu, style, ("own Feishu app", "feishu", cards::Access::NOTE));
    }
    if let Some(dingtalk) = &report.dingtalk {
        own(&mut text, dingtalk, style, ("own DingTalk app", "dingtalk", cards::dingtalk::Access::NOTE));
    }
    if let Some(host) = &report.heartbeat {
        let _ = writeln!(text, "heartbeat to {}", clean(host, 120));
    }
    text
}

/// A line about the guard's own bot or app, and what is wrong with it.
fn own(text: &mut String, bot: &Bot, style: Style, (name, command, note): (&str, &str, &str)) {
    let paired = match (&bot.refused, bot.paired) {
        (Some(_), _) => "not used".to_owned(),
        (None, true) => "paired".to_owned(),
        (None, false) => format!("not paired; `clawmend pair {command}` shows how"),
    };
    let _ = writeln!(text, "{name} {}, {paired}", clean(&bot.id, 64));
    // A guard that runs says the same.
    let refused = bot.refused.iter().map(|why| format!("{note}: {why}"));
    let notes = bot.notes.iter().filter(|_| bot.refused.is_none()).cloned();
    for note in refused.chain(notes) {
        let _ = writeln!(text, "{} {}", style.paint(Tone::Bad, "problem:"), clean(&note, 500));
    }
}
