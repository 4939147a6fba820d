//! What protects this host from others: a firewall, guarded logins, updates that come by themselves.
//!
//! Invariants: it only looks, asks for no rights and changes nothing; every file is read within a bound; what cannot be
//! seen is said to be so, and is never taken for good. Start at [`look`].

use super::{Unsupported, os};
use std::path::PathBuf;

/// All that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// For what comes in.
    pub firewall: Firewall,
    /// By ssh.
    pub logins: Logins,
    /// A program that shuts out who guesses passwords runs; its name.
    pub guesses_stopped_by: Option<&'static str>,
    /// Of the system's packages.
    pub updates: Updates,
}

/// Whether something refuses what comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firewall {
    /// This does.
    Active {
        /// Its name.
        by: &'static str,
    },
    /// All rules of this host were read, and none refuses anything.
    Open,
    /// Only root can read the rules.
    Unreadable,
}

/// How one logs in over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logins {
    /// There is no OpenSSH server.
    NoServer,
    /// With keys only.
    Keys,
    /// Passwords are taken as well.
    Passwords,
    /// Its settings cannot be read.
    Unreadable {
        /// This file of them.
        path: PathBuf,
    },
}

/// Whether the system's updates come by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Updates {
    /// By this.
    On {
        /// Its name.
        by: &'static str,
    },
    /// They do not, and this would do it.
    Off {
        /// Its name.
        would: &'static str,
    },
    /// This system has another package manager.
    Unknown,
}

/// Looks. May wait for another program, for seconds at most.
///
/// # Errors
/// Not on this system.
pub fn look() -> Result<Protection, Unsupported> {
    os::protection::look()
}
