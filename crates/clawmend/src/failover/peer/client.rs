//! The standby's side.

use super::super::key::{PairKey, hex, to_hex};
use super::wire::{Hello, Line, NoLine, Numbered, PROTOCOL, Question, Seal, Told, Voice, nonce, receive, send};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::TcpStream;

/// Why there is no answer. Both are facts about the other node; neither is a fault of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody there.
    #[error("the guard there does not answer: {0}")]
    Silent(String),
    /// Somebody, but not our peer.
    #[error("{0}")]
    Unclear(String),
}

/// Asks once, within `limit`.
///
/// # Errors
/// See [`NoAnswer`].
pub async fn ask(peer: SocketAddr, key: &PairKey, question: &Question, limit: Duration) -> Result<Told, NoAnswer> {
    tokio::time::timeout(limit, exchange(peer, key, question))
        .await
        .unwrap_or_else(|_| Err(NoAnswer::Silent(format!("nothing came within {} ms", limit.as_millis()))))
}

async fn exchange(peer: SocketAddr, key: &PairKey, question: &Question) -> Result<Told, NoAnswer> {
    let silent = |error: std::io::Error| NoAnswer::Silent(error.to_string());
    let mut stream = TcpStream::connect(peer).await.map_err(silent)?;
    let (from, mut to) = stream.split();
    let mut from = BufReader::new(from);
    let hello: Hello = receive(&mut from).await.map_err(|error| missed(peer, error))?;
    if hello.clawmend != PROTOCOL {
        return Err(NoAnswer::Unclear(format!(
            "the guard at {peer} speaks protocol {}, this one {PROTOCOL}: install the same version on both hosts",
            hello.clawmend
        )));
    }
    let theirs = hex(&hello.nonce).ok_or_else(|| garbled(peer))?;
    let ours = nonce().map_err(silent)?;
    let seal = Seal { key, theirs, ours };
    let body = serde_json::to_string(question).map_err(|error| silent(error.into()))?;
    let sealed = Numbered { nonce: to_hex(&ours), body: seal.seal(Voice::Asks, body) };
    send(&mut to, &sealed).await.map_err(silent)?;
    match receive(&mut from).await.map_err(|error| missed(peer, error))? {
        Line::Refused { why } => {
            let why: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
            Err(NoAnswer::Unclear(format!("the guard at {peer} refuses this node: {why}")))
        }
        Line::Sealed { seal: tag, body } => {
            if !seal.is_good(Voice::Answers, &tag, &body) {
                return Err(NoAnswer::Unclear(format!(
                    "the answer from {peer} is not sealed with the pair's key: copy the key from the primary again and restart the guard, or look who answers there"
                )));
            }
            serde_json::from_str(&body).map_err(|_| garbled(peer))
        }
    }
}

fn missed(peer: SocketAddr, error: NoLine) -> NoAnswer {
    match error {
        NoLine::Closed(error) => NoAnswer::Silent(error.to_string()),
        NoLine::Garbled => garbled(peer),
    }
}

fn garbled(peer: SocketAddr) -> NoAnswer {
    NoAnswer::Unclear(format!("what answers at {peer} is no guard of a pair: look what listens there"))
}
