//! The one gate: no plan, from whatever source, reaches an adapter without passing [`permit`].
//!
//! Invariant: [`permit`] is pure, total and only ever *refuses*; it never chooses. Every match is exhaustive, so a
//! new action, origin or state does not compile until its place in the table is decided. `testkit/tests/model.rs`
//! explores the table with a model of the unit, a person, faults and a guard that is late or killed.
//!
//! # The table
//! "Ours" stands for ladder, case and AI. An empty cell refuses. Start with [`permit`], which reads it from the top.
//!
//! ## Person: what people said comes first
//! | standing | ours, failover | person |
//! |---|---|---|
//! | running | as below | as below |
//! | paused, flag file | | start, restart, stop, channel |
//! | ended while paused | end what is left, channel | start, restart, stop, channel |
//! | stopped | | stop |
//! | emergency stop | | stop, disable unit |
//! | a foreign stop job is under way | | stop |
//! | a foreign stop job came since the last start | | start, restart, stop, channel |
//! | a start of ours overtook a foreign stop | `StopUnit` | start, restart, stop, channel |
//!
//! ## Service manager × state: which call is safe where
//! | unit (state, job) | start | restart | stop (person) |
//! |---|---|---|---|
//! | active, no job | | `RestartUnit` | `StopUnit` |
//! | active, a job | | | `StopUnit` |
//! | activating | | | `StopUnit` |
//! | auto-restart, no job, manager restarts | `Hasten` | | `StopUnit` |
//! | auto-restart, a job | | | `StopUnit` |
//! | deactivating | | | `StopUnit` |
//! | failed, settled, no job | `StartUnit` | | nothing to do |
//! | inactive, settled, no job | person only: `StartUnit` | | nothing to do |
//! | failed or inactive, not settled or a job | | | `StopUnit` |
//! | not found, not seen | | | |
//!
//! `Hasten` and `RestartUnit` are `TryRestartUnit` in mode `fail`, which cannot revive a stopped unit (systemd 252);
//! the last free start within `StartLimitIntervalSec` is left to the manager. A child is started by `Spawn`, only
//! while no process of it lives. A foreign gateway is never started, and only a person may end it, because nobody
//! would start it again.
//!
//! ## Config: when it may be restored
//! | life | refused over this very config | anything else |
//! |---|---|---|
//! | none | `RestoreConfig` | |
//! | alive, not known | | |
//!
//! The people's table holds for it as for a start; a foreign gateway's config is never written.
//!
//! ## Small remedies
//! | what | when |
//! |---|---|
//! | `StartChannel`, `ReloadSecrets` | the life that was meant serves; the channel was not stopped by a person |
//! | `FreeLogs` | the disk has no room |
//! | `SetLockAside` | always: the step itself proves the owner dead |
//!
//! The people's table holds for them as for a start of a channel.
//!
//! ## Guard × life: ending a process
//! The target must be the process that lives, proven by pid and start time.
//! | life | ours: orderly | ours: kill | person: orderly | person: kill | fence: kill |
//! |---|---|---|---|---|---|
//! | boot, progressing within its budget | | | yes | | yes |
//! | boot, idle or past its budget | yes | yes | yes | | yes |
//! | serving | case only | | yes | | yes |
//! | draining within its deadline | | | stop only | | yes |
//! | draining past its deadline | yes | yes | stop only | stop only | yes |
//! | silent | yes | yes | yes | stop only | yes |
//! | held (cgroup, tracer, inspector) | | | stop only | | yes |
//! | the guard cannot see (`unknown`) | | | yes | as above | yes |
//! | would be the third unclean end in 300 s | as above | | as above | | yes |
//!
//! The fence of shared failover is the one exception of the contract: it rests on the lease, not on a verdict, and
//! overrides the rows on boot, drain, holders and the breaker; it does not override a person.

mod ending;
mod refusal;
mod situation;
mod starting;
#[cfg(test)]
mod tests;

pub use refusal::Refusal;
pub use situation::{ForeignStop, Life, Origin, Phase, Situation};

