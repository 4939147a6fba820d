//! Every fault in every form, several times.
//!
//! Each lab is one row of faults over one form; labs that vary an instant take more tries when `CLAWMEND_LAB_MATRIX`
//! is set. Those of `lab_matrix` judge one fault each; what came of them is a page of its own, by [`faults`].

use crate::faults::{self, Seen};
use crate::machine;
use crate::run::root;
use crate::set_up;
use crate::test::{self, Tally};
use anyhow::Result;
use std::time::Instant;

/// The labs that judge one fault each.
pub const FAULTS: &str = "clawmend/lab_matrix";

/// Runs all labs and writes the page of the faults; `true` when nothing failed.
///
/// # Errors
/// When the labs cannot be built, or the page cannot be written.
pub fn all(repeat: u32) -> Result<bool> {
    run_and_write(repeat, &|_, _| true)
}

/// Runs the labs that judge one fault each, and writes their page; `true` when nothing failed.
///
/// # Errors
/// As [`all`].
pub fn faults(repeat: u32) -> Result<bool> {
    run_and_write(repeat, &|binary, _| binary == FAULTS)
}

/// Runs the labs whose name contains this; `true` when none failed.
///
/// # Errors
/// When the labs cannot be built.
pub fn some(repeat: u32, fault: &str) -> Result<bool> {
    set_up::set_up()?;
    let tally = test::labs_repeated(repeat, &|_, name| name.contains(fault), &|_| Ok(()))?;
    Ok(test::report(&tally))
}

fn run_and_write(repeat: u32, wanted: &dyn Fn(&str, &str) -> bool) -> Result<bool> {
    set_up::set_up()?;
    let (before, begun) = (machine::load(), Instant::now());
    let path = root().join("docs/faults.md");
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    let page = |tally: &Tally| -> Result<String> {
        let loads = [before.clone(), machine::load()];
        let text = faults::page(&Seen::new(&tally.faults), &loads, begun.elapsed(), repeat)?;
        Ok(text + crate::page::by_hand(&old))
    };
    // It takes most of an hour: what was seen so far is kept when it is interrupted.
    let tally = test::labs_repeated(repeat, wanted, &|tally| Ok(std::fs::write(&path, page(tally)?)?))?;
    println!("{}", page(&tally)?);
    Ok(test::report(&tally) & Seen::new(&tally.faults).as_promised())
}
