//! The commands' end of the control socket: blocking, one connection per question.

use super::request::{Answer, Question, Request};
use super::{MAX_ANSWER, SOCKET};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for the next line of an answer: longer than the guard's own limit, so that it can say why.
const PATIENCE: Duration = Duration::from_secs(620);

/// A question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers on the socket: no guard runs.
    #[error("no guard is running")]
    NoGuard,
    /// It is there and not for us.
    #[error("the control socket {} may not be used by this user", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// The guard has another version.
    #[error("the guard's answer was not understood: {0}")]
    NotUnderstood(String),
    /// The connection broke; a new try may work.
    #[error("the guard broke off: {0}")]
    Broken(#[from] io::Error),
    /// Not built for this system yet.
    #[error(transparent)]
    Unsupported(#[from] crate::host::Unsupported),
}

/// Asks and takes one answer.
///
/// # Errors
/// [`AskError`].
pub fn ask(runtime: &Path, question: &Question) -> Result<Answer, AskError> {
    let mut answers = Answers::open(runtime, question)?;
    answers.next().unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()))
}

/// Asks and takes answers until [`Answer::End`].
///
/// # Errors
/// [`AskError`].
pub fn stream(runtime: &Path, question: &Question) -> Result<Answers, AskError> {
    Answers::open(runtime, question)
}

/// Answers, one by one.
pub struct Answers {
    from: BufReader<Box<dyn Read>>,
    done: bool,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").field("done", &self.done).finish_non_exhaustive()
    }
}

impl Answers {
    fn open(runtime: &Path, question: &Question) -> Result<Self, AskError> {
        // A quiet log is no reason to give up.
        let follows = matches!(question.request, Request::Logs { follow: true, .. });
        let (from, mut to) = connect(&runtime.join(SOCKET), (!follows).then_some(PATIENCE))?;
        let mut line = serde_json::to_vec(question).map_err(io::Error::from)?;
        line.push(b'\n');
        match to.write_all(&line) {
            // The guard had no place for us; its answer says so.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => other?,
        }
        Ok(Self { from: BufReader::new(from), done: false })
    }

    fn read(&mut self) -> Result<Option<Answer>, AskError> {
        let mut line = Vec::new();
        self.from.by_ref().take(MAX_ANSWER as u64 + 1).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let answer = serde_json::from_slice(&line).map_err(|error| AskError::NotUnderstood(error.to_string()))?;
        Ok(Some(answer).filter(|answer| *answer != Answer::End))
    }
}

impl Iterator for Answers {
    type Item = Result<Answer, AskError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.read().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

type Halves = (Box<dyn Read>, Box<dyn Write>);

#[cfg(unix)]
fn connect(path: &Path, patience: Option<Duration>) -> Result<Halves, AskError> {
    let stream = std::os::unix::net::UnixStream::connect(path).map_err(|error| {
        let kind = error.kind();
        if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
            AskError::NoGuard
        } else if kind == io::ErrorKind::PermissionDenied {
            AskError::Forbidden { path: path.to_owned() }
        } else {
            AskError::Broken(error)
        }
    })?;
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    Ok((Box::new(stream.try_clone()?), Box::new(stream)))
}

#[cfg(not(unix))]
fn connect(_path: &Path, _patience: Option<Duration>) -> Result<Halves, AskError> {
    Err(crate::host::Unsupported { what: "the control socket" }.into())
}
