//! `clawmend start`: the end of a stop.

use super::context::Context;
use super::error::CliError;
use super::wish::{WithoutGuard, bring};
use crate::api::Request;
use clawmend_core::wish::Wish;
use std::process::ExitCode;

pub(super) fn start(context: &Context) -> Result<ExitCode, CliError> {
    bring(context, Request::Start, &Wish::Start, WithoutGuard::Recorded)
}
