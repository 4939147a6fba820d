//! `clawmend restart`: once, in order, now. Only a running guard can do that.

use super::context::{Context, no_guard};
use super::error::CliError;
use super::wish::done;
use crate::api::Request;
use std::process::ExitCode;

pub(super) fn restart(context: &Context) -> Result<ExitCode, CliError> {
    done(context, context.ask(Request::Restart)?.ok_or_else(no_guard)?)
}
