//! `clawmend notify log`.

use super::super::context::Context;
use super::super::error::CliError;
use super::super::output::{self, Style, Tone, clean};
use super::super::words;
use crate::api::types::{SCHEMA, Time};
use crate::notify::Letter;
use crate::store::{Fate, Logged, ReadError, Reader};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    schema: u32,
    deliveries: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    key: String,
    title: String,
    level: &'static str,
    decided_at: Time,
    place: String,
    state: &'static str,
    attempts: u32,
    at: Time,
    why: String,
}

pub(super) fn log(context: &Context, limit: u32) -> Result<ExitCode, CliError> {
    let told = match Reader::open(&context.state_dir()?) {
        Ok(reader) => reader.deliveries(limit)?,
        Err(ReadError::Nothing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let report = Report { schema: SCHEMA, deliveries: told.iter().map(row).collect() };
    if context.global.json {
        output::print_json(&report)?;
    } else {
        output::print(&render(&report, Style::of_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(logged: &Logged) -> Row {
    let title = serde_json::from_str::<Letter>(&logged.letter.payload).map(|letter| letter.title).unwrap_or_default();
    Row {
        key: logged.letter.key.clone(),
        title,
        level: logged.letter.level.name(),
        decided_at: Time(logged.letter.decided_at),
        place: logged.delivery.place.clone(),
        state: logged.delivery.fate.name(),
        attempts: logged.delivery.attempts,
        at: Time(logged.delivery.at),
        why: logged.delivery.why.clone(),
    }
}

fn render(report: &Report, style: Style) -> String {
    if report.deliveries.is_empty() {
        return "nothing was told yet\n".to_owned();
    }
    let zone = TimeZone::system();
    let mut text = String::new();
    for row in &report.deliveries {
        let tone = match row.state {
            state if state == Fate::Delivered.name() => Tone::Good,
            state if state == Fate::Undeliverable.name() => Tone::Bad,
            _ => Tone::Warning,
        };
        let state = style.paint(tone, row.state);
        let _ = writeln!(
            text,
            "{}  {state} to {}: {}",
            words::time(row.at, &zone),
            clean(&row.place, 80),
            clean(&row.title, 200)
        );
        if !row.why.is_empty() {
            let _ = writeln!(text, "    {}", clean(&row.why, 300));
        }
    }
    text
}
