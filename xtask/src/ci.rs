//! The whole of what must pass before a change is taken.

use crate::run::root;
use anyhow::Result;
use std::process::Command;

/// Runs `.ci/run`.
///
/// # Errors
/// When it does not pass.
pub fn ci() -> Result<()> {
    crate::run::run(&mut Command::new(root().join(".ci/run")))
}
