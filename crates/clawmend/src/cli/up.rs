//! `clawmend up`: guard what is here, with an account for the person who watches.

use super::context::Context;
use super::error::CliError;
use crate::daemon::{self, Options};
use std::process::ExitCode;

/// Options of `up`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Bring up a real, throwaway gateway and guard that: nothing of yours is touched
    #[arg(long, conflicts_with = "start")]
    sandbox: bool,
    /// Start a gateway that was stopped; without this it stays stopped
    #[arg(long)]
    start: bool,
}

pub(super) fn up(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    let global = context.global.clone();
    Ok(daemon::run(Options {
        command: None,
        sandbox: args.sandbox,
        start: args.start,
        gateway: global.gateway,
        settings: global.config,
        json: global.json,
        account: true,
    })?)
}
