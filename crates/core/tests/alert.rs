//! What people are told, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "alert/desk.rs"]
mod desk;
#[path = "alert/lanes.rs"]
mod lanes;
