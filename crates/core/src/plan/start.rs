//! Steps that lead to a new life.
//!
//! Invariant: once the cause of an end is observably gone a start is due within 2 s, and never later than the slow
//! timer; no wish is overridden.

use super::{Next, View, disk, or_case, serviced};
use crate::diagnosis::RefusalReason;
use crate::directive::Action;
use crate::gateway::Form;
use crate::health::life::Absent;
use crate::observation::{ActiveState, Exit, ServiceSeen};
use crate::time::Moment;
use serde::{Deserialize, Serialize};

/// It refused to start, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub reason: RefusalReason,
    /// In its words, or ours.
    pub detail: String,
    /// When.
    pub at: Moment,
    /// The config that it refused.
    pub config: u64,
    /// The cause has changed: a start is due.
    pub invited: bool,
}

/// What was tried with the config since the gateway was last well, so that nobody is fought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restored {
    /// Refused configs for which it was tried, the newest last.
    pub tried: Vec<u64>,
    /// A restored config is in place, and no run has proven it yet.
    pub unverified: bool,
}

impl Restored {
    /// Refused configs that are remembered.
    const MAX_TRIED: usize = 16;

    /// It is being tried.
    pub(crate) fn note(&mut self, rejected: u64) {
        self.tried.retain(|known| *known != rejected);
        self.tried.push(rejected);
        let over = self.tried.len().saturating_sub(Self::MAX_TRIED);
        self.tried.drain(..over);
    }

    /// Whether a restore may help against this refusal: once for each refused config, and not when what was restored
    /// was refused as well.
    #[must_use]
    pub fn may_help(&self, refusal: &Refusal) -> bool {
        let config = refusal.reason == RefusalReason::Config;
        config && !refusal.invited && !self.unverified && !self.tried.contains(&refusal.config)
    }
}

pub(super) fn next(view: &View<'_>, absent: &Absent) -> Next {
    if view.standing.forbids_start() && !view.start_wished {
        return Next::Nothing;
    }
    if let Some(refusal) = view.refusal.filter(|refusal| view.restored.may_help(refusal))
        && view.profile.form != Form::Foreign
        && !view.unit_stopped
    {
        let reason = "it refuses to start with its config: the newest proven one is brought back";
        return Next::act(Action::RestoreConfig { rejected: refusal.config }, reason);
    }
    if let Some(refusal) = view.refusal
        && refusal.reason == RefusalReason::Disk
        && !refusal.invited
        && let step @ Next::Act(..) = disk::next(view)
    {
        return step;
    }
    let ladder = if serviced(view.profile.form) { service(view, absent) } else { child(view, absent) };
    or_case(ladder, view)
}

fn child(view: &View<'_>, absent: &Absent) -> Next {
    if view.profile.form == Form::Foreign {
        return Next::Tell("it ended, and nothing here would start it again; start it where it was started".to_owned());
    }
    match due(view, absent) {
        Due::At(at) if view.now.mono < at => Next::Wait(at),
        Due::At(_) => {
            if view.futile_restarts >= view.policy.sweep_after && !view.swept && absent.incarnation.is_some() {
                return Next::act(Action::Sweep, "earlier restarts did not help: what the dead life left is removed");
            }
            Next::act(Action::Spawn, why(view, absent))
        }
        Due::Never => Next::Nothing,
    }
}

fn service(view: &View<'_>, absent: &Absent) -> Next {
    let Some(seen) = view.service else { return Next::Nothing };
    if view.unit_stopped && !view.start_wished {
        return Next::Nothing;
    }
    match seen.state {
        ActiveState::AutoRestart => hasten(view, absent, seen),
        ActiveState::Failed if seen.settled => from_failed(view, absent, seen),
        ActiveState::Inactive if seen.settled && view.start_wished => {
            Next::act(Action::StartUnit { reset_limit: false }, "a person asked for it")
        }
        ActiveState::Failed
        | ActiveState::Inactive
        | ActiveState::Active
        | ActiveState::Activating
        | ActiveState::Deactivating
        | ActiveState::NotFound => Next::Nothing,
    }
}

