//! Attempts to deliver, and what became of them.
//!
//! Invariant: that an attempt is under way is on record before it begins; how it ended is on record before its letter is
//! forgotten. Start at [`Outbox::dispatch`]; [`Outbox::settle`] is its end.

use super::super::{Letter, NotDelivered, Receipt};
use super::Outbox;
use super::attempt::{Attempt, Done};
use crate::host::clock;
use crate::store::{Change, Delivery, Fate};
use clawmend_core::alert::lane::{Ended, Waiting};
use clawmend_core::alert::router::{self, Dispatch};
use clawmend_core::time::{Now, Wall};

impl Outbox {
    /// Begins an attempt, beside the loop.
    pub(super) fn dispatch(&mut self, now: Now, dispatch: Dispatch) {
        let (place, waiting) = match dispatch {
            Dispatch::One { place, letter } => (place, vec![letter]),
            Dispatch::Digest { place, letters } => (place, letters),
        };
        let letters: Vec<Letter> = waiting.iter().filter_map(|one| self.letters.get(&one.key).cloned()).collect();
        let channel = self.found.places.iter().find(|(known, _)| known.id == place).map(|(_, channel)| channel.clone());
        let keys: Vec<String> = waiting.iter().map(|one| one.key.clone()).collect();
        if letters.is_empty() {
            return self.settle(Done { place, keys, result: Err(NotDelivered::refused("its text is not known")) });
        }
        let (Some(channel), Some(http)) = (channel, self.found.http.clone()) else {
            let result = Err(NotDelivered::later("there is no way to send anything now"));
            return self.settle(Done { place, keys, result });
        };
        let sending = self.deliveries(&place, &waiting, now.wall);
        let attempt = Attempt {
            place,
            keys,
            letters,
            maybe_sent: waiting.iter().any(|one| one.maybe_sent),
            channel,
            http,
            store: self.parts.store.clone(),
            scribe: self.scribe(),
            sending,
        };
        attempt.begin(self.done.clone());
    }

    fn deliveries(&mut self, place: &str, waiting: &[Waiting], at: Wall) -> Vec<Delivery> {
        waiting
            .iter()
            .map(|one| {
                let attempts = self.attempts.entry((one.key.clone(), place.to_owned())).or_default();
                *attempts = attempts.saturating_add(1);
                Delivery {
                    key: one.key.clone(),
                    place: place.to_owned(),
                    fate: Fate::Sending,
                    attempts: *attempts,
                    at,
                    receipt: String::new(),
                    why: String::new(),
                }
            })
            .collect()
    }

    /// An attempt has ended.
    pub(super) fn settle(&mut self, done: Done) {
        let now = clock::now();
        let Done { place, keys, result } = done;
        tell_log(&place, &keys, &result);
        let (ended, receipt, why) = match result {
            Ok(receipt) => (Ended::Delivered, receipt.0, String::new()),
            Err(error) => (ended_of(&error), String::new(), error.to_string()),
        };
        let mut record: Vec<Delivery> = Vec::new();
        for settled in self.router.ended(now.mono, &place, ended) {
            let fate = match settled.fate {
                router::Fate::Delivered => Fate::Delivered,
                router::Fate::Unsure => Fate::Unsure,
                router::Fate::Undeliverable => Fate::Undeliverable,
            };
            record.push(self.delivery(&settled.key, &settled.place, fate, now.wall));
        }
        // What is tried again waits, and is not under way any more; what has ended at a place that is gone has ended.
        let left = match ended {
            Ended::Delivered => Fate::Delivered,
            Ended::Unsure => Fate::Unsure,
            Ended::Refused => Fate::Undeliverable,
            Ended::Retry { .. } | Ended::NeedsPerson => Fate::Waiting,
        };
        let ended_here = |key: &String| record.iter().any(|one| one.key == *key && one.place == place);
        let again: Vec<&String> = keys.iter().filter(|key| !ended_here(key)).collect();
        record.extend(again.into_iter().map(|key| self.delivery(key, &place, left, now.wall)));
        for one in record.iter_mut().filter(|one| one.place == place) {
            one.receipt.clone_from(&receipt);
            one.why.clone_from(&why);
        }
        self.letters.retain(|key, _| self.router.waits(key));
        self.attempts.retain(|(key, _), _| self.router.waits(key));
        drop(self.parts.store.outbox(Change::Deliveries(record)));
    }

    fn delivery(&self, key: &str, place: &str, fate: Fate, at: Wall) -> Delivery {
        let attempts = self.attempts.get(&(key.to_owned(), place.to_owned())).copied().unwrap_or(0);
        let (key, place) = (key.to_owned(), place.to_owned());
        Delivery { key, place, fate, attempts, at, receipt: String::new(), why: String::new() }
    }
}

fn ended_of(error: &NotDelivered) -> Ended {
    match error {
        NotDelivered::Retry { after, .. } => {
            Ended::Retry { after_ms: after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)) }
        }
        NotDelivered::Unsure { .. } => Ended::Unsure,
        NotDelivered::NeedsPerson { .. } => Ended::NeedsPerson,
        NotDelivered::Refused { .. } => Ended::Refused,
    }
}

fn tell_log(place: &str, keys: &[String], result: &Result<Receipt, NotDelivered>) {
    let (first, letters) = (keys.first().map_or("", String::as_str), keys.len());
    match result {
        Ok(_) => tracing::info!(place, letter = first, letters, "told"),
        Err(error) => tracing::warn!(place, letter = first, letters, %error, "not told"),
    }
}
