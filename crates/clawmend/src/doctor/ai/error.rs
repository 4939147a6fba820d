//! Why there is no advice, by what can be done about it.

use super::budget::NoTurn;
use super::credential::CredentialError;
use super::endpoint::EndpointError;
use super::envelope::{self, Opened};
use super::prompt::NoFence;
use super::reply::ReplyError;
use super::room::RoomError;
use super::run::{Ended, RunError};
use crate::openclaw::redact::redact;
use crate::settings::Engine;
use std::path::PathBuf;

/// Longest text of an engine's own message that is kept.
const MAX_SAID: usize = 300;

/// There is no advice. Nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The settings name nobody.
    #[error("no AI engine is set, so nobody was asked")]
    NoEngine {
        /// Whose programs are here.
        installed: Vec<Engine>,
    },
    /// There is neither a line nor a description.
    #[error("there is no evidence to ask about")]
    NothingToAsk,
    /// The engine's program is not there.
    #[error("the program {} is not here", program.display())]
    NoProgram {
        /// Which.
        program: PathBuf,
    },
    /// An engine without what it needs; the settings do not let this happen.
    #[error("the settings do not say where to ask")]
    NoAddress,
    /// The credential cannot be had.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Another call, or the day's limits.
    #[error(transparent)]
    NoTurn(#[from] NoTurn),
    /// The folder to run in.
    #[error("there is no folder for it to run in: {0}")]
    Room(#[from] RoomError),
    /// No random numbers.
    #[error(transparent)]
    NoFence(#[from] NoFence),
    /// The system gives no runtime.
    #[error("it cannot be asked: {0}")]
    NoRuntime(std::io::Error),
    /// It took too long, and was ended.
    #[error("it did not answer within {limit_ms} ms and was ended (ai.timeout_ms)")]
    TimedOut {
        /// Milliseconds.
        limit_ms: u64,
    },
    /// The program could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The program failed.
    #[error("it failed ({how}): {said}")]
    Failed {
        /// `exit 1`.
        how: String,
        /// What it said, without secrets.
        said: String,
    },
    /// The service did not answer.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The answer is not one that is taken.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

/// What can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Try again later.
    Retry,
    /// A person must change something.
    Person,
    /// The answer was refused; another one may be better.
    Refused,
}

impl AskError {
    /// The program ended with a failure.
    #[must_use]
    pub fn failed(ended: &Ended) -> Self {
        let output = String::from_utf8_lossy(&ended.output);
        let said = match envelope::open(output.trim()) {
            Opened::Failed(said) => said,
            Opened::Answer(_) | Opened::None => {
                last_words(&ended.messages).unwrap_or_else(|| last_words(&output).unwrap_or_default())
            }
        };
        let said = redact(&said, MAX_SAID);
        let said = if said.is_empty() { "it does not say why".to_owned() } else { said };
        Self::Failed { how: ended.how.clone(), said }
    }

    /// What can be done.
    #[must_use]
    pub const fn consequence(&self) -> Consequence {
        match self {
            Self::NoEngine { .. }
            | Self::NothingToAsk
            | Self::NoProgram { .. }
            | Self::NoAddress
            | Self::Credential(_)
            | Self::Room(_)
            | Self::NoTurn(NoTurn::Dir(_))
            | Self::Run(RunError::NotStarted(_))
            | Self::Endpoint(
                EndpointError::Readable { .. }
                | EndpointError::NoRoots { .. }
                | EndpointError::Redirect { .. }
                | EndpointError::Credential { .. },
            ) => Consequence::Person,
            Self::Reply(_) | Self::Run(RunError::Flooded) | Self::Endpoint(EndpointError::Flooded) => {
                Consequence::Refused
            }
            Self::NoTurn(_)
            | Self::NoFence(_)
            | Self::NoRuntime(_)
            | Self::TimedOut { .. }
            | Self::Run(RunError::Lost(_))
            | Self::Failed { .. }
            | Self::Endpoint(
                EndpointError::Unreachable { .. } | EndpointError::TooOften { .. } | EndpointError::Status { .. },
            ) => Consequence::Retry,
        }
    }

    /// What a person does next, in one sentence without an end stop.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoEngine { installed } if installed.is_empty() => {
                "set `engine` in the section [ai] of clawmend.toml: iflow, claude, codex, gemini or openai; none of their programs was found here".to_owned()
            }
            Self::NoEngine { installed } => {
                let names: Vec<&str> = installed.iter().map(|engine| engine.name()).collect();
                format!("set `engine` in the section [ai] of clawmend.toml; found here: {}", names.join(", "))
            }
            Self::NothingToAsk => "describe what is wrong, or name a log with --log".to_owned(),
            Self::NoProgram { .. } => "install it, or say where it is with ai.program".to_owned(),
            Self::Credential(CredentialError::NotNamed) => {
                "say where it is with ai.credential_env or ai.credential_file; logins of the engine's own are not used".to_owned()
            }
            Self::Credential(_) => "see ai.credential_env and ai.credential_file in clawmend.toml".to_owned(),
            Self::NoTurn(NoTurn::Busy) => "wait for it, at most ai.timeout_ms".to_owned(),
            Self::NoTurn(NoTurn::Calls { .. } | NoTurn::Cost { .. }) => {
                "tomorrow (UTC) is a new day, or allow more in clawmend.toml".to_owned()
            }
            Self::TimedOut { .. } => "try again, or allow it more time with ai.timeout_ms".to_owned(),
            Self::Endpoint(EndpointError::Credential { .. }) => {
                "renew the credential that ai.credential_env or ai.credential_file names".to_owned()
            }
            Self::Endpoint(EndpointError::Redirect { .. }) => "set ai.base_url to where the service really is".to_owned(),
            Self::Reply(_) | Self::Run(RunError::Flooded) | Self::Endpoint(EndpointError::Flooded) => {
                "nothing of it was used; ask again, or choose another model".to_owned()
            }
            Self::NoAddress | Self::Room(_) | Self::NoTurn(_) | Self::Run(_) | Self::Endpoint(_) => {
                "see the section [ai] of clawmend.toml".to_owned()
            }
            Self::NoFence(_) | Self::NoRuntime(_) | Self::Failed { .. } => "try again, or run the engine by hand".to_owned(),
        }
    }
}

/// The last line that is not empty.
fn last_words(text: &str) -> Option<String> {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}
