//! The machine: clock, processes, signals, sockets, files, folders.
//!
//! One facade for all systems: each file here holds the types of its subject and calls the file of the same name
//! in `linux/`, `macos/` or `windows/`. Invariant: nothing here makes a choice, and nothing acts on a bare pid;
//! what a system cannot do is said with [`Unsupported`], never pretended. Start with [`process`].

pub mod accounts;
pub mod alarm;
pub mod clock;
pub mod connection;
pub mod descriptors;
pub mod desktop;
pub mod dirs;
pub mod disk;
pub mod egress;
pub mod family;
pub mod files;
pub mod folders;
pub mod group;
pub mod limits;
pub mod machine;
pub mod peer;
pub mod pidfd;
pub mod pressure;
pub mod process;
pub mod program;
pub mod protection;
pub mod resolver;
pub mod signal;
pub mod socket;
pub mod terminal;
pub mod trust;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as os;
#[cfg(target_os = "macos")]
use macos as os;
#[cfg(windows)]
use windows as os;

/// Process look-ups through `sysinfo`, shared by the systems that have no `/proc`.
#[cfg(not(target_os = "linux"))]
mod table;

/// This system cannot do that, or we have not built it there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not supported on {}", std::env::consts::OS)]
pub struct Unsupported {
    /// What was asked for.
    pub what: &'static str,
}

/// Text from outside made fit for a person: bounded, without control characters.
#[must_use]
pub fn printable(bytes: &[u8], limit: usize) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(limit).collect()
}