use crate::directive::Action;
use crate::gateway::{Control, Form};
use crate::wish::{Desired, Standing};

/// Window of OpenClaw's crash-loop breaker (2026.7 to 2026.9: 300 000 ms).
pub const UNCLEAN_WINDOW_MS: u64 = 300_000;

/// Unclean ends within [`UNCLEAN_WINDOW_MS`] after which OpenClaw starts without its channels.
pub const UNCLEAN_TRIP: u32 = 3;

/// Lets an action through, or says why not.
///
/// # Errors
/// The first [`Refusal`] in the order: rights, wishes of people, one remedy at a time, then what the action itself
/// needs.
pub fn permit(action: &Action, origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    rights(action, origin, s)?;
    wishes(action, origin, s)?;
    alone(action, origin, s)?;
    match action {
        Action::Spawn => starting::spawn(origin, s),
        Action::Hasten => starting::hasten(origin, s),
        Action::StartUnit { reset_limit } => starting::start_unit(*reset_limit, origin, s),
        Action::RestartUnit => starting::restart_unit(origin, s),
        Action::StopUnit => ending::stop_unit(s),
        Action::EnableUnit { on } => enable(*on, s),
        Action::Terminate { wake: _ } => ending::terminate(origin, s),
        Action::Kill => ending::kill(origin, s),
        Action::Sweep => ending::sweep(origin, s),
        Action::RestoreConfig { rejected } => starting::restore_config(*rejected, s),
        Action::FreeLogs => free_logs(s),
        // The lock's owner is proven dead where it is moved, which is the only place that can.
        Action::SetLockAside => Ok(()),
        Action::ReloadSecrets => serving(s),
        Action::StartChannel { .. } => channel(s),
    }
}

/// What an action is for, as far as people's wishes are concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// It leads to a gateway that runs, or to more of it.
    Run,
    /// It ends a process; whether for good depends on the standing wishes.
    End,
    /// It only ever serves a stop.
    Stop,
}

const fn purpose(action: &Action) -> Purpose {
    match action {
        Action::Spawn
        | Action::Hasten
        | Action::StartUnit { .. }
        | Action::RestartUnit
        | Action::EnableUnit { on: true }
        | Action::RestoreConfig { .. }
        | Action::FreeLogs
        | Action::ReloadSecrets
        | Action::SetLockAside
        | Action::StartChannel { .. } => Purpose::Run,
        Action::Terminate { .. } | Action::Kill | Action::Sweep => Purpose::End,
        Action::StopUnit | Action::EnableUnit { on: false } => Purpose::Stop,
    }
}

/// A person wants it stopped.
pub(crate) fn stop_wished(standing: &Standing) -> bool {
    standing.emergency || standing.desired == Desired::Stopped
}

/// Rights, and whether the action exists for this owner of the process.
fn rights(action: &Action, origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    match s.control {
        Control::Full => {}
        Control::Observe => return Err(Refusal::ObserveOnly),
    }
    let exists = match action {
        Action::Spawn => s.form == Form::Child,
        Action::Hasten => s.form == Form::Systemd,
        Action::StartUnit { .. } | Action::RestartUnit | Action::StopUnit | Action::EnableUnit { .. } => match s.form {
            Form::Systemd | Form::Launchd | Form::ScheduledTask => true,
            Form::Child | Form::Foreign => false,
        },
        // Whoever started it by hand is there to mend its config, and nobody else would start it again.
        Action::Sweep | Action::RestoreConfig { .. } | Action::FreeLogs | Action::SetLockAside => {
            s.form != Form::Foreign
        }
        Action::Terminate { .. } | Action::Kill | Action::ReloadSecrets | Action::StartChannel { .. } => true,
    };
    if !exists {
        return Err(Refusal::WrongForm);
    }
    let ends = purpose(action) == Purpose::End;
    if s.form == Form::Foreign && ends && !matches!(origin, Origin::Person | Origin::Failover) {
        return Err(Refusal::NobodyStartsIt);
    }
    Ok(())
}

