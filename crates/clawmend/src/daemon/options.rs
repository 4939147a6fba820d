//! What a person asked of the daemon on the command line.

use clawmend_core::gateway::GatewayId;
use std::ffi::OsString;
use std::path::PathBuf;

/// How to guard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `run -- CMD…`: supervise this as a child; `None`: guard what is here.
    pub command: Option<Vec<OsString>>,
    /// `up --sandbox`: bring up a throwaway gateway first.
    pub sandbox: bool,
    /// `up --start`: start a gateway that a person stopped.
    pub start: bool,
    /// Only this gateway.
    pub gateway: Option<GatewayId>,
    /// A settings file that must be there; `None`: the usual one, if it is.
    pub settings: Option<PathBuf>,
    /// Tell what happens as JSON, a line per event, on standard output.
    pub json: bool,
    /// A person watches: tell what happens in words (`up`); `false`: only the log (`run`).
    pub account: bool,
}

/// Why the daemon did not run, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A person must change something first.
    #[error("{message}")]
    NeedsPerson {
        /// What is in the way.
        message: String,
        /// What to do, one sentence each.
        hints: Vec<String>,
    },
    /// Something that was named is not there.
    #[error("{message}")]
    NotFound {
        /// What is not there.
        message: String,
        /// What to do.
        hints: Vec<String>,
    },
    /// Not with these rights.
    #[error("{message}")]
    Forbidden {
        /// What was not permitted.
        message: String,
        /// What to do.
        hints: Vec<String>,
    },
    /// It may work later.
    #[error("{message}")]
    Retry {
        /// What did not work.
        message: String,
    },
    /// A fault of this program.
    #[error("{message}")]
    Bug {
        /// What went wrong.
        message: String,
    },
}
