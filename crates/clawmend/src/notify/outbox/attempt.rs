//! One attempt to bring letters to one place, beside the loop.
//!
//! Invariants: it is on record before anything is sent; it ends within [`LIMIT`]; a fault of ours in it is an end like any
//! other.

use crate::host::clock;
use crate::notify::channel::Channel;
use crate::notify::http::Http;
use crate::notify::scribe::Scribe;
use crate::notify::{Kind, Letter, NotDelivered, Receipt};
use crate::settings::Language;
use crate::store::{Change, Delivery, Store};
use std::time::Duration;
use tokio::sync::mpsc;

/// Longest attempt.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest wait for the disk before it is sent without.
const DISK_PATIENCE: Duration = Duration::from_secs(2);

/// What is to be sent.
pub(super) struct Attempt {
    pub place: String,
    pub keys: Vec<String>,
    /// One, or the letters of a digest.
    pub letters: Vec<Letter>,
    /// An earlier guard may have delivered it.
    pub maybe_sent: bool,
    pub channel: Channel,
    pub http: Http,
    pub store: Store,
    pub scribe: Scribe,
    pub sending: Vec<Delivery>,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Done {
    pub place: String,
    pub keys: Vec<String>,
    pub result: Result<Receipt, NotDelivered>,
}

impl Attempt {
    /// Begins. How it ended comes through `done`.
    pub fn begin(self, done: mpsc::Sender<Done>) {
        let (place, keys) = (self.place.clone(), self.keys.clone());
        tokio::task::spawn_local(async move {
            let sent = tokio::task::spawn_local(self.send()).await;
            let result = sent.unwrap_or_else(|_| Err(NotDelivered::refused("a fault of the guard itself")));
            let _ = done.send(Done { place, keys, result }).await;
        });
    }

    async fn send(self) -> Result<Receipt, NotDelivered> {
        let kept = self.store.outbox(Change::Deliveries(self.sending.clone())).durable();
        if !matches!(tokio::time::timeout(DISK_PATIENCE, kept).await, Ok(Ok(()))) {
            tracing::warn!(place = self.place, "an alert goes out without being on record");
        }
        let letter = self.letter().await?;
        let deliver = self.channel.deliver(&letter, &self.http, clock::now().wall);
        tokio::time::timeout(LIMIT, deliver)
            .await
            .unwrap_or_else(|_| Err(NotDelivered::unsure(format!("no end after {} s", LIMIT.as_secs()))))
    }

    /// The letter itself, or the digest of them.
    async fn letter(&self) -> Result<Letter, NotDelivered> {
        let [one] = self.letters.as_slice() else {
            let (scribe, letters) = (self.scribe.clone(), self.letters.clone());
            let key = format!("digest/{}", self.keys.first().map_or("", String::as_str));
            let at = clock::now().wall;
            let written = tokio::task::spawn_blocking(move || scribe.digest(&key, &letters, at)).await;
            return written.map_err(|_| NotDelivered::refused("the digest could not be written"));
        };
        let mut letter = one.clone();
        if matches!(letter.kind, Kind::Resolved | Kind::Reminder) {
            let first = self.store.first_receipt(letter.subject_key.clone(), self.place.clone());
            let first = tokio::time::timeout(DISK_PATIENCE, first).await.ok().and_then(Result::ok);
            letter.answers = first.filter(|receipt| !receipt.is_empty()).map(Receipt);
        }
        if self.maybe_sent {
            let mark = match self.scribe.language.unwrap_or_else(Language::of_system) {
                Language::English => "(perhaps a repeat)",
                Language::Chinese => "（可能重复）",
            };
            letter.title = format!("{mark} {}", letter.title);
        }
        Ok(letter)
    }
}
