//! `clawmend check`: one look, told by the exit code.

use super::context::{Context, unexpected};
use super::error::CliError;
use super::output::{self, Style};
use super::words;
use crate::api::types::CheckReport;
use crate::api::{Answer, Request};
use clawmend_core::health::Verdict;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Options of `check`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// For container health: only a gateway that is down fails
    #[arg(long)]
    live: bool,
}

pub(super) fn check(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    let report = match context.ask(Request::Check)? {
        Some(Answer::Check(report)) => report,
        Some(_) => return Err(unexpected()),
        None => {
            output::tell("no guard is running, so nobody knows; start one with `clawmend up`");
            CheckReport::new(Vec::new())
        }
    };
    if context.global.json {
        output::print_json(&report)?;
    } else {
        output::print(&render(&report, Style::of_stdout()))?;
    }
    let live = args.live && report.verdict != Verdict::Down;
    Ok(ExitCode::from(if live { 0 } else { report.verdict.exit_code() }))
}

/// A line per gateway.
fn render(report: &CheckReport, style: Style) -> String {
    let mut text = String::new();
    for gateway in &report.gateways {
        let verdict = style.paint(words::tone(gateway.verdict), gateway.verdict.name());
        let _ = write!(text, "{}: {verdict}", output::clean(&gateway.id.0, 64));
        if let Some(cause) = &gateway.cause {
            let _ = write!(text, ", {}", words::cause(cause));
        }
        for reason in &gateway.reasons {
            let _ = write!(text, "; {}", output::clean(reason, 200));
        }
        text.push('\n');
    }
    if report.gateways.is_empty() {
        text.push_str("unknown\n");
    }
    text
}
