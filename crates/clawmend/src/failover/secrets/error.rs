//! What can go wrong, by what can be done about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the secrets could not be brought or taken away. What was there before is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// May work later.
    #[error("the host that keeps the secrets does not answer ({detail})")]
    Unreachable {
        /// What ssh said.
        detail: String,
    },
    /// May work later.
    #[error("bringing the secrets took longer than {} s", .0.as_secs())]
    TooSlow(Duration),
    /// Somebody in between, or a host that was set up anew.
    #[error(
        "the host that keeps the secrets shows another key than `host_key`: it was set up anew, or somebody is in between; nothing was brought"
    )]
    OtherKey,
    /// Needs a person.
    #[error(
        "the host that keeps the secrets refuses this node; give it a key without a passphrase, or name one with `identity_file` ({detail})"
    )]
    Refused {
        /// What ssh said.
        detail: String,
    },
    /// Needs a person.
    #[error("the host that keeps the secrets has no folder {folder} for this node ({detail})")]
    NoSuchFolder {
        /// Which.
        folder: String,
        /// What rsync said.
        detail: String,
    },
    /// Needs a person.
    #[error("{program} is missing {at}; install rsync and ssh on both")]
    NoProgram {
        /// Which.
        program: &'static str,
        /// Where.
        at: &'static str,
    },
    /// Needs a person.
    #[error(
        "{} is no folder that Clawmend filled; name another one with `into`, or empty it", folder.display()
    )]
    NotOurs {
        /// Which.
        folder: PathBuf,
    },
    /// Needs a person.
    #[error("the folder at the host that keeps the secrets has no files; is its volume mounted?")]
    Empty,
    /// Needs a person.
    #[error("the secrets are more than 1000 files or 16 MiB, or deeper than 8 folders: is it the right folder?")]
    TooMuch,
    /// The file system.
    #[error("{}: {detail}", path.display())]
    Files {
        /// Where.
        path: PathBuf,
        /// What it said.
        detail: String,
    },
    /// Anything else.
    #[error("rsync failed: {detail}")]
    Rsync {
        /// What it said.
        detail: String,
    },
}

impl SecretsError {
    pub(super) fn files(path: &Path, error: &io::Error) -> Self {
        Self::Files { path: path.to_owned(), detail: error.to_string() }
    }
}
