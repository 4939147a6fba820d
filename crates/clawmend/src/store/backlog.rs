//! What could not be written, kept in bounded memory until there is room again.

use super::rows::Write;
use super::wishes::Mirror;
use clawmend_core::gateway::GatewayId;
use clawmend_core::incident::IncidentEvent;
use std::collections::{BTreeMap, VecDeque};

/// Events that are kept at most; the oldest are dropped, and counted.
pub const MAX_EVENTS: usize = 4096;

/// Events that are written in one go, so that a disk with little room gets on step by step.
const PART: usize = 64;

/// Waiting writes. Of standing wishes and memory only the newest per gateway matter.
#[derive(Debug, Default)]
pub struct Backlog {
    events: VecDeque<(GatewayId, IncidentEvent)>,
    standing: BTreeMap<GatewayId, Mirror>,
    memory: BTreeMap<GatewayId, String>,
    others: BTreeMap<GatewayId, Write>,
    outbox: VecDeque<Write>,
    dropped: u64,
}

impl Backlog {
    /// Keeps a write. An intent is not kept: who was told that it is not on record does not act on it.
    pub fn keep(&mut self, write: Write) {
        match write {
            Write::Events { gateway, events } => {
                for event in events {
                    if self.events.len() == MAX_EVENTS {
                        self.events.pop_front();
                        self.dropped = self.dropped.saturating_add(1);
                    }
                    self.events.push_back((gateway.clone(), event));
                }
            }
            Write::Standing { gateway, mirror } => drop(self.standing.insert(gateway, mirror)),
            Write::Memory { gateway, json } => drop(self.memory.insert(gateway, json)),
            Write::Introduction(it) => drop(self.others.insert(it.gateway.clone(), Write::Introduction(it))),
            // What people are told is delivered without the disk, too; the oldest notes of that may be lost.
            Write::Outbox(_) => {
                if self.outbox.len() == MAX_EVENTS {
                    self.outbox.pop_front();
                }
                self.outbox.push_back(write);
            }
            Write::Intent { .. } | Write::Settled { .. } => {}
        }
    }

    /// The next part to write, in order: all that is not an event, then the oldest events. It stays here until
    /// [`Self::written`].
    pub fn next_part(&self) -> Vec<Write> {
        let standing = self.standing.iter().map(|(g, m)| Write::Standing { gateway: g.clone(), mirror: m.clone() });
        let memory = self.memory.iter().map(|(g, json)| Write::Memory { gateway: g.clone(), json: json.clone() });
        let event = |(g, e): &(GatewayId, IncidentEvent)| Write::Events { gateway: g.clone(), events: vec![e.clone()] };
        let events = self.events.iter().take(PART).map(event);
        let outbox = self.outbox.iter().take(PART).cloned();
        standing.chain(memory).chain(self.others.values().cloned()).chain(events).chain(outbox).collect()
    }

    /// The part that [`Self::next_part`] gave is on the disk.
    pub fn written(&mut self) {
        self.standing.clear();
        self.memory.clear();
        self.others.clear();
        self.events.drain(..PART.min(self.events.len()));
        self.outbox.drain(..PART.min(self.outbox.len()));
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.standing.is_empty()
            && self.memory.is_empty()
            && self.others.is_empty()
            && self.outbox.is_empty()
    }

    /// Events that wait, and events that were dropped since the guard began.
    pub fn figures(&self) -> (usize, u64) {
        (self.events.len(), self.dropped)
    }

    /// The newest wish that waits, for a reader who asks meanwhile.
    pub fn standing(&self, gateway: &GatewayId) -> Option<&Mirror> {
        self.standing.get(gateway)
    }

    /// The newest memory that waits.
    pub fn memory(&self, gateway: &GatewayId) -> Option<&String> {
        self.memory.get(gateway)
    }
}
