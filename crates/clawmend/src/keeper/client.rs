//! The guard's side of the keeper's socket.
//!
//! [`Keeper`] asks, [`Events`] listens, each on a connection of its own. Invariant: dropping a call half-way (as
//! `select!` does) loses nothing but its answer.

use super::protocol::{
    AdoptOrder, Answer, Asked, Deadman, Ended, Event, Killed, LINE_MAX, Refusal, RefusalCode, Request, SpawnOrder,
    Spawned, State, Tail, Told, ToldEvent, VERSION,
};
use crate::version;
use clawmend_core::failover::lease::{Fenced, Term};
use clawmend_core::gateway::Incarnation;
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::net::UnixStream;

/// A keeper answers within a millisecond; one that does not answer within this is stopped or starved.
const PATIENCE: Duration = Duration::from_secs(10);

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
    Unsupported(#[from] crate::host::Unsupported),
}

/// A connection for questions.
#[derive(Debug)]
pub struct Keeper {
    dir: PathBuf,
    lines: Lines,
    next_id: u64,
    /// A request may have been written in part.
    torn: bool,
}

impl Keeper {
    /// To the keeper that has its folder at `dir`.
    ///
    /// # Errors
    /// [`KeeperError::Absent`] if none listens.
    pub async fn connect(dir: &Path) -> Result<Self, KeeperError> {
        Ok(Self { dir: dir.to_owned(), lines: Lines::connect(dir).await?, next_id: 1, torn: false })
    }

    /// Starts a keeper from this very program, detached from us, and connects. If one runs there already, connects.
    ///
    /// # Errors
    /// It could not be started, or did not come up within 10 s.
    pub async fn start(dir: &Path) -> Result<Self, KeeperError> {
        // Also right when our own file was replaced by an upgrade: the child runs what we run.
        Self::start_program(Path::new("/proc/self/exe"), dir).await
    }

    /// The same with another `clawmend` program.
    ///
    /// # Errors
    /// See [`Keeper::start`].
    pub async fn start_program(program: &Path, dir: &Path) -> Result<Self, KeeperError> {
        if let Ok(keeper) = Self::connect(dir).await {
            return Ok(keeper);
        }
        let cannot = |error: io::Error| KeeperError::CannotStart(error.to_string());
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(cannot)?;
        ours.set_nonblocking(true).map_err(cannot)?;
        launch(program, dir, theirs).map_err(cannot)?;
        let mut lines = Lines::new(UnixStream::from_std(ours).map_err(cannot)?);
        let said = tokio::time::timeout(PATIENCE, lines.next()).await;
        match said {
            Ok(Ok(line)) if line == b"ready" => {}
            // Another keeper was faster, or it says why it cannot.
            Ok(Ok(line)) => {
                let reason = crate::host::printable(&line, 500);
                return Self::connect(dir).await.map_err(|_| KeeperError::CannotStart(reason));
            }
            Ok(Err(_)) => {
                let reason = "it ended at once".to_owned();
                return Self::connect(dir).await.map_err(|_| KeeperError::CannotStart(reason));
            }
            Err(_) => return Err(KeeperError::CannotStart("it did not come up in time".to_owned())),
        }
        Self::connect(dir).await
    }

    /// Its state.
    ///
    /// # Errors
    /// The keeper is lost.
    pub async fn hello(&mut self) -> Result<State, KeeperError> {
        self.ask(Request::Hello).await
    }

    /// Starts the gateway, once per directive. The intent must be recorded before.
    ///
    /// # Errors
    /// Refused (see [`super::protocol::RefusalCode`]), or the keeper is lost: then ask again, with the same directive.
    pub async fn spawn(&mut self, order: SpawnOrder) -> Result<Spawned, KeeperError> {
        self.ask(Request::Spawn(order)).await
    }

    /// Lets a new keeper take over a gateway whose keeper died.
    ///
    /// # Errors
    /// Refused, or the keeper is lost.
    pub async fn adopt(&mut self, order: AdoptOrder) -> Result<Spawned, KeeperError> {
        self.ask(Request::Adopt(order)).await
    }

    /// The end of this life is recorded; the keeper may forget it.
    ///
    /// # Errors
    /// The keeper is lost.
    pub async fn ack(&mut self, incarnation: &Incarnation) -> Result<(), KeeperError> {
        self.ask::<serde::de::IgnoredAny>(Request::Ack { incarnation: incarnation.clone() }).await.map(drop)
    }

    /// The newest output of the gateway, at most `bytes`.
    ///
    /// # Errors
    /// The keeper is lost.
    pub async fn tail(&mut self, bytes: u32) -> Result<String, KeeperError> {
        self.ask::<Tail>(Request::Tail { bytes }).await.map(|tail| tail.text)
    }

    /// Has the deadman end the whole gateway at a moment, whatever happens to this guard. The keeper has it on record
    /// when it answers. What comes back is what stands.
    ///
    /// # Errors
    /// Refused (what was armed before stands), the keeper is too old to know a deadman, or it is lost: then it may have
    /// been armed, or not.
    pub async fn arm(&mut self, fenced: Fenced) -> Result<Fenced, KeeperError> {
        let request = Request::Arm { term: fenced.term.0, until_ms: fenced.until.0 };
        self.ask::<Deadman>(request).await.map(Fenced::from)
    }

    /// Takes the deadman away, after the proven end of the gateway and of its lease.
    ///
    /// # Errors
    /// Refused while a gateway runs, and under a lower term; or the keeper is lost.
    pub async fn disarm(&mut self, term: Term) -> Result<(), KeeperError> {
        self.ask::<serde::de::IgnoredAny>(Request::Disarm { term: term.0 }).await.map(drop)
    }

