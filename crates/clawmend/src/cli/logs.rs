//! `clawmend logs`: the gateway's own log, through the guard that reads it anyway.

use super::context::{Context, understood, unexpected};
use super::error::CliError;
use super::output;
use crate::api::{Answer, Request};
use serde::Serialize;
use std::process::ExitCode;

/// Options of `logs`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How many lines from the end
    #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    lines: u32,
    /// Go on with every new line, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    line: &'a str,
}

pub(super) fn logs(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    for answer in context.stream(Request::Logs { lines: args.lines, follow: args.follow })? {
        let Answer::Log { line } = understood(answer?)? else { return Err(unexpected()) };
        if context.global.json {
            output::print_json(&Line { line: &line })?;
        } else {
            output::print(&format!("{}\n", output::clean(&line, 4000)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
