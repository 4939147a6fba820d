//! `clawmend resume`: the end of a pause, and of nothing else.

use super::context::Context;
use super::error::CliError;
use super::wish::{WithoutGuard, bring};
use crate::api::Request;
use clawmend_core::wish::Wish;
use std::process::ExitCode;

pub(super) fn resume(context: &Context) -> Result<ExitCode, CliError> {
    bring(context, Request::Resume, &Wish::Resume, WithoutGuard::Done)
}