/// The manager will start it after its own delay; after a crash we need not wait for that, once per invocation: a look
/// that came late must not lead to a restart of what has just been started. A planned restart is left to the manager.
fn hasten(view: &View<'_>, absent: &Absent, seen: &ServiceSeen) -> Next {
    if view.hastened || seen.job.is_some() || absent.planned || matches!(seen.last_exit, Some(Exit::Code { code: 0 })) {
        return Next::Nothing;
    }
    // Hastened starts count against the unit's own start limit: stay well clear of it.
    let limits = &seen.limits;
    let reserve = limits.start_burst / 2;
    if limits.start_burst > 0
        && view.pace.starts.count(view.now.mono, limits.start_interval_ms) >= limits.start_burst.saturating_sub(reserve)
    {
        return Next::Nothing;
    }
    let at = view.pace.earliest(view.policy, absent.since.mono, absent.served, view.now.mono);
    if view.now.mono < at {
        return if at.since(absent.since.mono) >= limits.restart_delay_ms { Next::Nothing } else { Next::Wait(at) };
    }
    Next::act(Action::Hasten, why(view, absent))
}

/// The manager gave up.
fn from_failed(view: &View<'_>, absent: &Absent, seen: &ServiceSeen) -> Next {
    let refused = view.refusal.is_some();
    let at = if refused || view.start_wished {
        match due(view, absent) {
            Due::At(at) => at,
            Due::Never => return Next::Nothing,
        }
    } else {
        // Not refused and still given up: its start limit. Go on, but slowly.
        absent.since.mono.plus(view.policy.backoff(u32::MAX))
    };
    if view.now.mono < at {
        return Next::Wait(at);
    }
    let burst = seen.limits.start_burst;
    let near = burst > 0 && view.pace.starts.count(view.now.mono, seen.limits.start_interval_ms) + 1 >= burst;
    Next::act(Action::StartUnit { reset_limit: !refused || near }, why(view, absent))
}

/// When a start is due.
enum Due {
    At(Moment),
    Never,
}

fn due(view: &View<'_>, absent: &Absent) -> Due {
    let now = view.now.mono;
    if view.start_wished || view.restart_wished {
        return Due::At(now);
    }
    let Some(refusal) = view.refusal else {
        if absent.incarnation.is_none() {
            // There never was a life that we know of. A child is ours to start; whether a service or a gateway of
            // somebody else runs for the first time is not ours to decide.
            return if view.profile.form == Form::Child { Due::At(now) } else { Due::Never };
        }
        if absent.planned || absent.by_us {
            return Due::At(absent.since.mono);
        }
        return Due::At(view.pace.earliest(view.policy, absent.since.mono, absent.served, now));
    };
    if refusal.invited {
        return Due::At(now);
    }
    let patience = match refusal.reason {
        RefusalReason::Unexplained | RefusalReason::Port => view.policy.unexplained_retry_ms,
        // Nobody is there whose end would be seen: a lease that runs out by itself, within 300 s (2026.9.6).
        RefusalReason::Duplicate if !view.rival_seen => view.policy.unexplained_retry_ms,
        RefusalReason::Config | RefusalReason::Disk | RefusalReason::Duplicate | RefusalReason::Runtime => {
            view.policy.refused_retry_ms
        }
    };
    Due::At(refusal.at.plus(patience))
}

fn why(view: &View<'_>, absent: &Absent) -> String {
    if view.start_wished || view.restart_wished {
        return "a person asked for it".to_owned();
    }
    match view.refusal {
        Some(refusal) if refusal.invited => "what it refused over has changed".to_owned(),
        Some(_) => "another try after a refusal".to_owned(),
        None if absent.incarnation.is_none() => "it is not running".to_owned(),
        None if absent.planned => "its own restart".to_owned(),
        None if absent.by_us => "it was ended in order to start it anew".to_owned(),
        None => "it ended and nobody asked for that".to_owned(),
    }
}
