//! A disk without room: the only thing that is ours to free are old logs.
//!
//! Invariant: at most once in [`SPACING_MS`], and nothing but logs that nobody writes any more; all else on the disk is
//! the user's.

use super::{Next, View};
use crate::directive::Action;

/// Between two attempts: what was not there to be deleted will not be there a minute later.
pub const SPACING_MS: u64 = 600_000;

pub(super) fn next(view: &View<'_>) -> Next {
    if !view.disk_low {
        return Next::Nothing;
    }
    match view.logs_freed.map(|at| at.plus(SPACING_MS)) {
        Some(again) if view.now.mono < again => Next::Nothing,
        Some(_) | None => Next::act(Action::FreeLogs, "the disk has no room: old logs are all that is ours to delete"),
    }
}
