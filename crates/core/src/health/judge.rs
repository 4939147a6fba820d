//! From the evidence of one life to a verdict and a cause.
//!
//! Invariant: no time-out alone condemns. Every `Down` of a live process rests on kernel evidence (state, CPU,
//! switches, listener) that has held for a budget, or on the gateway's own word. Start at [`judge`].

use super::life::{Alive, CPU_WINDOW_MS};
use super::{Boots, Verdict};
use crate::diagnosis::Cause;
use crate::observation::{Held, Listener, RunState};
use crate::policy::Policy;
use crate::time::Moment;

/// A belief and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What we believe.
    pub verdict: Verdict,
    /// Why it is down, when it is.
    pub cause: Option<Cause>,
    /// When time alone may change this.
    pub again: Option<Moment>,
}

impl Judgement {
    const fn plain(verdict: Verdict) -> Self {
        Self { verdict, cause: None, again: None }
    }

    const fn down(cause: Cause) -> Self {
        Self { verdict: Verdict::Down, cause: Some(cause), again: None }
    }

    const fn until(verdict: Verdict, again: Moment) -> Self {
        Self { verdict, cause: None, again: Some(again) }
    }
}

/// How long a gateway that answers may be silent about its readiness before it is taken for ready.
const UNHEARD_MS: u64 = 30_000;

/// Judges a live process. Degradation while serving is judged by [`super::reasons`].
#[must_use]
pub fn judge(life: &Alive, boots: &Boots, policy: &Policy, now: Moment) -> Judgement {
    if let Some(judgement) = judge_stopped(life, policy, now) {
        return judgement;
    }
    let asked = life.asked_to_end.filter(|_| life.answering()).map(|asked| asked.plus(policy.drain_ms));
    if let Some(deadline) = life.drain_by.or(asked) {
        return judge_drain(deadline, policy, now);
    }
    if life.answering() {
        // It listens before it is ready: until it has said so itself, it is young.
        let unheard = life.readiness_at.is_none() && life.served.is_some_and(|at| now.since(at) < UNHEARD_MS);
        return if life.starting || life.readiness.starting() || unheard {
            Judgement::plain(Verdict::Starting)
        } else {
            Judgement::plain(Verdict::Healthy)
        };
    }
    if let Some(cause) = life.held().map(held_cause) {
        return Judgement::down(cause);
    }
    if life.startup_failed {
        return Judgement::down(Cause::NotListening);
    }
    if life.served.is_none() {
        return judge_boot(life, boots, policy, now);
    }
    if let Some(back_by) = life.back_by
        && now < back_by
    {
        return Judgement::until(Verdict::Starting, back_by);
    }
    let judgement = judge_silence(life, boots, policy, now);
    if judgement.verdict == Verdict::Suspect && life.coming_up() {
        // Its event loop is busy with its start. The budgets are the same; only the word for the wait is another.
        return Judgement { verdict: Verdict::Starting, ..judgement };
    }
    judgement
}

const fn held_cause(held: Held) -> Cause {
    match held {
        Held::Frozen => Cause::CgroupFrozen,
        Held::Traced { .. } => Cause::Traced,
        Held::Inspected => Cause::Inspected,
    }
}

/// Looks that must show one unbroken stop before it counts.
pub const STOPPED_LOOKS: u32 = 3;

/// A process that a signal stopped cannot serve, whatever its port says. Held processes are not ours.
fn judge_stopped(life: &Alive, policy: &Policy, now: Moment) -> Option<Judgement> {
    let since = life.progress.stopped?;
    if let Some(held) = life.held() {
        // A group-stop under a tracer, or under a frozen cgroup, is theirs.
        return Some(Judgement::down(held_cause(held)));
    }
    // Only looks tell: it may have been continued since the last one.
    let seen_ms = life.look.map_or(0, |look| look.at.since(since));
    if life.progress.stopped_looks >= STOPPED_LOOKS && seen_ms >= policy.frozen_confirm_ms {
        return Some(Judgement::down(Cause::Frozen));
    }
    let sure_at = since.plus(policy.frozen_confirm_ms);
    Some(Judgement { again: (now < sure_at).then_some(sure_at), ..Judgement::plain(Verdict::Suspect) })
}

