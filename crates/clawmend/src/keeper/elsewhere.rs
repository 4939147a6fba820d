//! Systems on which the keeper is not built yet. The same interface; every call says so.

use super::protocol::{AdoptOrder, Event, Killed, Refusal, SpawnOrder, Spawned, State};
use crate::host::Unsupported;
use clawmend_core::failover::lease::{Fenced, Term};
use clawmend_core::gateway::Incarnation;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const SUPERVISING: Unsupported = Unsupported { what: "supervising a gateway as a child" };
/// `EX_UNAVAILABLE`.
const UNAVAILABLE: u8 = 69;

/// Why a keeper was not heard.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Start one, or try again: nobody listens there.
    #[error("no keeper in {}", dir.display())]
    Absent {
        /// Its folder.
        dir: PathBuf,
    },
    /// It answered: no.
    #[error("the keeper refused: {}", .0.message)]
    Refused(Refusal),
    /// Connect again.
    #[error("lost the keeper: {0}")]
    Lost(String),
    /// It could not be started; the reason is for a person.
    #[error("the keeper could not be started: {0}")]
    CannotStart(String),
    /// Not on this system.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}

/// A connection for questions. Never comes to be here.
#[derive(Debug)]
pub enum Keeper {}

/// What the keeper tells unasked. Never comes to be here.
#[derive(Debug)]
pub enum Events {}

impl Keeper {
    /// Not supported here.
    ///
    /// # Errors
    /// Always.
    pub async fn connect(_dir: &Path) -> Result<Self, KeeperError> {
        Err(SUPERVISING.into())
    }

    /// Not supported here.
    ///
    /// # Errors
    /// Always.
    pub async fn start(_dir: &Path) -> Result<Self, KeeperError> {
        Err(SUPERVISING.into())
    }

    /// Not supported here.
    ///
    /// # Errors
    /// Always.
    pub async fn start_program(_program: &Path, _dir: &Path) -> Result<Self, KeeperError> {
        Err(SUPERVISING.into())
    }

    /// Never called.
    ///
    /// # Errors
    /// None: there is no value to call it on.
    pub async fn hello(&mut self) -> Result<State, KeeperError> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None: there is no value to call it on.
    pub async fn spawn(&mut self, _order: SpawnOrder) -> Result<Spawned, KeeperError> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None: there is no value to call it on.
    pub async fn adopt(&mut self, _order: AdoptOrder) -> Result<Spawned, KeeperError> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None: there is no value to call it on.
    pub async fn ack(&mut self, _incarnation: &Incarnation) -> Result<(), KeeperError> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None: there is no value to call it on.
    pub async fn tail(&mut self, _bytes: u32) -> Result<String, KeeperError> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None: there is no value to call it on.
    pub async fn arm(&mut self, _fenced: Fenced) -> Result<Fenced, KeeperError> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None: there is no value to call it on.
    pub async fn disarm(&mut self, _term: Term) -> Result<(), KeeperError> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None: there is no value to call it on.
    pub async fn kill(&mut self) -> Result<Killed, KeeperError> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None: there is no value to call it on.
    pub async fn quit(&mut self) -> Result<(), KeeperError> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None: there is no value to call it on.
    pub async fn events(&self) -> Result<(State, Events), KeeperError> {
        match *self {}
    }
}

impl Events {
    /// Never called.
    ///
    /// # Errors
    /// None: there is no value to call it on.
    pub async fn next(&mut self) -> Result<Event, KeeperError> {
        match *self {}
    }
}

/// How to be PID 1.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// The guard's program and arguments.
    pub guard_argv: Vec<OsString>,
    /// How long the gateway may take for its orderly end; `None`: as long as it takes.
    pub stop_limit: Option<Duration>,
}

/// Not supported here.
pub fn main(_arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::from(UNAVAILABLE)
}

/// Not supported here.
#[must_use]
pub fn run_as_init(_dir: &Path, _options: InitOptions) -> ExitCode {
    ExitCode::from(UNAVAILABLE)
}
