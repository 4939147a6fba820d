//! Finds Node and OpenClaw, or installs them into our cache.
//!
//! Invariant: a version's folder in the cache is complete or absent: it is built beside its place and renamed.
//! Start at [`find`] and [`install`].

use std::path::PathBuf;

/// A Node and an OpenClaw that go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// Folder with the `node` program, to be first on `PATH`.
    pub node_dir: PathBuf,
    /// The `openclaw` program.
    pub openclaw: PathBuf,
}