/// An orderly end is waited for, within the deadline that the gateway gave itself.
fn judge_drain(deadline: Moment, policy: &Policy, now: Moment) -> Judgement {
    if now < deadline {
        return Judgement::until(Verdict::Draining, deadline);
    }
    // Past its own deadline it may still be busy ending; only silence on top of that makes it stuck.
    let stuck_at = deadline.plus(policy.term_grace_ms);
    if now >= stuck_at { Judgement::down(Cause::DrainStuck) } else { Judgement::until(Verdict::Draining, stuck_at) }
}

/// A start is given time as long as it progresses; what it may burn is counted in CPU, so that a quota or a busy
/// machine only stretches it.
fn judge_boot(life: &Alive, boots: &Boots, policy: &Policy, now: Moment) -> Judgement {
    let cpu_budget = boots.dearest_cpu_ms().unwrap_or(0).saturating_mul(10).max(policy.boot_cpu_ms);
    let burnt = life.look.map_or(0, |look| look.cpu_ms.saturating_sub(life.cpu_base_ms));
    let spins = life.look.is_some_and(|look| look.state == RunState::Running)
        && life.progress.yielded.is_some_and(|at| now.since(at) >= policy.spin_budget_ms);
    if burnt >= cpu_budget && spins {
        return Judgement::down(Cause::BootStuck);
    }
    let idle_budget = boots.slowest_ms().unwrap_or(0).max(policy.boot_idle_ms);
    let signs =
        [Some(life.seen), life.progress.stepped, life.progress.used_cpu, life.progress.logged, life.progress.released];
    let last_sign = signs.into_iter().flatten().max();
    let stuck_at = last_sign.unwrap_or(life.seen).plus(idle_budget);
    // Without a look at the process there is no telling idle from busy.
    if now >= stuck_at && life.look.is_some() {
        return Judgement::down(Cause::BootStuck);
    }
    Judgement::until(Verdict::Starting, stuck_at.max(now.plus(CPU_WINDOW_MS)))
}

/// It served, and now it does not answer.
fn judge_silence(life: &Alive, boots: &Boots, policy: &Policy, now: Moment) -> Judgement {
    if life.first_miss.is_none() {
        return Judgement::plain(Verdict::Suspect);
    }
    if let Some(judgement) = judge_listener(life, boots, policy, now) {
        return judgement;
    }
    let Some(look) = life.look else {
        return Judgement::plain(Verdict::Unknown);
    };
    // What the loop did before the silence does not count; what it did not do since then does.
    let silent_since = life.first_miss.unwrap_or(now);
    let frozen_loop = life.progress.yielded.unwrap_or(life.born);
    // A window of CPU use may reach back into the time before the silence; one without it since then tells.
    let used = life.progress.idle.is_none() && life.progress.used_cpu.is_some_and(|at| at > silent_since);
    let burning = look.state == RunState::Running || used;
    if burning && frozen_loop <= silent_since.plus(1_500) {
        // Not one voluntary switch since it fell silent: the event loop does not turn.
        let since = frozen_loop.max(life.last_ok.unwrap_or(life.born));
        let over = since.plus(policy.spin_budget_ms);
        if now >= over && life.misses >= 2 {
            return Judgement::down(Cause::Spinning);
        }
        return Judgement::until(Verdict::Suspect, over);
    }
    let over = silent_since.plus(policy.stall_budget_ms.max(policy.debounce_ms));
    if now >= over && life.misses >= 2 {
        return Judgement::down(if burning { Cause::Spinning } else { Cause::Stuck });
    }
    Judgement::until(Verdict::Suspect, over)
}

/// Nobody listens, or somebody else does.
fn judge_listener(life: &Alive, boots: &Boots, policy: &Policy, now: Moment) -> Option<Judgement> {
    let since = life.progress.unlistened?;
    // Busy without a listener: it restarts inside its process, which takes as long as a start does.
    let budget = boots.slowest_ms().unwrap_or(0).saturating_mul(2).max(policy.inner_restart_ms);
    let idle_over = life.progress.idle.map(|idle| idle.max(since).plus(policy.deaf_idle_ms));
    let over = idle_over.unwrap_or(since.plus(budget)).min(since.plus(budget));
    if now < over {
        return Some(Judgement::until(Verdict::Suspect, over));
    }
    match &life.listener {
        Listener::Foreign { name, pid, .. } => {
            let owner = pid.map_or_else(|| name.clone(), |pid| format!("{name} (pid {pid})"));
            Some(Judgement::down(Cause::PortStolen { owner }))
        }
        Listener::Absent | Listener::Unknown | Listener::Own { .. } => Some(Judgement::down(Cause::NotListening)),
    }
}
