//! What messages through the gateway's own chat endpoint have shown: is there a model behind a gateway that serves?
//!
//! Invariant: a trouble is named only after several bad answers in a row, one good answer ends it, and where nobody
//! can look any more nothing is claimed. It is apart from liveness: nothing in here makes a gateway suspect or down.
//! Start at [`Synthetic::take`].

use super::reasons::Reason;
use crate::observation::{DiskSeen, SyntheticOutcome, SyntheticSeen};
use crate::policy::Policy;
use std::mem::discriminant;

/// With less free space than this a gateway that hides the reason of its failure has a full disk.
const DISK_FULL_BYTES: u64 = 16 << 20;

/// The present row of answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Synthetic {
    /// What a person is told.
    named: Option<Reason>,
    /// The last bad answer, and how many of its kind came in a row.
    last: Option<(Reason, u32)>,
    /// Bad answers of any kind in a row.
    bad: u32,
    /// Questions in a row after which nothing is known.
    blind: u32,
    /// Why nothing is known.
    unseen: Option<Reason>,
    /// There is no use in asking again before something changes.
    closed: bool,
}

/// One answer, judged.
enum Judged {
    Well,
    Bad(Reason),
    /// Bad, and the gateway hides why.
    Hidden(String),
    Blind(Reason),
    Closed(Reason),
}

impl Synthetic {
    /// As an earlier guard left it.
    #[must_use]
    pub fn remembered(named: Option<Reason>) -> Self {
        Self { named, ..Self::default() }
    }

    /// Takes one answer of a gateway that serves.
    pub fn take(&mut self, seen: &SyntheticSeen, disk: Option<DiskSeen>, policy: &Policy) {
        match judge(seen, disk, policy) {
            Judged::Well => *self = Self::default(),
            Judged::Bad(reason) => self.bad(reason, policy),
            Judged::Hidden(detail) => self.bad(self.behind(detail), policy),
            Judged::Blind(reason) => self.blind(reason, policy),
            Judged::Closed(reason) => *self = Self { unseen: Some(reason), closed: true, ..Self::default() },
        }
    }

    /// What is behind a failure whose reason the gateway hides. After its provider has refused it, it does not ask the
    /// provider again for a while (a minute to hours), and says nothing but this.
    fn behind(&self, detail: String) -> Reason {
        match self.last.as_ref().map(|(last, _)| last).or(self.named.as_ref()) {
            Some(refused @ (Reason::CredentialsRejected(_) | Reason::ProviderQuota(_))) => refused.clone(),
            Some(_) | None => Reason::ProviderFailing(detail),
        }
    }

    fn bad(&mut self, reason: Reason, policy: &Policy) {
        let same = |other: &Reason| discriminant(other) == discriminant(&reason);
        let row = match &self.last {
            Some((last, row)) if same(last) => row.saturating_add(1),
            Some(_) | None => 1,
        };
        self.bad = self.bad.saturating_add(1);
        (self.blind, self.unseen) = (0, None);
        let enough = |count: u32| count >= policy.synthetic_failures;
        let renamed = match &self.named {
            None => enough(self.bad),
            // Texts that differ a little each time, and kinds that take turns, are one trouble.
            Some(named) => !same(named) && enough(row),
        };
        if renamed {
            self.named = Some(reason.clone());
        }
        self.last = Some((reason, row));
    }

    fn blind(&mut self, reason: Reason, policy: &Policy) {
        self.blind = self.blind.saturating_add(1);
        if self.blind >= policy.synthetic_failures {
            (self.named, self.last, self.bad) = (None, None, 0);
        }
        self.unseen = Some(reason);
    }

    /// What would be answered may be different now: the config has changed, or another life began.
    pub const fn reopen(&mut self) {
        self.closed = false;
    }

    /// Asking again makes no sense before something changes.
    #[must_use]
    pub const fn closed(&self) -> bool {
        self.closed
    }

    /// The trouble that a person is told of.
    #[must_use]
    pub const fn named(&self) -> Option<&Reason> {
        self.named.as_ref()
    }

    /// The gateway's disk is full.
    #[must_use]
    pub fn disk_full(&self) -> bool {
        self.named == Some(Reason::DiskFull)
    }

    /// What is to be named, the full disk apart.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> + '_ {
        let named = self.named.iter().filter(|reason| **reason != Reason::DiskFull);
        named.chain(&self.unseen).cloned()
    }
}

fn judge(seen: &SyntheticSeen, disk: Option<DiskSeen>, policy: &Policy) -> Judged {
    let full = disk.is_some_and(|disk| !disk.writable || disk.free_bytes < DISK_FULL_BYTES);
    let seconds = |ms: u32| ms / 1_000;
    match &seen.outcome {
        SyntheticOutcome::Answered if seen.latency_ms > policy.synthetic_slow_ms => {
            Judged::Bad(Reason::ProviderSlow(format!("answers take over {} s", seconds(policy.synthetic_slow_ms))))
        }
        SyntheticOutcome::Answered => Judged::Well,
        SyntheticOutcome::TimedOut => {
            Judged::Bad(Reason::ProviderSlow(format!("no answer in {} s", seconds(policy.synthetic_timeout_ms))))
        }
        SyntheticOutcome::DiskFull => Judged::Bad(Reason::DiskFull),
        SyntheticOutcome::InternalError { .. } if full => Judged::Bad(Reason::DiskFull),
        SyntheticOutcome::InternalError { detail } => Judged::Hidden(detail.clone()),
        SyntheticOutcome::ProviderFailing { detail } => Judged::Bad(Reason::ProviderFailing(detail.clone())),
        SyntheticOutcome::Quota { detail } => Judged::Bad(Reason::ProviderQuota(detail.clone())),
        SyntheticOutcome::CredentialsRejected { detail } => Judged::Bad(Reason::CredentialsRejected(detail.clone())),
        SyntheticOutcome::EndpointOff => Judged::Closed(Reason::SyntheticEndpointOff),
        SyntheticOutcome::Unauthorized => {
            Judged::Closed(Reason::SyntheticUnseen("the gateway refused its token".to_owned()))
        }
        SyntheticOutcome::CannotTell { reason } => Judged::Blind(Reason::SyntheticUnseen(reason.clone())),
    }
}
