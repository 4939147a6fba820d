//! The faults that a gateway meets in practice, one lab each, on real OpenClaw as a child: repaired without a hand, or
//! handed over with the cause named.
//!
//! Each lab injects the real fault, waits for what comes of it, and prints one line that `cargo xtask matrix --faults`
//! collects ([`frame::Fault`]). Start at [`frame`].
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod channels;
mod config;
mod disk;
mod ended;
mod frame;
mod handed_over;
mod leases;
mod package;
mod port;
mod silent;
mod twins;
