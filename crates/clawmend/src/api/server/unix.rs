//! The unix socket.

use super::{ANSWER_TIMEOUT, BindError, Call, LINE_TIMEOUT, MAX_CONNECTIONS, Reply};
use crate::api::request::{Answer, Question};
use crate::api::{MAX_ANSWER, MAX_LINE, SOCKET};
use crate::host::peer::{self, Peer};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// Longest path of a unix socket that works on all systems, with its ending zero.
const MAX_PATH: usize = 103;

/// The open socket. It is removed when this is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Opens the socket in the runtime folder, readable by its owner only, and clears away one that nobody
    /// answers on. The caller holds the guard's lock, so that two of them cannot do this at once.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(runtime: &Path) -> Result<Self, BindError> {
        let path = runtime.join(SOCKET);
        if path.as_os_str().len() > MAX_PATH {
            return Err(BindError::TooLong { path });
        }
        let failed = |source| BindError::Io { path: path.clone(), source };
        match std::os::unix::net::UnixStream::connect(&path) {
            Ok(_) => return Err(BindError::Taken { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(&path).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        // Nobody else gets here before this line: the folder is 0700.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, path })
    }

    /// Answers until the future is dropped. Must run on a current-thread or multi-thread tokio runtime.
    pub async fn serve(self, calls: mpsc::Sender<Call>) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: accepting again at once would only burn CPU.
                    tracing::warn!(target: "clawmend::api", %error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                    continue;
                }
            };
            match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let calls = calls.clone();
                    tokio::spawn(async move {
                        let _place = place;
                        converse(stream, &calls).await;
                    });
                }
                Err(_) => turn_away(&stream),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// One line into the empty buffer of a new connection never waits.
fn turn_away(stream: &UnixStream) {
    let why = format!("{MAX_CONNECTIONS} callers are connected already; try again");
    if let Ok(line) = line_of(&Answer::Failed { why }) {
        let _ = stream.try_write(&line);
    }
}

async fn converse(stream: UnixStream, calls: &mpsc::Sender<Call>) {
    let peer = peer::of(&stream);
    let (read, mut write) = stream.into_split();
    let (mut read, question) = match timeout(LINE_TIMEOUT, question(read)).await {
        Ok(Ok(Some(asked))) => asked,
        Ok(Ok(None)) => return,
        Ok(Err(why)) => return drop(send(&mut write, &Answer::BadRequest { why }).await),
        Err(_) => {
            let why = format!("no request came within {} s", LINE_TIMEOUT.as_secs());
            return drop(send(&mut write, &Answer::BadRequest { why }).await);
        }
    };
    match peer {
        Ok(peer) if is_ours(&peer) => answer(&mut read, &mut write, calls, question, peer).await,
        Ok(Peer { .. }) => {
            let why = "only the guard's own user and root may ask".to_owned();
            drop(send(&mut write, &Answer::Refused { why }).await);
        }
        Err(error) => {
            let why = format!("the system does not tell who asks: {error}");
            drop(send(&mut write, &Answer::Refused { why }).await);
        }
    }
}

fn is_ours(peer: &Peer) -> bool {
    peer.uid == 0 || peer.uid == rustix::process::geteuid().as_raw()
}

/// `None`: the caller went away without a word, as one does who only looks whether a guard is there.
async fn question(read: OwnedReadHalf) -> Result<Option<(OwnedReadHalf, Question)>, String> {
    let mut limited = BufReader::new(read).take(MAX_LINE as u64 + 1);
    let mut line = Vec::new();
    limited.read_until(b'\n', &mut line).await.map_err(|error| error.to_string())?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() > MAX_LINE {
        return Err(format!("a request is at most {MAX_LINE} bytes"));
    }
    let question = serde_json::from_slice(&line).map_err(|error| format!("not a request: {error}"))?;
    Ok(Some((limited.into_inner().into_inner(), question)))
}

async fn answer(
    read: &mut OwnedReadHalf,
    write: &mut OwnedWriteHalf,
    calls: &mpsc::Sender<Call>,
    question: Question,
    peer: Peer,
) {
    let (reply, coming) = oneshot::channel();
    let failed = |why: &str| Answer::Failed { why: why.to_owned() };
    if calls.send(Call { question, peer, reply }).await.is_err() {
        return drop(send(write, &failed("the guard is ending")).await);
    }
    match timeout(ANSWER_TIMEOUT, coming).await {
        Ok(Ok(Reply::Once(answer))) => drop(send(write, &answer).await),
        Ok(Ok(Reply::Stream(lines))) => stream(read, write, lines).await,
        Ok(Err(_)) => drop(send(write, &failed("the guard gave no answer")).await),
        Err(_) => drop(send(write, &failed("the guard gave no answer in time")).await),
    }
}

/// Ends with the last line, or as soon as the caller goes away, also while nothing is logged.
async fn stream(read: &mut OwnedReadHalf, write: &mut OwnedWriteHalf, mut lines: mpsc::Receiver<Answer>) {
    let mut byte = [0; 1];
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => if send(write, &line).await.is_err() { return },
                None => return drop(send(write, &Answer::End).await),
            },
            gone = read.read(&mut byte) => if !matches!(gone, Ok(1..)) { return },
        }
    }
}

async fn send(write: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let line = line_of(answer)?;
    timeout(LINE_TIMEOUT, write.write_all(&line)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn line_of(answer: &Answer) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(answer)?;
    if line.len() >= MAX_ANSWER {
        let why = format!("the answer has {} bytes, more than fit; ask for less", line.len());
        line = serde_json::to_vec(&Answer::Failed { why })?;
    }
    line.push(b'\n');
    Ok(line)
}
