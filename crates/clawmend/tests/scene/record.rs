//! The record of a bot's service: requests for updates and whatever people saw count alike.

use clawmend_testkit::lab::{Deed, Poll, marks};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// From the first act of a host to its last one, with nobody else's in between, and no gap that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub host: u8,
    pub from: Instant,
    pub to: Instant,
}

/// The record as turns, in order. A longer pause than `gap` begins another one; `whose` leaves out who does not count.
pub fn turns(polls: &[Poll], deeds: &[Deed], gap: Duration, whose: impl Fn(IpAddr) -> Option<u8>) -> Vec<Turn> {
    let now = Instant::now();
    let polls = polls.iter().map(|poll| (poll.began, poll.ended.unwrap_or(now), poll.from));
    let deeds = deeds.iter().map(|deed| (deed.at, deed.at, deed.from));
    let mut acts: Vec<_> = polls.chain(deeds).collect();
    acts.sort_by_key(|(from, ..)| *from);
    let mut turns: Vec<Turn> = Vec::new();
    for (from, to, address) in acts {
        let Some(host) = whose(address) else { continue };
        let goes_on = |turn: &&mut Turn| turn.host == host && from.saturating_duration_since(turn.to) <= gap;
        match turns.last_mut().filter(goes_on) {
            Some(turn) => turn.to = turn.to.max(to),
            None => turns.push(Turn { host, from, to }),
        }
    }
    turns
}

/// The answers to a message among what people saw. A gateway tells its model what was said before, and the model of the lab
/// repeats that, too, behind the mark of the message that it answers: there a mark counts only for its first time, as that
/// of a message which was taken together with another one.
pub fn answers(deeds: &[Deed], mark: &str) -> Vec<Deed> {
    let mut found = Vec::new();
    for deed in deeds.iter().filter(|deed| deed.method == "sendMessage") {
        let at = marks(&deed.text).iter().position(|one| one == mark);
        if at == Some(0) || (at.is_some() && found.is_empty()) {
            found.push(deed.clone());
        }
    }
    found
}

/// How often the messages of the lab were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    pub once: usize,
    pub more: usize,
    pub never: usize,
}

impl Answered {
    /// By the number of answers to each.
    pub fn count(answers: impl IntoIterator<Item = usize>) -> Self {
        let mut all = Self::default();
        for number in answers {
            match number {
                0 => all.never += 1,
                1 => all.once += 1,
                _ => all.more += 1,
            }
        }
        all
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "answered once {}, more than once {}, never {}", self.once, self.more, self.never)
    }
}
