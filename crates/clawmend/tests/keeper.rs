//! The keeper, with real processes that are really killed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "keeper/deadman.rs"]
mod deadman;
#[path = "keeper/ends.rs"]
mod ends;
#[path = "keeper/itself.rs"]
mod itself;
#[path = "keeper/lab.rs"]
mod lab;
#[path = "keeper/output.rs"]
mod output;
#[path = "keeper/pid_one.rs"]
mod pid_one;
#[path = "keeper/requests.rs"]
mod requests;
#[path = "keeper/spawns.rs"]
mod spawns;
