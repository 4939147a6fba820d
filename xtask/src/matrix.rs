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
use std::cell::RefCell;
use std::time::Instant;

/// The labs that judge one fault each.
pub const FAULTS: &str = "clawmend/lab_matrix";

/// Runs all labs and writes the page of the faults; `true` when nothing failed.
///
/// # Errors
/// When the labs cannot be built, or the page cannot be written.
pub fn all(repeat: u32) -> Result<bool> {
    run_and_write(repeat, &|_, _| true, false)
}

/// Runs the labs that judge one fault each, and writes their page; `true` when nothing failed. `resume`: those that have
/// passed before are not run again.
///
/// # Errors
/// As [`all`].
pub fn faults(repeat: u32, resume: bool) -> Result<bool> {
    run_and_write(repeat, &|binary, _| binary == FAULTS, resume)
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

fn run_and_write(repeat: u32, wanted: &dyn Fn(&str, &str) -> bool, resume: bool) -> Result<bool> {
    set_up::set_up()?;
    let earlier = RefCell::new(Vec::new());
    let wanted = |binary: &str, name: &str| {
        let before =
            Some(()).filter(|()| resume && wanted(binary, name)).and_then(|()| test::shown_before(binary, name));
        let known = before.is_some();
        earlier.borrow_mut().extend(before.unwrap_or_default());
        wanted(binary, name) && !known
    };
    let (before, begun) = (machine::load(), Instant::now());
    let path = root().join("docs/faults.md");
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    let page = |tally: &Tally| -> Result<String> {
        let loads = [before.clone(), machine::load()];
        let seen = seen(tally, &earlier.borrow());
        let text = faults::page(&seen, &loads, begun.elapsed(), repeat)?;
        Ok(text + crate::page::by_hand(&old))
    };
    // It takes most of an hour: what was seen so far is kept when it is interrupted.
    let tally = test::labs_repeated(repeat, &wanted, &|tally| Ok(std::fs::write(&path, page(tally)?)?))?;
    println!("{}", page(&tally)?);
    let promised = seen(&tally, &earlier.borrow()).as_promised();
    Ok(test::report(&tally) & promised)
}

/// What was seen in this run, and in the one before it.
fn seen(tally: &Tally, earlier: &[String]) -> Seen {
    let mut seen = Seen::new(&[&tally.faults, earlier].concat());
    seen.earlier = earlier.len();
    seen
}
