//! `clawmend stop`: the gateway ends and stays ended.

use super::context::Context;
use super::error::CliError;
use super::wish::{WithoutGuard, bring};
use crate::api::Request;
use clawmend_core::wish::Wish;
use std::process::ExitCode;

/// Options of `stop`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Also hands off, and also over a reboot; only `clawmend start` ends it
    #[arg(long)]
    emergency: bool,
}

pub(super) fn stop(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    let (request, kept) =
        if args.emergency { (Request::EmergencyStop, Wish::EmergencyStop) } else { (Request::Stop, Wish::Stop) };
    bring(context, request, &kept, WithoutGuard::Recorded)
}
