//! A disk without room: the only thing that is ours to free are old logs.
//!
//! Invariant: at most once in [`SPACING_MS`], ever more rarely while there is nothing to delete ([`LONGEST_MS`]), and
//! nothing but logs that nobody writes any more; all else on the disk is the user's.

use super::{Next, View};
use crate::directive::Action;
use crate::gateway::Form;

/// Between two attempts: what was not there to be deleted will not be there a minute later.
pub const SPACING_MS: u64 = 600_000;
/// The same after a row of attempts that found nothing.
pub const LONGEST_MS: u64 = 6 * 3_600_000;

pub(super) fn next(view: &View<'_>) -> Next {
    // Whoever runs a gateway by hand looks after its disk.
    if !view.disk_low || view.profile.form == Form::Foreign {
        return Next::Nothing;
    }
    match view.logs_again {
        Some(again) if view.now.mono < again => Next::Nothing,
        Some(_) | None => Next::act(Action::FreeLogs, "the disk has no room: old logs are all that is ours to delete"),
    }
}
