//! `clawmend drill`: the monthly test, as one command.

mod failover;

use super::context::Context;
use super::error::CliError;
use std::process::ExitCode;

/// Options of `drill`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// On a standby: take over for real, see whether it can be reached, and step back
    Failover(FailoverArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct FailoverArgs {
    /// Do not ask whether to go on
    #[arg(long)]
    yes: bool,
}

pub(super) fn drill(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    match &args.what {
        What::Failover(args) => failover::failover(context, args.yes),
    }
}
