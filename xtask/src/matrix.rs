//! Every fault in every form, several times.
//!
//! Each lab is one row of faults over one form; labs that vary an instant take more tries when `CLAWMEND_LAB_MATRIX`
//! is set.

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
