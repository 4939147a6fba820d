//! Every fault in every form, several times, each on a fresh gateway.
//!
//! The faults are the ignored tests of the lab targets: those that the ordinary run leaves to its shared scenarios.

use crate::set_up;
use crate::test;
use anyhow::Result;

/// Runs it; `true` when nothing failed.
///
/// # Errors
/// When the labs cannot be built.
pub fn matrix(repeat: u32, fault: Option<&str>) -> Result<bool> {
    set_up::set_up()?;
    test::labs_repeated(repeat, fault)
}
