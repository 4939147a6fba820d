//! Steps that end a live process: by wish, in order, by force.

use super::{Next, View, serviced, unit_pending};
use crate::directive::Action;
use crate::gateway::Form;
use crate::health::Verdict;
use crate::health::life::{Alive, Life};
use crate::observation::{ActiveState, RunState};
use crate::time::Moment;

/// A person wants it stopped.
pub(super) fn by_wish(view: &View<'_>) -> Next {
    if view.standing.emergency
        && !view.standing.disabled_by_us
        && serviced(view.profile.form)
        && view.service.is_some_and(|seen| seen.enabled)
    {
        return Next::act(Action::EnableUnit { on: false }, "an emergency stop survives a reboot");
    }
    match view.life {
        Life::Alive(life) => stop_alive(view, life),
        Life::Unknown | Life::Absent(_) if serviced(view.profile.form) && unit_pending(view.service) => {
            Next::act(Action::StopUnit, "a person stopped it")
        }
        Life::Unknown | Life::Absent(_) => Next::Nothing,
    }
}

fn stop_alive(view: &View<'_>, life: &Alive) -> Next {
    if life.killed.is_some() {
        return Next::Nothing;
    }
    if serviced(view.profile.form) {
        return stop_unit(view, life, "a person stopped it");
    }
    match life.asked_to_end {
        None => Next::act(Action::Terminate { wake: stopped(life) }, "a person stopped it"),
        Some(asked) => {
            let deadline = life.drain_by.unwrap_or(asked.plus(view.policy.drain_ms));
            let patience = if life.answering() { deadline } else { asked.plus(view.policy.term_grace_ms) };
            kill_at(view, patience, "it did not end in the time it had")
        }
    }
}

/// Says the stop to the manager, which ends it in order, and by force after the unit's own time limit.
fn stop_unit(view: &View<'_>, life: &Alive, reason: &str) -> Next {
    if view.service.is_some_and(|seen| seen.state == ActiveState::Deactivating) {
        return Next::Nothing;
    }
    match life.asked_to_end.map(|asked| asked.plus(view.policy.term_grace_ms)) {
        // The manager's word that it took up the job may be on its way.
        Some(again) if view.now.mono < again => Next::Wait(again),
        Some(_) | None => Next::act(Action::StopUnit, reason),
    }
}

/// A start of ours overtook a person's stop: take it back.
pub(super) fn undo_late_start(view: &View<'_>) -> Next {
    let reason = "a person had stopped it first";
    match view.life {
        Life::Alive(life) => stop_unit(view, life, reason),
        Life::Unknown | Life::Absent(_) if unit_pending(view.service) => Next::act(Action::StopUnit, reason),
        Life::Unknown | Life::Absent(_) => Next::Nothing,
    }
}

/// A person wants a restart: in order, however long its work takes.
pub(super) fn restart_by_wish(view: &View<'_>) -> Next {
    match view.profile.form {
        Form::Systemd | Form::Launchd | Form::ScheduledTask => {
            Next::act(Action::RestartUnit, "a person asked for a restart")
        }
        Form::Child => Next::act(Action::Terminate { wake: false }, "a person asked for a restart"),
        Form::Foreign => Next::Tell("nothing here would start it again; restart it where it was started".to_owned()),
    }
}

/// Stopped by a signal: wake it so that it can end in order, which costs nothing with OpenClaw's breaker.
pub(super) fn wake_and_end(view: &View<'_>) -> Next {
    let reason = "a signal stopped it (state T)";
    match waiting(view) {
        Some(wait) => wait,
        None => match view.profile.form {
            // systemd continues a stopped process after its SIGTERM (252, observed).
            Form::Systemd => Next::act(Action::RestartUnit, reason),
            Form::Child | Form::Launchd | Form::ScheduledTask => Next::act(Action::Terminate { wake: true }, reason),
            Form::Foreign => nobody_restarts_it(reason),
        },
    }
}

/// It can still end in order.
pub(super) fn in_order(view: &View<'_>, life: &Alive, reason: &str) -> Next {
    match waiting(view) {
        Some(wait) => wait,
        None => match view.profile.form {
            Form::Systemd => Next::act(Action::RestartUnit, reason),
            Form::Child | Form::Launchd | Form::ScheduledTask => {
                Next::act(Action::Terminate { wake: stopped(life) }, reason)
            }
            Form::Foreign => nobody_restarts_it(reason),
        },
    }
}

/// It cannot handle a signal: no futile SIGTERM.
pub(super) fn by_force(view: &View<'_>, reason: &str) -> Next {
    if view.profile.form == Form::Foreign {
        return nobody_restarts_it(reason);
    }
    match waiting(view) {
        Some(wait) => wait,
        None => kill_at(view, view.now.mono, reason),
    }
}

/// Its orderly end is overdue. Where a manager ends it, its own limit comes first.
pub(super) fn past_deadline(view: &View<'_>) -> Next {
    let manager_will = serviced(view.profile.form)
        && view.service.is_some_and(|seen| seen.state == ActiveState::Deactivating && seen.limits.stop_timeout_ms > 0);
    if manager_will { Next::Nothing } else { by_force(view, "its orderly end passed its own deadline") }
}

/// What follows after it was asked to end.
pub(super) fn escalate(view: &View<'_>, life: &Alive, asked: Moment) -> Next {
    if view.belief.verdict == Verdict::Draining {
        return view.belief.again.map_or(Next::Nothing, Next::Wait);
    }
    let policy = view.policy;
    let patience = if life.answering() {
        life.drain_by.unwrap_or(asked.plus(policy.drain_ms)).plus(policy.term_grace_ms)
    } else {
        // Woken, and its event loop has not turned since: a short grace, then force. One that turns is ending.
        let dead = life.woken && !turned_since(life, asked);
        asked.plus(if dead { policy.wake_grace_ms } else { policy.term_grace_ms })
    };
    kill_at(view, patience, "it did not end in order")
}

/// The presets' waits before a restart, and none by evidence.
fn waiting(view: &View<'_>) -> Option<Next> {
    let until = view.down_since.plus(view.policy.restart_wait(view.futile_restarts));
    (view.now.mono < until).then_some(Next::Wait(until))
}

/// Kills at a time, or as soon after it as OpenClaw's breaker would not be tripped by it.
fn kill_at(view: &View<'_>, at: Moment, reason: &str) -> Next {
    let now = view.now.mono;
    if now < at {
        return Next::Wait(at);
    }
    match view.unclean.below(view.policy.unclean_limit, now, view.policy.unclean_window_ms) {
        Some(free) => Next::Wait(free),
        None => Next::act(Action::Kill, reason),
    }
}

fn nobody_restarts_it(reason: &str) -> Next {
    Next::Tell(format!("{reason}, but it was started by hand and nothing here would start it again"))
}

fn stopped(life: &Alive) -> bool {
    life.look.is_some_and(|look| look.state == RunState::Stopped)
}

/// It answered, wrote a line, or was seen to wait for something since then.
fn turned_since(life: &Alive, then: Moment) -> bool {
    [life.last_ok, life.progress.logged, life.progress.turned].into_iter().flatten().any(|at| at > then)
}