    /// Ends the whole gateway now, by SIGKILL: the child and all that it started. Ask again until nothing is left.
    ///
    /// # Errors
    /// The keeper is too old to know this, or it is lost.
    pub async fn kill(&mut self) -> Result<Killed, KeeperError> {
        self.ask(Request::Kill).await
    }

    /// Ends the keeper.
    ///
    /// # Errors
    /// Refused while a gateway lives.
    pub async fn quit(&mut self) -> Result<(), KeeperError> {
        self.ask::<serde::de::IgnoredAny>(Request::Quit).await.map(drop)
    }

    /// Opens a second connection on which the keeper tells what happens. Its state at that instant comes with it, so
    /// that nothing falls between.
    ///
    /// # Errors
    /// The keeper is lost.
    pub async fn events(&self) -> Result<(State, Events), KeeperError> {
        let mut second = Self::connect(&self.dir).await?;
        if version::IS_NEXT {
            second.ask_what_it_does_not_know().await?;
        }
        let state = second.ask(Request::Subscribe).await?;
        Ok((state, Events { lines: second.lines }))
    }

    async fn ask<T: DeserializeOwned>(&mut self, request: Request) -> Result<T, KeeperError> {
        if self.torn {
            *self = Self::connect(&self.dir).await?;
        }
        let id = self.next_id;
        self.next_id += 1;
        let mut line = serde_json::to_vec(&Asked { v: VERSION, id, request }).map(version::onto_wire).map_err(lost)?;
        line.push(b'\n');
        if line.len() > LINE_MAX {
            return Err(KeeperError::Lost(format!("a request of {} bytes is too long", line.len())));
        }
        self.torn = true;
        let answer = tokio::time::timeout(PATIENCE, self.exchange(&line, id)).await;
        let answer = answer.map_err(|_| KeeperError::Lost("it does not answer".to_owned()))??;
        self.torn = false;
        match serde_json::from_slice::<Told<T>>(&answer).map_err(lost)?.answer {
            Answer::Ok(value) => Ok(value),
            Answer::Error(refusal) => Err(KeeperError::Refused(refusal)),
        }
    }

    /// As a later guard might: the keeper says that it does not know that, and stays with us.
    async fn ask_what_it_does_not_know(&mut self) -> Result<(), KeeperError> {
        let id = self.next_id;
        self.next_id += 1;
        let line = format!("{{\"v\":{VERSION},\"id\":{id},\"do\":\"levitate\",\"height\":3}}\n");
        let answer = self.exchange(line.as_bytes(), id).await?;
        match serde_json::from_slice::<Told<serde::de::IgnoredAny>>(&answer).map_err(lost)?.answer {
            Answer::Error(refusal) if refusal.code == RefusalCode::UnknownRequest => Ok(()),
            Answer::Error(refusal) => Err(KeeperError::Refused(refusal)),
            Answer::Ok(_) => Err(KeeperError::Lost("it claims to do what it cannot know".to_owned())),
        }
    }

    async fn exchange(&mut self, line: &[u8], id: u64) -> Result<Vec<u8>, KeeperError> {
        #[derive(serde::Deserialize)]
        struct Head {
            id: Option<u64>,
        }
        self.lines.write(line).await.map_err(lost)?;
        loop {
            let answer = self.lines.next().await.map_err(lost)?;
            if serde_json::from_slice::<Head>(&answer).map_err(lost)?.id == Some(id) {
                return Ok(answer);
            }
        }
    }
}

/// What the keeper tells unasked.
#[derive(Debug)]
pub struct Events {
    lines: Lines,
}

impl Events {
    /// The next event. Can be dropped and called again without losing one.
    ///
    /// # Errors
    /// The keeper is lost: connect or start one, and compare its state.
    pub async fn next(&mut self) -> Result<Event, KeeperError> {
        let line = self.lines.next().await.map_err(lost)?;
        serde_json::from_slice::<ToldEvent>(&line).map(|told| told.event).map_err(lost)
    }
}

/// The end that an event tells of.
#[must_use]
pub fn end_in(event: &Event) -> Option<&Ended> {
    if let Event::Exited(ended) = event { Some(ended) } else { None }
}

fn lost(error: impl std::fmt::Display) -> KeeperError {
    KeeperError::Lost(error.to_string())
}

/// A launcher starts the keeper and ends at once, so that the keeper is not our child: nobody need reap it, and it is
/// no group leader, so it can have a session of its own. All descriptors that Rust opens are closed by `exec`.
fn launch(program: &Path, dir: &Path, ready: std::os::unix::net::UnixStream) -> io::Result<()> {
    let mut command = Command::new(program);
    command.arg0("clawmend").args([OsStr::new("keeper"), OsStr::new("--launch"), OsStr::new("--dir"), dir.as_os_str()]);
    // What a service manager gave to us is not for others.
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] {
        command.env_remove(name);
    }
    let mut launcher = command
        .stdin(Stdio::null())
        .stdout(std::os::fd::OwnedFd::from(ready))
        .stderr(Stdio::null())
        .current_dir("/")
        .spawn()?;
    launcher.wait().map(drop)
}

/// Lines over a stream; reading can be interrupted at any await without losing bytes.
#[derive(Debug)]
struct Lines {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Lines {
    fn new(stream: UnixStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    async fn connect(dir: &Path) -> Result<Self, KeeperError> {
        let absent = |_| KeeperError::Absent { dir: dir.to_owned() };
        let (path, _folder) = super::socket::short_path(dir).map_err(absent)?;
        UnixStream::connect(&path).await.map(Self::new).map_err(absent)
    }

    async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next line, without its end.
    async fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Ok(line);
            }
            if self.buffer.len() > 2 * LINE_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
            }
            self.stream.readable().await?;
            let mut chunk = [0; 4096];
            match self.stream.try_read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}
