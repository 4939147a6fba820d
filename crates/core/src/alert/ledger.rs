//! What is known of one gateway's incidents, as far as people are concerned.
//!
//! Invariant: events of an incident that is over, or that were read before, change nothing.

use super::Level;
use super::policy::AlertPolicy;
use crate::approval::ProposalId;
use crate::diagnosis::Cause;
use crate::directive::IncidentId;
use crate::health::Verdict;
use crate::incident::{IncidentEvent, What};
use crate::time::Wall;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// One gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The incident that is open.
    pub open: Option<Open>,
    /// Incidents up to this one are over.
    pub over: IncidentId,
    /// When its process ended, the latest last.
    pub ends: VecDeque<Wall>,
    /// When many ends were told last.
    pub many_told: Option<Wall>,
}

/// An open incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Which.
    pub id: IncidentId,
    /// When it began.
    pub since: Wall,
    /// The latest cause.
    pub cause: Option<Cause>,
    /// Whether it serves, by the latest verdict.
    pub serves: bool,
    /// Marks of what was told, so that nothing is told twice.
    pub told: BTreeSet<u32>,
    /// What was told last.
    pub reason: Option<String>,
    /// When that was.
    pub told_at: Option<Wall>,
    /// How loud the loudest word was.
    pub level: Option<Level>,
    /// Reminders so far.
    pub reminders: u32,
    /// The last proposal that a person was asked about.
    pub asked: ProposalId,
}

impl Ledger {
    /// Ends that are kept.
    const MAX_ENDS: usize = 256;
    /// An hour.
    const HOUR_MS: i64 = 3_600_000;

    /// Whether this event is news.
    #[must_use]
    pub fn is_news(&self, event: &IncidentEvent) -> bool {
        event.incident > self.over && self.open.as_ref().is_none_or(|open| event.incident >= open.id)
    }

    /// The open incident that the event belongs to.
    pub fn open_for(&mut self, event: &IncidentEvent) -> &mut Open {
        let fresh = || Open::new(event.incident, event.wall);
        if self.open.as_ref().is_none_or(|open| open.id != event.incident) {
            // The end of the one before was not seen; it is over all the same, for one is open at a time.
            self.over = self.open.take().map_or(self.over, |open| open.id);
        }
        self.open.get_or_insert_with(fresh)
    }

    /// Notes the end of its process.
    pub fn note_end(&mut self, at: Wall) {
        // Read again after a guard's death, it is the same end.
        if self.ends.contains(&at) {
            return;
        }
        self.ends.push_back(at);
        while self.ends.len() > Self::MAX_ENDS || self.ends.front().is_some_and(|end| at.0 - end.0 > Self::HOUR_MS) {
            self.ends.pop_front();
        }
    }

    /// Ends within so many milliseconds before `at`.
    #[must_use]
    pub fn ends_within(&self, at: Wall, ms: i64) -> u32 {
        let within = self.ends.iter().filter(|end| (0..=ms).contains(&at.0.saturating_sub(end.0))).count();
        u32::try_from(within).unwrap_or(u32::MAX)
    }

    /// More ends than a person accepts, and not told within this hour.
    #[must_use]
    pub fn too_many(&self, at: Wall, policy: &AlertPolicy) -> Option<u32> {
        let ends = self.ends_within(at, Self::HOUR_MS);
        let told = self.many_told.is_some_and(|told| at.0.saturating_sub(told.0) < Self::HOUR_MS);
        (ends > policy.crashes_per_hour && !told).then_some(ends)
    }
}

impl Open {
    /// Begun at this time.
    #[must_use]
    pub fn new(id: IncidentId, since: Wall) -> Self {
        Self {
            id,
            since,
            cause: None,
            serves: false,
            told: BTreeSet::new(),
            reason: None,
            told_at: None,
            level: None,
            reminders: 0,
            asked: ProposalId(0),
        }
    }

    /// Takes what matters of an event.
    pub fn note(&mut self, what: &What) {
        match what {
            What::Opened { onset, .. } => self.since = *onset,
            What::Judged { verdict } => {
                self.serves = matches!(verdict, Verdict::Healthy | Verdict::Degraded | Verdict::Draining);
            }
            What::Diagnosed { cause } => self.cause = Some(cause.clone()),
            What::Serving => self.serves = true,
            What::Evidence { .. }
            | What::Examined { .. }
            | What::Withheld { .. }
            | What::Acted { .. }
            | What::Result { .. }
            | What::Started { .. }
            | What::Ineffective { .. }
            | What::Escalated { .. }
            | What::Advised { .. }
            | What::Learned { .. }
            | What::Proposed { .. }
            | What::Decided { .. }
            | What::Lapsed { .. }
            | What::Closed { .. } => {}
        }
    }

    /// How loud a word on it is: by whether it serves, what it is, and how long it has lasted.
    #[must_use]
    pub fn loudness(&self, at: Wall, policy: &AlertPolicy, needs_a_person: bool) -> Level {
        let lasts = u64::try_from(at.0.saturating_sub(self.since.0)).unwrap_or(0);
        if self.serves {
            return match &self.cause {
                Some(Cause::ChannelDeaf { .. } | Cause::ChannelsSuppressed | Cause::DiskFull) => Level::Error,
                Some(
                    Cause::CredentialsRejected { .. } | Cause::ProviderQuota { .. } | Cause::ProviderFailing { .. },
                ) => Level::Error,
                _ => Level::Warning,
            };
        }
        if needs_a_person || lasts >= policy.critical_after_ms { Level::Critical } else { Level::Error }
    }
}
