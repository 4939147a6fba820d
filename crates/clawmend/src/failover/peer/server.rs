//! The primary's side.
//!
//! Invariant: it only answers; nothing that comes in changes anything here but what is known of the standby.

use super::super::key::{PairKey, hex, to_hex};
use super::wire::{Hello, Line, NoLine, Numbered, PROTOCOL, Question, Seal, Told, Voice, nonce, receive, send};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};

/// Questions that are answered at the same time; a pair has one standby, and somebody else gets nothing.
const MOST: u32 = 8;
/// How long one exchange may take.
const LIMIT: Duration = Duration::from_secs(5);
/// After the system gave no connection, such as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(500);

/// Gives the answers.
pub trait Answers {
    /// What is said to a standby that has proven that it has the key; `None`: nothing is known yet.
    fn answer(&self, from: SocketAddr, question: Question) -> impl Future<Output = Option<Told>>;
}

/// Answers for good.
pub async fn serve<A: Answers + 'static>(listener: TcpListener, key: PairKey, answers: Rc<A>) {
    let busy = Rc::new(Cell::new(0));
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a standby could not be listened to");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if busy.get() >= MOST {
            continue;
        }
        busy.set(busy.get() + 1);
        let (busy, key, answers) = (Rc::clone(&busy), key.clone(), Rc::clone(&answers));
        tokio::task::spawn_local(async move {
            match tokio::time::timeout(LIMIT, exchange(stream, from, &key, &*answers)).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => tracing::debug!(%from, why, "a question of a peer was not answered"),
                Err(_) => tracing::debug!(%from, "a peer took too long"),
            }
            busy.set(busy.get().saturating_sub(1));
        });
    }
}

async fn exchange<A: Answers>(
    mut stream: TcpStream,
    from: SocketAddr,
    key: &PairKey,
    answers: &A,
) -> Result<(), String> {
    let broken = |error: std::io::Error| error.to_string();
    let (reads, mut writes) = stream.split();
    let mut reads = BufReader::new(reads);
    let ours = nonce().map_err(broken)?;
    send(&mut writes, &Hello { clawmend: PROTOCOL, nonce: to_hex(&ours) }).await.map_err(broken)?;
    let asked: Numbered<Line> = match receive(&mut reads).await {
        Ok(asked) => asked,
        Err(NoLine::Closed(error)) => return Err(broken(error)),
        Err(NoLine::Garbled) => return refuse(&mut writes, "this is no question of a standby").await,
    };
    let (Line::Sealed { seal: tag, body }, Some(theirs)) = (asked.body, hex(&asked.nonce)) else {
        return refuse(&mut writes, "this is no question of a standby").await;
    };
    let seal = Seal { key, theirs, ours };
    if !seal.is_good(Voice::Asks, &tag, &body) {
        return refuse(&mut writes, "it has another key; copy the key from the primary again, and restart the guard")
            .await;
    }
    let Ok(question) = serde_json::from_str::<Question>(&body) else {
        return refuse(&mut writes, "its question is not understood; install the same version on both hosts").await;
    };
    let Some(told) = answers.answer(from, question).await else {
        return refuse(&mut writes, "the primary's guard has only just begun").await;
    };
    let body = serde_json::to_string(&told).map_err(|error| error.to_string())?;
    send(&mut writes, &seal.seal(Voice::Answers, body)).await.map_err(broken)
}

async fn refuse(to: &mut (impl tokio::io::AsyncWrite + Unpin), why: &str) -> Result<(), String> {
    let line = Line::Refused { why: why.to_owned() };
    send(to, &line).await.map_err(|error| error.to_string())?;
    Err(why.to_owned())
}
