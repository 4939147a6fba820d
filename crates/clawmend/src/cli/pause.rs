//! `clawmend pause`: hands off.

use super::args::duration_value;
use super::context::Context;
use super::error::CliError;
use super::wish::{WithoutGuard, bring};
use crate::api::Request;
use crate::host::clock;
use clawmend_core::time::Wall;
use clawmend_core::wish::Wish;
use std::process::ExitCode;

/// Options of `pause`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// For how long, such as 90s, 10m, 2h or 1d; without it, until `clawmend resume`
    #[arg(long = "for", value_name = "TIME", value_parser = duration_value)]
    for_ms: Option<u64>,
    /// Why; shown by `clawmend status`
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
}

fn reason(text: &str) -> Result<String, String> {
    if text.chars().count() > 200 {
        return Err("expected at most 200 characters".to_owned());
    }
    Ok(super::output::clean(text, 200))
}

pub(super) fn pause(context: &Context, args: Args) -> Result<ExitCode, CliError> {
    let ahead = |ms| clock::now().wall.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
    let kept = Wish::Pause { until: args.for_ms.map(|ms| Wall(ahead(ms))), reason: args.reason.clone() };
    let request = Request::Pause { for_ms: args.for_ms, reason: args.reason };
    bring(context, request, &kept, WithoutGuard::Done)
}
