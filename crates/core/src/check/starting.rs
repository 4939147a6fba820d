//! What a start or an orderly restart needs.

use super::{ForeignStop, Life, Origin, Refusal, Situation, ending};
use crate::observation::{ActiveState, ServiceSeen};

/// A child: only while no process of it lives.
pub(super) fn spawn(origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    nobody_lives(s)?;
    budget(origin, s)
}

/// The config that it refused to start with is replaced only while nobody runs, and only that one.
pub(super) fn restore_config(rejected: u64, s: &Situation<'_>) -> Result<(), Refusal> {
    nobody_lives(s)?;
    if s.refused_config == Some(rejected) { Ok(()) } else { Err(Refusal::NothingToDo) }
}

/// The manager is about to start it by itself; we only shorten its delay.
pub(super) fn hasten(origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    let unit = unit(s)?;
    match unit.state {
        ActiveState::AutoRestart => {}
        ActiveState::Active
        | ActiveState::Activating
        | ActiveState::Deactivating
        | ActiveState::Inactive
        | ActiveState::Failed
        | ActiveState::NotFound => return Err(Refusal::UnitState { state: unit.state }),
    }
    if !unit.limits.restarts {
        return Err(Refusal::NobodyStartsIt);
    }
    no_job(unit, s)?;
    match s.life {
        Life::Alive(_) => return Err(Refusal::AlreadyAlive),
        Life::Absent | Life::Unknown => {}
    }
    budget(origin, s)?;
    manager_limit(unit, s)
}

/// The manager gave up. Only a person may also start what is merely inactive, since that is what a stop leaves.
pub(super) fn start_unit(reset_limit: bool, origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    let unit = unit(s)?;
    let may = match (unit.state, origin) {
        (ActiveState::Failed, _) | (ActiveState::Inactive, Origin::Person) => true,
        (ActiveState::Inactive, Origin::Ladder | Origin::Case | Origin::Ai | Origin::Failover)
        | (
            ActiveState::Active
            | ActiveState::Activating
            | ActiveState::AutoRestart
            | ActiveState::Deactivating
            | ActiveState::NotFound,
            _,
        ) => false,
    };
    if !may {
        return Err(Refusal::UnitState { state: unit.state });
    }
    no_job(unit, s)?;
    if !unit.settled {
        return Err(Refusal::NotSettled);
    }
    nobody_lives(s)?;
    budget(origin, s)?;
    let limit = unit.limits.start_burst;
    if !reset_limit && limit > 0 && s.starts_in_interval >= limit {
        return Err(Refusal::ManagerStartLimit);
    }
    Ok(())
}

/// An orderly restart of the life that was meant, by the manager that owns it.
pub(super) fn restart_unit(origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    let unit = unit(s)?;
    match unit.state {
        ActiveState::Active => {}
        ActiveState::Activating
        | ActiveState::AutoRestart
        | ActiveState::Deactivating
        | ActiveState::Inactive
        | ActiveState::Failed
        | ActiveState::NotFound => return Err(Refusal::UnitState { state: unit.state }),
    }
    no_job(unit, s)?;
    ending::orderly(origin, s)?;
    budget(origin, s)?;
    manager_limit(unit, s)
}

/// The unit, as last seen.
pub(super) fn unit<'a>(s: &Situation<'a>) -> Result<&'a ServiceSeen, Refusal> {
    s.service.ok_or(Refusal::ServiceUnseen)
}

/// The manager works on nothing; a foreign stop job may be known before the unit's own view shows it.
fn no_job(unit: &ServiceSeen, s: &Situation<'_>) -> Result<(), Refusal> {
    match s.foreign_stop {
        ForeignStop::Job => Err(Refusal::ForeignStop),
        ForeignStop::None | ForeignStop::Since | ForeignStop::Overtaken if unit.job.is_some() => {
            Err(Refusal::JobUnderWay)
        }
        ForeignStop::None | ForeignStop::Since | ForeignStop::Overtaken => Ok(()),
    }
}

fn nobody_lives(s: &Situation<'_>) -> Result<(), Refusal> {
    match s.life {
        Life::Absent => Ok(()),
        Life::Alive(_) => Err(Refusal::AlreadyAlive),
        Life::Unknown => Err(Refusal::LifeUnknown),
    }
}

/// Starts per hour by our hand are bounded; a person's are not ours.
fn budget(origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    match origin {
        Origin::Person => Ok(()),
        Origin::Ladder | Origin::Case | Origin::Ai | Origin::Failover if s.starts_in_hour >= s.starts_limit => {
            Err(Refusal::StartBudget)
        }
        Origin::Ladder | Origin::Case | Origin::Ai | Origin::Failover => Ok(()),
    }
}

/// The manager's own start limit is not hit by our hand: its last free start is left to the manager.
fn manager_limit(unit: &ServiceSeen, s: &Situation<'_>) -> Result<(), Refusal> {
    let limit = unit.limits.start_burst;
    if limit > 0 && s.starts_in_interval.saturating_add(1) >= limit {
        return Err(Refusal::ManagerStartLimit);
    }
    Ok(())
}
