//! The workspace by git, with real git on folders of this machine: no byte is lost, whatever happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "workspace/folders.rs"]
mod folders;
#[path = "workspace/giving.rs"]
mod giving;
#[cfg(unix)]
#[path = "workspace/kills.rs"]
mod kills;
#[path = "workspace/pulls.rs"]
mod pulls;
#[path = "workspace/pushes.rs"]
mod pushes;
#[path = "workspace/trouble.rs"]
mod trouble;
