//! The primary's side.
//!
//! Invariants: it only answers; nothing that comes in changes anything here but what is known of the standby; whoever has
//! not proven the key keeps nobody else out by connections that say nothing: then the primary would look lost.

use super::super::key::{PairKey, hex, to_hex};
use super::wire::{Hello, Line, NoLine, Numbered, PROTOCOL, Question, Seal, Told, Voice, nonce, receive, send};
use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Connections at the same time; a pair has few standbys.
const MOST: usize = 32;
/// Of them, those of one address that have not proven the key.
const STRANGERS: usize = 4;
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
    let mut guests = Guests::default();
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a standby could not be listened to");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if !guests.have_room_for(from.ip()) {
            continue;
        }
        let (key, answers, proven) = (key.clone(), Rc::clone(&answers), Rc::new(Cell::new(false)));
        let proves = Rc::clone(&proven);
        let exchange = tokio::task::spawn_local(async move {
            match tokio::time::timeout(LIMIT, exchange(stream, from, (&key, &proves), &*answers)).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => tracing::debug!(%from, why, "a question of a peer was not answered"),
                Err(_) => tracing::debug!(%from, "a peer took too long"),
            }
        });
        guests.0.push(Guest { from: from.ip(), proven, exchange });
    }
}

/// Who is being talked to, the oldest first.
#[derive(Default)]
struct Guests(Vec<Guest>);

struct Guest {
    from: IpAddr,
    /// It has the key.
    proven: Rc<Cell<bool>>,
    exchange: JoinHandle<()>,
}

impl Guests {
    /// Makes room, where one who has not proven the key can be sent away for it.
    fn have_room_for(&mut self, from: IpAddr) -> bool {
        self.0.retain(|guest| !guest.exchange.is_finished());
        let of_this = self.0.iter().filter(|guest| guest.from == from && !guest.proven.get()).count();
        if of_this >= STRANGERS {
            return self.send_away(|guest| guest.from == from);
        }
        self.0.len() < MOST || self.send_away(|_| true)
    }

    /// The one of these that has been there for longest without a proof.
    fn send_away(&mut self, of: impl Fn(&Guest) -> bool) -> bool {
        let Some(at) = self.0.iter().position(|guest| !guest.proven.get() && of(guest)) else { return false };
        self.0.remove(at).exchange.abort();
        true
    }
}

async fn exchange<A: Answers>(
    mut stream: TcpStream,
    from: SocketAddr,
    (key, proven): (&PairKey, &Cell<bool>),
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
    proven.set(true);
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
