//! Benchmarks read Linux's own figures; elsewhere they say so.

use anyhow::{Result, bail};
use std::path::Path;

/// Not supported here.
///
/// # Errors
/// Always.
pub fn bench(_samples: u32, _rest: u64) -> Result<()> {
    bail!("benchmarks run on Linux")
}

/// Not supported here.
///
/// # Errors
/// Always.
pub fn stamp(_file: &Path, _command: &[String]) -> Result<()> {
    bail!("benchmarks run on Linux")
}
