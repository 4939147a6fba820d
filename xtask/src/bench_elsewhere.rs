//! Benchmarks read Linux's own figures; elsewhere they say so.

use anyhow::{Result, bail};
use std::path::Path;

/// Nothing can be measured here.
#[derive(Clone, Debug, clap::Args)]
pub struct Amount {}

/// Not supported here.
///
/// # Errors
/// Always.
pub fn bench(_amount: &Amount) -> Result<()> {
    bail!("benchmarks run on Linux")
}

/// Not supported here.
///
/// # Errors
/// Always.
pub fn stamp(_file: &Path, _command: &[String]) -> Result<()> {
    bail!("benchmarks run on Linux")
}

/// Not supported here.
///
/// # Errors
/// Always.
pub fn stand_in(_port: u16) -> Result<()> {
    bail!("benchmarks run on Linux")
}
