//! What the end of a process needs.

use super::{Life, Origin, Phase, Refusal, Situation, UNCLEAN_TRIP, starting, stop_wished};
use crate::gateway::Form;
use crate::health::Verdict;
use crate::observation::ActiveState;

/// SIGTERM to the life that was meant.
pub(super) fn terminate(origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    comes_back(origin, s)?;
    orderly(origin, s)
}

/// SIGKILL to the life that was meant.
pub(super) fn kill(origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    alive_target(s)?;
    match origin {
        Origin::Failover => Ok(()),
        Origin::Ladder | Origin::Case | Origin::Ai => {
            visible(s)?;
            not_held(s)?;
            match s.phase {
                Phase::Booting { progressing: true, within_budget: true } => return Err(Refusal::BootInProgress),
                Phase::Draining { deadline_passed: false } => return Err(Refusal::DrainInProgress),
                Phase::Serving => return Err(Refusal::Serving),
                Phase::Gone => return Err(Refusal::NothingToDo),
                Phase::Booting { .. } | Phase::Draining { deadline_passed: true } | Phase::Silent => {}
            }
            breaker(s)
        }
        Origin::Person => {
            if !stop_wished(s.standing) {
                return Err(Refusal::NoStopWish);
            }
            not_held(s)?;
            match s.phase {
                Phase::Draining { deadline_passed: true } | Phase::Silent => {}
                Phase::Gone => return Err(Refusal::NothingToDo),
                Phase::Draining { deadline_passed: false } | Phase::Booting { .. } | Phase::Serving => {
                    return Err(Refusal::StopDeadline);
                }
            }
            breaker(s)
        }
    }
}

/// What a dead life left behind. Aimed at the life that lives it is a kill, and must pass as one.
pub(super) fn sweep(origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    let target = s.target.ok_or(Refusal::StaleTarget)?;
    match s.life {
        Life::Alive(alive) if alive == target => kill(origin, s),
        Life::Alive(_) => Err(Refusal::StaleTarget),
        Life::Unknown => Err(Refusal::LifeUnknown),
        Life::Absent => Ok(()),
    }
}

/// The manager's stop, by a person's wish (checked before).
pub(super) fn stop_unit(s: &Situation<'_>) -> Result<(), Refusal> {
    let unit = starting::unit(s)?;
    match unit.state {
        ActiveState::Active | ActiveState::Activating | ActiveState::AutoRestart | ActiveState::Deactivating => Ok(()),
        ActiveState::Inactive | ActiveState::Failed if !unit.settled || unit.job.is_some() => Ok(()),
        ActiveState::Inactive | ActiveState::Failed => Err(Refusal::NothingToDo),
        ActiveState::NotFound => Err(Refusal::UnitState { state: unit.state }),
    }
}

/// An orderly end (signal or restart by the manager) of the life that was meant.
pub(super) fn orderly(origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    alive_target(s)?;
    match origin {
        Origin::Failover => Ok(()),
        Origin::Person => by_person(s),
        Origin::Ladder | Origin::Case | Origin::Ai => by_ours(origin, s),
    }
}

/// A person's stop goes ahead in every phase; a person's restart interrupts nothing that drains or is held.
fn by_person(s: &Situation<'_>) -> Result<(), Refusal> {
    if stop_wished(s.standing) {
        return Ok(());
    }
    not_held(s)?;
    match s.phase {
        Phase::Draining { .. } => Err(Refusal::DrainInProgress),
        Phase::Gone => Err(Refusal::NothingToDo),
        Phase::Booting { .. } | Phase::Serving | Phase::Silent => Ok(()),
    }
}

fn by_ours(origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    visible(s)?;
    not_held(s)?;
    match s.phase {
        Phase::Booting { progressing: true, within_budget: true } => Err(Refusal::BootInProgress),
        Phase::Draining { deadline_passed: false } => Err(Refusal::DrainInProgress),
        Phase::Serving if origin != Origin::Case => Err(Refusal::Serving),
        Phase::Gone => Err(Refusal::NothingToDo),
        Phase::Booting { .. } | Phase::Serving | Phase::Draining { deadline_passed: true } | Phase::Silent => Ok(()),
    }
}

/// Signals go only to the process that lives and was meant (invariant 1).
pub(super) fn alive_target(s: &Situation<'_>) -> Result<(), Refusal> {
    match (s.life, s.target) {
        (Life::Alive(alive), Some(target)) if alive == target => Ok(()),
        (Life::Alive(_), _) => Err(Refusal::StaleTarget),
        (Life::Absent, _) => Err(Refusal::NothingToDo),
        (Life::Unknown, _) => Err(Refusal::LifeUnknown),
    }
}

/// An orderly exit of a unit that its manager does not restart leaves it inactive, where we may not start it.
fn comes_back(origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    if matches!(origin, Origin::Person | Origin::Failover) {
        return Ok(());
    }
    match s.form {
        Form::Child => Ok(()),
        Form::Foreign => Err(Refusal::NobodyStartsIt),
        Form::Systemd | Form::Launchd | Form::ScheduledTask => {
            if starting::unit(s)?.limits.restarts {
                Ok(())
            } else {
                Err(Refusal::NobodyStartsIt)
            }
        }
    }
}

/// A guard that cannot see uses no force (invariant 7). Under a service manager it must also see the unit, since a
/// person's stop may be under way there.
fn visible(s: &Situation<'_>) -> Result<(), Refusal> {
    if s.verdict == Verdict::Unknown {
        return Err(Refusal::ObserverImpaired);
    }
    match s.form {
        Form::Child | Form::Foreign => Ok(()),
        Form::Systemd | Form::Launchd | Form::ScheduledTask => starting::unit(s).map(drop),
    }
}

/// A process that someone holds on purpose is not ours to end (invariant 3).
fn not_held(s: &Situation<'_>) -> Result<(), Refusal> {
    match s.held {
        Some(held) => Err(Refusal::Held { held }),
        None => Ok(()),
    }
}

/// Our kill is never the one that trips OpenClaw's breaker (invariant 4).
fn breaker(s: &Situation<'_>) -> Result<(), Refusal> {
    if s.unclean_ends.saturating_add(1) >= UNCLEAN_TRIP { Err(Refusal::ThirdUncleanEnd) } else { Ok(()) }
}
