//! Lines and seals.

use super::super::key::{PairKey, hex, to_hex};
use clawmend_core::failover::Role;
use clawmend_core::failover::ownership::Owned;
use clawmend_core::health::Verdict;
use clawmend_core::time::Wall;
use ring::hmac;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What this guard speaks.
pub const PROTOCOL: u32 = 1;
/// Longest line, in bytes.
pub const MAX_LINE: u64 = 128 * 1024;

/// A number used once.
pub(super) type Nonce = [u8; 16];

/// The primary's first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// So that nothing else is taken for a peer.
    pub clawmend: u32,
    /// As hexadecimal digits.
    pub nonce: String,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// A body and its seal.
    Sealed {
        /// As hexadecimal digits.
        seal: String,
        /// JSON.
        body: String,
    },
    /// The question was not taken.
    Refused {
        /// Why.
        why: String,
    },
}

/// Who seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    Asks,
    Answers,
}

/// What the standby says of itself when it asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its guard's version.
    pub version: String,
    /// What it does at present.
    pub role: Role,
    /// A person holds it.
    pub held: bool,
    /// Its clock.
    pub wall: Wall,
}

/// What a primary says, and a standby to one that comes after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its guard's version.
    pub version: String,
    /// OpenClaw's version there, if known.
    pub openclaw: Option<String>,
    /// Its clock.
    pub wall: Wall,
    /// What its guard believes of its gateway.
    pub verdict: Verdict,
    /// The gateway has a process.
    pub alive: bool,
    /// A person has stopped it.
    pub stopped: bool,
    /// What it owns.
    pub accounts: Owned,
    /// Where a standby answers one that comes after it.
    #[serde(default)]
    pub standby: Option<StandsBy>,
}

/// A standby, as it tells one that comes after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandsBy {
    /// What it does at present.
    pub role: Role,
    /// It would take over by itself: no person holds it, and its channels are its own.
    pub would: bool,
    /// It sees the primary, at work or being repaired.
    pub sees_primary: bool,
}

/// With the question's number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Numbered<T> {
    pub nonce: String,
    #[serde(flatten)]
    pub body: T,
}

/// Keeps the key and both numbers of one exchange.
pub(super) struct Seal<'a> {
    pub key: &'a PairKey,
    pub theirs: Nonce,
    pub ours: Nonce,
}

impl Seal<'_> {
    /// `greeted` is the number of the one who listens, `asked` that of the one who asks.
    fn bytes(voice: Voice, greeted: &Nonce, asked: &Nonce, body: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(body.len() + 48);
        bytes.extend_from_slice(match voice {
            Voice::Asks => b"clawmend pair 1 asks\0",
            Voice::Answers => b"clawmend pair 1 says\0",
        });
        bytes.extend_from_slice(greeted);
        bytes.extend_from_slice(asked);
        bytes.extend_from_slice(body.as_bytes());
        bytes
    }

    const fn numbers(&self, voice: Voice, sealing: bool) -> (&Nonce, &Nonce) {
        // The asker's own number is the one asked with; for the one who listens it is the other way round.
        let asker = matches!((voice, sealing), (Voice::Asks, true) | (Voice::Answers, false));
        if asker { (&self.theirs, &self.ours) } else { (&self.ours, &self.theirs) }
    }

    /// Seals what is sent.
    pub fn seal(&self, voice: Voice, body: String) -> Line {
        let (greeted, asked) = self.numbers(voice, true);
        let tag = hmac::sign(&self.key.for_wire(), &Self::bytes(voice, greeted, asked, &body));
        Line::Sealed { seal: to_hex(tag.as_ref()), body }
    }

    /// Whether what came was sealed with our key, in this exchange.
    pub fn is_good(&self, voice: Voice, seal: &str, body: &str) -> bool {
        let (greeted, asked) = self.numbers(voice, false);
        hex::<32>(seal).is_some_and(|seal| {
            hmac::verify(&self.key.for_wire(), &Self::bytes(voice, greeted, asked, body), &seal).is_ok()
        })
    }
}

/// A new number.
pub(super) fn nonce() -> io::Result<Nonce> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|_| io::Error::other("the system gave no random bytes"))?;
    Ok(nonce)
}

/// Sends one line.
pub(super) async fn send<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), line: &T) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    to.write_all(&bytes).await?;
    to.flush().await
}

/// Why no line came.
#[derive(Debug)]
pub(super) enum NoLine {
    /// The connection ended before anything came, or broke.
    Closed(io::Error),
    /// What came is no line of ours.
    Garbled,
}

/// Receives one line.
pub(super) async fn receive<T: DeserializeOwned>(from: &mut (impl AsyncBufRead + Unpin)) -> Result<T, NoLine> {
    let mut bytes = Vec::new();
    from.take(MAX_LINE).read_until(b'\n', &mut bytes).await.map_err(NoLine::Closed)?;
    if bytes.is_empty() {
        return Err(NoLine::Closed(io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
    if bytes.last() != Some(&b'\n') {
        return Err(NoLine::Garbled);
    }
    serde_json::from_slice(&bytes).map_err(|_| NoLine::Garbled)
}
