//! `clawmend run`: the guard in the foreground, alone or as the parent of a gateway.

use super::context::Context;
use super::error::CliError;
use crate::daemon::{self, Options};
use std::ffi::OsString;
use std::process::ExitCode;

/// Options of `run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Supervise this command as a child, such as `openclaw gateway run`
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(super) fn run(context: &Context, args: Args) -> Result<ExitCode, CliError> {
    let global = context.global.clone();
    Ok(daemon::run(Options {
        command: (!args.command.is_empty()).then_some(args.command),
        sandbox: false,
        start: false,
        gateway: global.gateway,
        settings: global.config,
        json: global.json,
        account: false,
    })?)
}
