//! The supervised child's parent: reaps, keeps its exit status, outlives the guard, decides nothing.
//!
//! Invariant: the gateway never notices what happens to the guard, the log or the keeper itself; but where the guard has
//! armed the deadman (shared mode), the gateway ends at its moment. The keeper is the
//! same program under the hidden subcommand `keeper`, one `poll` in one thread (its log has another), in a session of its own.
//! Start with [`protocol`]; [`client`] is the guard's side.
//!
//! What is in the keeper's folder (0700): `keeper.sock` (0600), `keeper.lock` (one keeper per folder), `output.fifo`
//! (the gateway's stdout and stderr), `state.json` (for a successor: the child and ends without acknowledgement),
//! `deadman.json` (shared mode: when the gateway ends without the guard's help).

pub mod protocol;

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
pub mod client;
#[cfg(target_os = "linux")]
mod connection;
#[cfg(target_os = "linux")]
mod deadman;
#[cfg(target_os = "linux")]
mod ending;
#[cfg(target_os = "linux")]
mod entry;
#[cfg(target_os = "linux")]
mod init;
#[cfg(target_os = "linux")]
mod log;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
mod socket;
#[cfg(target_os = "linux")]
mod timer;

#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
pub mod client;
#[cfg(not(target_os = "linux"))]
pub use client::{InitOptions, main, run_as_init};

#[cfg(target_os = "linux")]
pub use entry::{main, run_as_init};
#[cfg(target_os = "linux")]
pub use init::InitOptions;
