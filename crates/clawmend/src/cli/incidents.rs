//! `clawmend incidents`: what went wrong, and what was done.

use super::context::{Context, unexpected};
use super::draft;
use super::duration::human;
use super::error::{CliError, Kind};
use super::output::{self, Style, Tone, clean};
use super::words;
use crate::api::types::{IncidentDetail, IncidentReport, IncidentState, IncidentsReport};
use crate::api::{Answer, Request};
use crate::store::{Cursor, Filter, MAX_PAGE, ReadError, Reader};
use clawmend_core::directive::IncidentId;
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Options of `incidents`.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    show: Option<Show>,
    /// At most so many, newest first
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PAGE)))]
    limit: u32,
    /// Go on from here: `next` of an earlier answer
    #[arg(long, value_name = "NEXT")]
    cursor: Option<String>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Show {
    /// Show one incident, event by event
    Show {
        /// Its number in the list
        #[arg(value_name = "ID")]
        id: u64,
    },
}

pub(super) fn incidents(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    match &args.show {
        Some(Show::Show { id }) => show(context, IncidentId(*id)),
        None => list(context, args),
    }
}

fn list(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    let cursor: Option<Cursor> = match args.cursor.as_deref().map(str::parse).transpose() {
        Ok(cursor) => cursor,
        Err(error) => return Err(CliError::new(Kind::Usage, format!("{error}"))),
    };
    let request = Request::Incidents { limit: args.limit, cursor: args.cursor.clone() };
    let report = match context.ask(request)? {
        Some(Answer::Incidents(report)) => report,
        Some(_) => return Err(unexpected()),
        None => {
            let filter = Filter { gateway: context.global.gateway.clone(), open_only: false };
            match Reader::open(&context.state_dir()?) {
                Ok(reader) => reader.incidents(&filter, args.limit, cursor.as_ref())?.into(),
                // That nothing was ever guarded is an empty list.
                Err(ReadError::Nothing { .. }) => IncidentsReport { schema: 1, incidents: Vec::new(), next: None },
                Err(error) => return Err(error.into()),
            }
        }
    };
    if context.global.json {
        output::print_json(&report)?;
    } else {
        output::print(&table(&report, &TimeZone::system(), Style::of_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, id: IncidentId) -> Result<ExitCode, CliError> {
    let detail = find(context, id)?;
    if context.global.json {
        output::print_json(&detail)?;
    } else {
        output::print(&timeline(&detail, &TimeZone::system(), Style::of_stdout()))?;
        if let Some(hint) = draft::hint(&context.state_dir()?, &detail) {
            output::tell(&hint);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The one incident of this number, from the guard or from the records.
pub(super) fn find(context: &Context, id: IncidentId) -> Result<IncidentDetail, CliError> {
    let mut found = match context.ask(Request::Incident { id })? {
        Some(Answer::Incident(found)) => found,
        Some(_) => return Err(unexpected()),
        None => {
            let rows = match Reader::open(&context.state_dir()?) {
                Ok(reader) => reader.incident(context.global.gateway.as_ref(), id)?,
                Err(ReadError::Nothing { .. }) => Vec::new(),
                Err(error) => return Err(error.into()),
            };
            rows.iter().map(|(record, events)| IncidentDetail::new(record, events)).collect()
        }
    };
    match (found.pop(), found.as_slice()) {
        (Some(detail), []) => Ok(detail),
        (None, _) => Err(CliError::new(Kind::NotFound, format!("there is no incident {}", id.0))
            .hint("`clawmend incidents` lists them")),
        (Some(last), others) => {
            let several = others.iter().chain([&last]);
            let names: Vec<_> = several.map(|detail| clean(&detail.incident.gateway.0, 64)).collect();
            let message = format!("several gateways have an incident {}: {}", id.0, names.join(", "));
            Err(CliError::new(Kind::Usage, message).hint("say which one with --gateway ID"))
        }
    }
}

fn table(report: &IncidentsReport, zone: &TimeZone, style: Style) -> String {
    if report.incidents.is_empty() {
        return "No incidents.\n".to_owned();
    }
    let head = ["ID", "GATEWAY", "BEGAN", "CAUSE", "SERVING AFTER", "OUTCOME"].map(str::to_owned);
    let row = |incident: &IncidentReport| {
        [
            incident.id.0.to_string(),
            clean(&incident.gateway.0, 24),
            words::time(incident.onset_at, zone),
            incident.cause.as_ref().map_or_else(|| "not known".to_owned(), |cause| clean(&words::cause(cause), 40)),
            incident.serving_after_ms.map_or_else(|| "-".to_owned(), human),
            ending(incident).to_owned(),
        ]
    };
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(report.incidents.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let line = cells.join("  ");
        let line = line.trim_end();
        let _ = writeln!(text, "{}", if number == 0 { style.paint(Tone::Quiet, line) } else { line.to_owned() });
    }
    if let Some(next) = &report.next {
        let _ = writeln!(text, "{}", style.paint(Tone::Quiet, &format!("more: --cursor {}", clean(next, 200))));
    }
    text
}

pub(super) fn timeline(detail: &IncidentDetail, zone: &TimeZone, style: Style) -> String {
    let incident = &detail.incident;
    let mut text = String::new();
    let title = format!("Incident {} of {}", incident.id.0, clean(&incident.gateway.0, 64));
    let cause = incident.cause.as_ref().map_or_else(|| "cause not known".to_owned(), words::cause);
    let _ = writeln!(text, "{}: {cause}, {}", style.paint(Tone::Strong, &title), ending(incident));
    let spread = match incident.onset_uncertainty_ms {
        0 => String::new(),
        ms => format!(", known to within {}", human(ms)),
    };
    let _ = writeln!(text, "began {}{spread}; times count from there", words::time(incident.onset_at, zone));
    text.push('\n');
    for event in &detail.events {
        let sign = if event.after_onset_ms < 0 { '-' } else { '+' };
        let after = format!("{sign}{}", human(event.after_onset_ms.unsigned_abs()));
        let _ =
            writeln!(text, "{after:>12}  {}", style.paint(words::event_tone(&event.what), &words::event(&event.what)));
    }
    text
}

fn ending(incident: &IncidentReport) -> &'static str {
    match (incident.state, incident.outcome) {
        (_, Some(outcome)) => words::outcome(outcome),
        (IncidentState::Open, None) => "open",
        (IncidentState::Closed, None) => "closed",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_table() {
        let report: IncidentsReport = serde_json::from_str(include_str!("../../tests/data/incidents.json")).unwrap();
        insta::assert_snapshot!(table(&report, &TimeZone::UTC, Style::PLAIN));
        let none = IncidentsReport { incidents: Vec::new(), ..report };
        assert_eq!(table(&none, &TimeZone::UTC, Style::PLAIN), "No incidents.\n");
    }

    #[test]
    fn the_timeline() {
        let detail: IncidentDetail = serde_json::from_str(include_str!("../../tests/data/incident.json")).unwrap();
        let text = timeline(&detail, &TimeZone::UTC, Style::PLAIN);
        assert!(!text.contains('\u{1b}'), "control characters reached the terminal");
        insta::assert_snapshot!(text);
    }
}
