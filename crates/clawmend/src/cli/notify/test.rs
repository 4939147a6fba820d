//! `clawmend notify test`: straight from this command, so that it also works while no guard runs.

use super::super::context::Context;
use super::super::error::{CliError, Kind};
use super::super::output::{self, Style, Tone, clean};
use super::{Here, no_such_place};
use crate::api::types::SCHEMA;
use crate::host::clock;
use crate::notify::channel::Channel;
use crate::notify::http::Http;
use crate::notify::{Letter, NotDelivered};
use serde::Serialize;
use std::process::ExitCode;
use std::time::Duration;

/// Longest attempt.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Serialize)]
struct Report {
    schema: u32,
    results: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kind: &'static str,
    delivered: bool,
    why: String,
}

pub(super) fn test(context: &Context, place: Option<&str>) -> Result<ExitCode, CliError> {
    let here = Here::of(context)?;
    let found = here.premises.look(&here.settings.notify);
    for problem in &found.problems {
        output::tell(&clean(problem, 500));
    }
    let names: Vec<String> = found.places.iter().map(|(place, _)| place.id.clone()).collect();
    let chosen: Vec<(&str, &Channel)> = found
        .places
        .iter()
        .filter(|(known, _)| place.is_none_or(|place| place == known.id))
        .map(|(place, channel)| (place.id.as_str(), channel))
        .collect();
    if chosen.is_empty() {
        return Err(match place {
            Some(place) => no_such_place(place, &names),
            None => CliError::new(Kind::NotFound, "there is no place to send to")
                .hint("`clawmend notify list` says why; `clawmend notify set KIND` sets one"),
        });
    }
    let Some(http) = &found.http else {
        return Err(CliError::new(Kind::NeedsPerson, "nothing can be sent from this machine"));
    };
    let now = clock::now().wall;
    let scribe = here.scribe();
    let letter = scribe.writer().0.test(&format!("test/{}", now.0), now, &scribe.mask());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let results = runtime.block_on(async {
        let mut results = Vec::new();
        for (name, channel) in chosen {
            let why = deliver(channel, &letter, http).await.err().map_or_else(String::new, |error| error.to_string());
            results.push(Row { name: name.to_owned(), kind: channel.kind(), delivered: why.is_empty(), why });
        }
        results
    });
    let all = results.iter().all(|row| row.delivered);
    let report = Report { schema: SCHEMA, results };
    if context.global.json {
        output::print_json(&report)?;
    } else {
        output::print(&render(&report, Style::of_stdout()))?;
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(Kind::NeedsPerson.exit_code()) })
}

async fn deliver(channel: &Channel, letter: &Letter, http: &Http) -> Result<(), NotDelivered> {
    let attempt = channel.deliver(letter, http, clock::now().wall);
    let ended = tokio::time::timeout(LIMIT, attempt).await;
    ended.unwrap_or_else(|_| Err(NotDelivered::unsure("no end in time"))).map(drop)
}

fn render(report: &Report, style: Style) -> String {
    let line = |row: &Row| {
        let name = clean(&row.name, 80);
        if row.delivered {
            format!("{} {name} ({})\n", style.paint(Tone::Good, "delivered:"), row.kind)
        } else {
            format!("{} {name} ({}): {}\n", style.paint(Tone::Bad, "not delivered:"), row.kind, clean(&row.why, 400))
        }
    };
    report.results.iter().map(line).collect()
}