/// A person's wish wins, in every state (invariant 2).
fn wishes(action: &Action, origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    let stop = stop_wished(s.standing);
    match (origin, purpose(action)) {
        (Origin::Person, Purpose::Run) if stop => Err(stopped(s.standing)),
        (Origin::Person, Purpose::Run | Purpose::End) => Ok(()),
        (Origin::Person, Purpose::Stop) if stop => Ok(()),
        (Origin::Ladder, Purpose::Stop)
            if *action == Action::StopUnit && s.foreign_stop == ForeignStop::Overtaken && !s.standing.hands_off() =>
        {
            Ok(())
        }
        (Origin::Ladder | Origin::Case | Origin::Ai | Origin::Failover | Origin::Person, Purpose::Stop) => {
            Err(Refusal::NoStopWish)
        }
        (Origin::Ladder | Origin::Case | Origin::Ai | Origin::Failover, _) if stop => Err(stopped(s.standing)),
        (Origin::Ladder | Origin::Case | Origin::Ai | Origin::Failover, _) if s.standing.hands_off() => {
            Err(Refusal::Paused)
        }
        (Origin::Ladder | Origin::Case | Origin::Ai | Origin::Failover, Purpose::Run | Purpose::End) => {
            let starts = action.is_start() || matches!(action, Action::RestartUnit | Action::RestoreConfig { .. });
            if s.standing.ended_in_pause && starts {
                return Err(Refusal::StoppedByPerson);
            }
            match s.foreign_stop {
                ForeignStop::None => Ok(()),
                ForeignStop::Job | ForeignStop::Since | ForeignStop::Overtaken => Err(Refusal::ForeignStop),
            }
        }
    }
}

fn stopped(standing: &Standing) -> Refusal {
    if standing.emergency { Refusal::EmergencyStop } else { Refusal::StoppedByPerson }
}

/// One remedy at a time (invariant 5). A person's stop does not queue behind a remedy.
fn alone(action: &Action, origin: Origin, s: &Situation<'_>) -> Result<(), Refusal> {
    let Some(outstanding) = s.outstanding else { return Ok(()) };
    let overtakes = match (origin, purpose(action)) {
        (Origin::Person, Purpose::End | Purpose::Stop) => stop_wished(s.standing),
        (Origin::Failover, Purpose::End) => true,
        (Origin::Person | Origin::Failover, Purpose::Run)
        | (Origin::Failover, Purpose::Stop)
        | (Origin::Ladder | Origin::Case | Origin::Ai, _) => false,
    };
    if overtakes { Ok(()) } else { Err(Refusal::OneAtATime { outstanding }) }
}

/// In and out of the boot sequence: out for an emergency stop, back in only what we took out.
fn enable(on: bool, s: &Situation<'_>) -> Result<(), Refusal> {
    match (on, s.standing.emergency, s.standing.disabled_by_us) {
        (false, true, _) => Ok(()),
        (false, false, _) => Err(Refusal::NoStopWish),
        (true, true, _) => Err(Refusal::EmergencyStop),
        (true, false, true) => Ok(()),
        (true, false, false) => Err(Refusal::NothingToDo),
    }
}

/// A channel is started only in the life that was meant, only while it serves, and never against a person.
fn channel(s: &Situation<'_>) -> Result<(), Refusal> {
    if s.channel_stopped {
        ending::alive_target(s)?;
        return Err(Refusal::ChannelStopped);
    }
    serving(s)
}

/// Old logs are deleted only while the disk has no room.
const fn free_logs(s: &Situation<'_>) -> Result<(), Refusal> {
    if s.disk_low { Ok(()) } else { Err(Refusal::NothingToDo) }
}

/// A call to the life that was meant, while it serves.
fn serving(s: &Situation<'_>) -> Result<(), Refusal> {
    ending::alive_target(s)?;
    match s.phase {
        Phase::Serving => Ok(()),
        Phase::Booting { .. } | Phase::Draining { .. } | Phase::Silent | Phase::Gone => Err(Refusal::NotServing),
    }
}
