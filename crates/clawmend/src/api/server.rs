//! The guard's end of the control socket.
//!
//! Parses, bounds and times out; every understood question goes as a [`Call`] through a bounded channel to whoever
//! decides, together with the caller's process.

use super::request::{Answer, Question};
use crate::host::peer::Peer;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Connections at the same time; more are told so and closed.
pub const MAX_CONNECTIONS: usize = 16;
/// Within this the request line must be there, and each answer line must be taken.
pub const LINE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an answer: a stop may have to wait for an orderly end (330 s observed) and its proof.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// Lines of a stream that wait for a slow reader.
pub const STREAM_QUEUE: usize = 64;

/// A question, who asks, and where the reply goes.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub question: Question,
    /// Who asks.
    pub peer: Peer,
    /// Dropping it answers that it failed.
    pub reply: oneshot::Sender<Reply>,
}

/// One answer, or many.
#[derive(Debug)]
pub enum Reply {
    /// One line.
    Once(Box<Answer>),
    /// A line each, until the sender is dropped; the receiver is dropped when the caller goes away. Make it with
    /// [`STREAM_QUEUE`] places.
    Stream(mpsc::Receiver<Answer>),
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Once(Box::new(answer))
    }
}

/// The socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A person decides: another guard answers there.
    #[error("another guard answers on {}", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// A person must choose another folder.
    #[error("{} is too long for a socket's address; set CLAWMEND_RUNTIME_DIR to a shorter folder", path.display())]
    TooLong {
        /// The socket.
        path: PathBuf,
    },
    /// It may work later, or needs a person.
    #[error("the control socket {} cannot be opened: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not built for this system yet.
    #[error(transparent)]
    Unsupported(#[from] crate::host::Unsupported),
}

#[cfg(unix)]
pub use unix::Server;
#[cfg(not(unix))]
pub use unsupported::Server;

#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
mod unsupported {
    use super::{BindError, Call, mpsc};
    use std::path::Path;

    /// A named pipe would be here.
    #[derive(Debug)]
    pub struct Server(std::convert::Infallible);

    impl Server {
        /// Says that this system has no control socket yet.
        ///
        /// # Errors
        /// Always [`BindError::Unsupported`].
        pub fn bind(_runtime: &Path) -> Result<Self, BindError> {
            Err(crate::host::Unsupported { what: "the control socket" }.into())
        }

        /// Never runs.
        pub async fn serve(self, _calls: mpsc::Sender<Call>) {
            match self.0 {}
        }
    }
}
