//! Generations of a gateway's config: what differs, what a restore may bring back, which key breaks it.
//!
//! Invariant: everything here works on parsed trees and returns plans; no function reads or writes a file, and no
//! value of a config leaves [`diff`] unmasked. A restore never changes a role, never loosens security and never
//! brings back a credential that was changed: [`guarded`] is the table of the keys concerned.
//! Start at [`restore`].

mod bisect;
mod diff;
mod guarded;
mod keeping;
mod path;
mod restore;
#[cfg(test)]
mod tests;
mod tree;

pub use bisect::{Bisected, MAX_TRIALS, bisect};
pub use diff::{Change, Difference, MAX_CHANGES, differences, shown};
pub use guarded::{Guarded, guarded, is_secret};
pub use keeping::{Keeping, Kept, drop_list};
pub use path::KeyPath;
pub use restore::{Edit, Held, Restore, Witness, restore, revert};
pub use tree::Tree;
