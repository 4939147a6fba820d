//! What can go wrong, by what can be done about it.

use std::time::Duration;

/// Why the workspace could not be pushed or pulled. Nothing of it is lost, whichever it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkspaceError {
    /// May work later, by itself.
    #[error("{0}; it is tried again")]
    Retry(Retry),
    /// Needs a person.
    #[error("{0}")]
    Person(Person),
}

/// What passes by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Retry {
    /// The remote does not answer.
    #[error("the workspace's git remote does not answer ({detail})")]
    Unreachable {
        /// What git said.
        detail: String,
    },
    /// It took longer than it may.
    #[error("git on the workspace took longer than {} s", .0.as_secs())]
    TooSlow(Duration),
    /// It was ended for something that cannot wait.
    #[error("git on the workspace was ended for a change of role")]
    Overtaken,
    /// Another git or another Clawmend works there, or files changed meanwhile.
    #[error("the workspace is in use ({detail})")]
    Busy {
        /// By what.
        detail: String,
    },
}

/// What stays as it is until a person does something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Person {
    /// No program.
    #[error("git is not installed, or not on the PATH of the guard; install git 2.29 or later")]
    NoGit,
    /// No folder.
    #[error("there is no folder {folder}; set the workspace's folder")]
    NoWorkspace {
        /// Which.
        folder: String,
    },
    /// The folder is inside of another repository, or its repository belongs to someone else, or is not whole.
    #[error("the repository of the workspace cannot be used: {detail}")]
    BadRepository {
        /// What git said.
        detail: String,
    },
    /// There is no such repository.
    #[error("the workspace's git remote is no repository; create it, or correct its address ({detail})")]
    NoSuchRemote {
        /// What git said.
        detail: String,
    },
    /// The remote lets nobody in.
    #[error(
        "the workspace's git remote refuses this node; give it a key without a passphrase, or for https a credential \
         helper in the workspace's own repository, `git -C WORKSPACE config credential.helper …`, for git runs here \
         without your global settings ({detail})"
    )]
    Refused {
        /// What git said.
        detail: String,
    },
    /// Its host is not known here, or is another one than before.
    #[error(
        "this user's ssh does not know the host of the workspace's git remote, or it shows another key than before: \
         `ssh -T git@HOST` once as this user, and compare the key with what its owner publishes ({detail})"
    )]
    UnknownHost {
        /// What ssh said.
        detail: String,
    },
    /// It lets this node read only.
    #[error(
        "the workspace's git remote lets this node read only; both hosts write to it, so give its key the right to ({detail})"
    )]
    ReadOnly {
        /// What it said.
        detail: String,
    },
    /// It is larger than it may be.
    #[error("the workspace's git remote sends more than {} MiB; remove the large file from its history, or allow more", .0 >> 20)]
    TooLarge(u64),
    /// Too many files.
    #[error("the workspace has more than {0} files that changed; put what is no memory of the assistant elsewhere")]
    TooMany(usize),
    /// No room.
    #[error("the disk is full, here or at the workspace's git remote ({detail})")]
    NoSpace {
        /// What was said.
        detail: String,
    },
    /// Files are in the way of files of the remote, and cannot be kept by git.
    #[error("{path} is in the way of a file of the workspace's git remote; move it")]
    InTheWay {
        /// Which.
        path: String,
    },
    /// Anything else.
    #[error("git failed on the workspace: {detail}")]
    Git {
        /// What git said.
        detail: String,
    },
}

impl From<Retry> for WorkspaceError {
    fn from(retry: Retry) -> Self {
        Self::Retry(retry)
    }
}

impl From<Person> for WorkspaceError {
    fn from(person: Person) -> Self {
        Self::Person(person)
    }
}

impl WorkspaceError {
    /// It may work later, by itself.
    #[must_use]
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Retry(_))
    }
}
