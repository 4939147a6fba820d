//! Remedies that only a known case asks for. All others belong to the ladders of their causes, which need no log.
//!
//! Invariant: only a step that the case calls automatic, only while every guard of the case is seen to hold, and a few
//! times per incident. Where a guard cannot be seen it does not hold.

use super::{Next, View};
use crate::diagnosis::case::{Guard, RemedyAction};
use crate::directive::Action;
use crate::health::Verdict;
use crate::health::life::Life;
use crate::health::reasons::Reason;
use crate::observation::ConfigValidity;

/// Tries of one remedy in one incident.
pub const TRIES: usize = 3;
/// Between two of them.
pub const SPACING_MS: u64 = 120_000;

pub(super) fn next(view: &View<'_>) -> Next {
    let Some(suspicion) = view.suspicion else { return Next::Nothing };
    if !suspicion.guards.iter().all(|guard| holds(*guard, view)) {
        return Next::Nothing;
    }
    let steps = [
        (RemedyAction::ReloadSecrets, Action::ReloadSecrets, "its secrets could not be resolved"),
        (RemedyAction::QuarantineLock, Action::SetLockAside, "a lock is in its way, and the lock's owner is dead"),
    ];
    let mut later = Next::Nothing;
    for (remedy, action, reason) in steps {
        if !suspicion.allows(remedy) || (remedy == RemedyAction::ReloadSecrets && !serves(view)) {
            continue;
        }
        match (view.case_tries)(remedy) {
            Some(at) if at <= view.now.mono => return Next::act(action, format!("{reason} (case {})", suspicion.case)),
            Some(at) => later = Next::Wait(at),
            None => {}
        }
    }
    later
}

/// It can be asked.
const fn serves(view: &View<'_>) -> bool {
    matches!(view.life, Life::Alive(_)) && matches!(view.belief.verdict, Verdict::Healthy | Verdict::Degraded)
}

/// The guard of a case is seen to hold.
fn holds(guard: Guard, view: &View<'_>) -> bool {
    match guard {
        Guard::ProcessGone => matches!(view.life, Life::Absent(_)),
        // The step itself proves it, lock by lock, and does nothing where it cannot.
        Guard::LockOwnerDead => true,
        Guard::ConfigBroken => view
            .config
            .is_some_and(|seen| matches!(seen.validity, ConfigValidity::Invalid { .. } | ConfigValidity::Missing)),
        Guard::DiskFull => view.disk_low,
        Guard::ChannelDown => {
            view.reasons.iter().any(|reason| matches!(reason, Reason::ChannelDeaf(_) | Reason::ChannelSuppressed(_)))
        }
        Guard::NotProgressing => view.belief.verdict == Verdict::Down,
        Guard::NotDraining => view.belief.verdict != Verdict::Draining,
        Guard::Idle | Guard::NetworkUp | Guard::ResourceProven => false,
    }
}
