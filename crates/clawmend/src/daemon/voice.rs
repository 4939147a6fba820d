//! What the guard says while it works: to a person who watches, to its log, to its own service manager.
//!
//! Invariant: saying never fails and never waits; a broken terminal or log does not reach the loop.

use super::pulse::{Saying, say};
use crate::cli::Account;
use crate::notify::outbox::Inbox;
use clawmend_core::alert::notice::Notice;
use clawmend_core::gateway::GatewayId;
use clawmend_core::guardian::Report;
use clawmend_core::health::Verdict;
use clawmend_core::incident::{IncidentEvent, What};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// All that is said.
pub struct Voice {
    account: RefCell<Account>,
    state_dir: PathBuf,
    verdicts: RefCell<BTreeMap<GatewayId, Verdict>>,
    people: OnceCell<Inbox>,
}

impl Voice {
    /// Through this account.
    #[must_use]
    pub fn new(account: Account, state_dir: PathBuf) -> Self {
        Self { account: RefCell::new(account), state_dir, verdicts: RefCell::default(), people: OnceCell::new() }
    }

    /// Our own state folder.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The account, for those who tell of longer things.
    #[must_use]
    pub const fn account(&self) -> &RefCell<Account> {
        &self.account
    }

    /// From here on, people who do not watch are told, too.
    pub fn tell_people(&self, inbox: Inbox) {
        let _ = self.people.set(inbox);
    }

    /// The settings of alerts may have changed.
    pub fn look_for_people(&self) {
        if let Some(people) = self.people.get() {
            people.look();
        }
    }

    /// A word on this host as one of a pair.
    pub fn word(&self, notice: &Notice) {
        if let Some(people) = self.people.get() {
            people.word(notice);
        }
    }

    /// One event of an incident.
    pub fn event(&self, gateway: &GatewayId, event: &IncidentEvent) {
        if let Some(people) = self.people.get() {
            people.event(gateway, event);
        }
        self.account.borrow().event(gateway, event);
        let incident = event.incident.0;
        match &event.what {
            What::Escalated { reason } => tracing::error!(gateway = %gateway.0, incident, "{reason}"),
            What::Opened { .. } => tracing::warn!(gateway = %gateway.0, incident, "incident opened"),
            What::Diagnosed { cause } => {
                tracing::warn!(gateway = %gateway.0, incident, cause = cause.code(), detail = cause.detail(), "cause");
            }
            What::Acted { action, reason, .. } => {
                tracing::warn!(gateway = %gateway.0, incident, action = action.name(), reason, "acted");
            }
            What::Closed { outcome } => tracing::warn!(gateway = %gateway.0, incident, ?outcome, "incident closed"),
            What::Withheld { action, reason } => {
                tracing::info!(gateway = %gateway.0, incident, action = action.name(), reason, "withheld");
            }
            What::Examined { causes } => {
                let cases: Vec<&str> = causes.iter().map(|one| one.case.as_str()).collect();
                tracing::info!(gateway = %gateway.0, incident, cases = cases.join(", "), "examined");
            }
            What::Proposed { proposal } => {
                let (id, action) = (proposal.id.0, proposal.action.name());
                tracing::warn!(gateway = %gateway.0, incident, proposal = id, action, "waits for approval");
            }
            What::Decided { proposal, approved, by, void } => {
                let id = proposal.0;
                tracing::warn!(gateway = %gateway.0, incident, proposal = id, approved, by, ?void, "a person decided");
            }
            What::Lapsed { proposal } => {
                tracing::warn!(gateway = %gateway.0, incident, proposal = proposal.0, "nobody decided in time");
            }
            What::Evidence { .. }
            | What::Judged { .. }
            | What::Result { .. }
            | What::Started { .. }
            | What::Serving
            | What::Ineffective { .. }
            | What::Advised { .. }
            | What::Learned { .. } => tracing::debug!(gateway = %gateway.0, incident, event = ?event.what),
        }
    }

    /// The belief about a gateway changed.
    pub fn changed(&self, report: &Report) {
        let mut verdicts = self.verdicts.borrow_mut();
        // A late reply is looked into at once, but it is worth a word only when it becomes an incident, which has its
        // own.
        if matches!(report.verdict, Verdict::Suspect | Verdict::Unknown) {
            return;
        }
        if verdicts.insert(report.id.clone(), report.verdict) == Some(report.verdict) {
            return;
        }
        let words = in_words(report);
        tracing::info!(gateway = %report.id.0, "{words}");
        self.account.borrow().say(&format!("{}: {words}", report.id.0));
        let all: Vec<String> = verdicts.iter().map(|(id, verdict)| format!("{} {}", id.0, verdict.name())).collect();
        say(&Saying::Status(&all.join(", ")));
    }
}

/// The verdict as part of a sentence.
fn in_words(report: &Report) -> String {
    let verdict = match report.verdict {
        Verdict::Healthy => "healthy".to_owned(),
        Verdict::Starting => match report.usual_boot_ms {
            Some(ms) => format!("starting; this usually takes {} s", ms.div_ceil(1_000)),
            None => "starting".to_owned(),
        },
        Verdict::Draining => "finishing its work before it ends".to_owned(),
        Verdict::Degraded => format!("serving, but degraded: {}", report.reasons.join(", ")),
        Verdict::Suspect => "it does not answer; looking closely".to_owned(),
        Verdict::Down => "down".to_owned(),
        Verdict::Stopped => "stopped by a person; `clawmend start` starts it".to_owned(),
        Verdict::Paused => "paused: the guard keeps its hands off".to_owned(),
        Verdict::Unknown => "not known yet".to_owned(),
    };
    match &report.incarnation {
        Some(life) if report.verdict == Verdict::Healthy => format!("{verdict} (pid {})", life.pid),
        Some(_) | None => verdict,
    }
}
