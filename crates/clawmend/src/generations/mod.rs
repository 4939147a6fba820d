//! Generations: every version of a gateway's config that the guard has seen, kept unchanged.
//!
//! `STATE/generations/GATEWAY/ID/` holds `manifest.json` (which files, each with its SHA-256), the files as `0`, `1`, …
//! and `record.json` (when seen, whether proven). ID is the SHA-256 of the manifest, so it names the content. All of it
//! is 0600 in 0700 folders, outside of the database, and never part of a bundle.
//! Invariant: manifest and files never change once they are there; what does not match its hash is never used; a
//! record that is lost is made anew from the files, unproven. Start at [`Room`].

mod apply;
mod compose;
mod keep;
mod object;
mod pending;
mod record;
mod restore;
mod write;

#[cfg(test)]
mod tests;

pub use apply::{Applied, ApplyError, apply};
pub use compose::{ComposeError, Composed, How, Subject, compose, value_of};
pub use keep::{Generation, Kept, Room, RoomError};
pub use object::{Loaded, LoadedFile, Snapshot, short};
pub use pending::{Pending, pending_path};
pub use record::{Proof, Record};
pub use restore::{Bench, Plan, RestoreError, Who};
pub use write::{Target, WriteError, replace};
