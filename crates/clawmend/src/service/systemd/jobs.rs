//! Whose job is it, and what does it do?
//!
//! systemd announces a job without its type and without its owner. Ours is known once our call is answered, and
//! systemd announces the job *before* it answers; the type is asked for, but a quick job is gone by then and its
//! type has to follow from what it did. Until both are known, everything that came after the announcement waits.
//!
//! Invariant: a job is called ours only when systemd named it in the answer to a call of ours.

use super::properties::Properties;
use clawmend_core::observation::{ActiveState, Job, JobKind};
use std::collections::{BTreeMap, VecDeque};

/// Jobs that are remembered; a unit has one at a time.
const REMEMBERED: usize = 32;

/// The unit at one end of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    pub state: ActiveState,
    pub invocation: u64,
}

impl Before {
    pub fn of(properties: &Properties) -> Self {
        Self { state: properties.state(), invocation: properties.invocation }
    }
}

/// What the manager itself is doing; then the jobs that go with it are nobody's wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Boot or login: enabled units are started.
    StartingUp,
    #[default]
    Running,
    /// Shutdown or logout: every unit is stopped.
    Stopping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Undecided,
    Ours,
    Foreign,
}

#[derive(Clone, Debug)]
struct Tracked {
    owner: Owner,
    /// `None`: not known yet. `Some(None)`: a job that changes nothing.
    kind: Option<Option<JobKind>>,
    /// systemd's own automatic restart, or its start-up or shutdown.
    by_itself: bool,
    /// It took the place of a start or restart, as only a stop does.
    displaced: bool,
    before: Before,
    /// Its result, and the unit when it ended: systemd tells the unit's changes first. What the unit did later,
    /// such as to exit at once, was not the job's doing.
    end: Option<(String, Before)>,
}

/// What came out for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// For the looks at the unit while the job is installed.
    pub job: Option<Job>,
    /// A person or another program asked for this.
    pub foreign: Option<JobKind>,
}

/// The jobs of one unit over one connection.
#[derive(Debug, Default)]
pub struct Jobs {
    own: VecDeque<String>,
    tracked: BTreeMap<String, Tracked>,
    order: VecDeque<String>,
    /// `NRestarts` up to which systemd's own restarts have been told apart.
    credited: u32,
    /// A start or restart has just been canceled; if a job follows at once, it took its place.
    displacing: bool,
}

impl Jobs {
    /// Restarts that happened before we looked are nobody's.
    pub fn credit(&mut self, restarts: u32) {
        self.credited = restarts;
    }

    /// A job was announced. `false`: it was known already.
    pub fn announced(&mut self, path: &str, before: Before, own_call_pending: bool) -> bool {
        if self.tracked.contains_key(path) {
            return false;
        }
        let owner = match (self.own.iter().any(|own| own == path), own_call_pending) {
            (true, _) => Owner::Ours,
            (false, true) => Owner::Undecided,
            (false, false) => Owner::Foreign,
        };
        let displaced = std::mem::take(&mut self.displacing);
        let tracked = Tracked { owner, kind: None, by_itself: false, displaced, before, end: None };
        self.tracked.insert(path.to_owned(), tracked);
        self.order.push_back(path.to_owned());
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.tracked.remove(&oldest);
            }
        }
        true
    }

    /// systemd named this job in the answer to our call. One that was already told as foreign stays so: our call
    /// was merged into it.
    pub fn is_ours(&mut self, path: &str) {
        self.own.push_back(path.to_owned());
        while self.own.len() > REMEMBERED {
            self.own.pop_front();
        }
        if let Some(tracked) = self.tracked.get_mut(path)
            && tracked.owner == Owner::Undecided
        {
            tracked.owner = Owner::Ours;
        }
    }

    /// No call of ours is pending any more.
    pub fn own_call_ended(&mut self) {
        for tracked in self.tracked.values_mut().filter(|tracked| tracked.owner == Owner::Undecided) {
            tracked.owner = Owner::Foreign;
        }
    }

    /// systemd told the job's type (`JobType`).
    pub fn typed(&mut self, path: &str, name: &str, now: &Properties, phase: Phase) {
        let kind = match name {
            "start" => Some(JobKind::Start),
            "stop" => Some(JobKind::Stop),
            "restart" | "try-restart" => Some(JobKind::Restart),
            _ => None,
        };
        self.decide(path, kind, now, phase);
    }

    /// The job was gone before its type could be read.
    pub fn untyped(&mut self, path: &str, now: &Properties, phase: Phase) {
        let Some(tracked) = self.tracked.get(path) else { return };
        let (result, after) = match &tracked.end {
            Some((result, after)) => (result.as_str(), *after),
            None => ("", Before::of(now)),
        };
        let kind = match infer(tracked.before, after, result) {
            None if tracked.displaced && result != "canceled" => Some(JobKind::Stop),
            kind => kind,
        };
        self.decide(path, kind, now, phase);
    }

    fn decide(&mut self, path: &str, kind: Option<JobKind>, now: &Properties, phase: Phase) {
        let Some(tracked) = self.tracked.get_mut(path) else { return };
        if tracked.kind.is_some() {
            return;
        }
        tracked.kind = Some(kind);
        // systemd counts its own restart before it announces the job; a start by hand sets the count to zero.
        tracked.by_itself = match kind {
            Some(JobKind::Start) => phase == Phase::StartingUp || now.restarts > self.credited,
            Some(JobKind::Restart) => now.restarts > self.credited,
            Some(JobKind::Stop) => phase == Phase::Stopping,
            None => false,
        };
        self.credited = now.restarts;
    }

    /// The job has ended with this result (`done`, `failed`, `canceled`, …).
    pub fn removed(&mut self, path: &str, result: &str, now: &Properties) {
        if let Some(tracked) = self.tracked.get_mut(path) {
            tracked.end = Some((result.to_owned(), Before::of(now)));
            self.displacing = result == "canceled" && tracked.kind != Some(Some(JobKind::Stop));
        }
    }

    /// The unit has no job: none took the place of the last one.
    pub fn none_installed(&mut self) {
        self.displacing = false;
    }

    /// Gives up waiting: what is still unknown counts as foreign, which is the careful side.
    pub fn force(&mut self, path: &str, now: &Properties, phase: Phase) {
        self.untyped(path, now, phase);
        if let Some(tracked) = self.tracked.get_mut(path)
            && tracked.owner == Owner::Undecided
        {
            tracked.owner = Owner::Foreign;
        }
    }

    /// What came out, once it is known. A job that is not remembered is nobody's.
    pub fn verdict(&self, path: &str) -> Option<Verdict> {
        let Some(tracked) = self.tracked.get(path) else { return Some(Verdict { job: None, foreign: None }) };
        let kind = tracked.kind?;
        let ours = match tracked.owner {
            Owner::Undecided => return None,
            Owner::Ours => true,
            Owner::Foreign => false,
        };
        Some(Verdict {
            job: kind.map(|kind| Job { kind, ours }),
            foreign: kind.filter(|_| !ours && !tracked.by_itself),
        })
    }
}

/// What a job that is gone did to the unit. A unit that is down when a job succeeds was stopped by it, also when a
/// new life began and ended in between.
fn infer(before: Before, after: Before, result: &str) -> Option<JobKind> {
    let fresh = after.invocation != before.invocation;
    let was_down = matches!(before.state, ActiveState::Inactive | ActiveState::Failed | ActiveState::NotFound);
    let down = matches!(after.state, ActiveState::Inactive | ActiveState::Failed | ActiveState::Deactivating);
    if result == "canceled" {
        // Another job took its place, and is announced itself.
        return None;
    }
    match (down, fresh) {
        (true, _) if result == "failed" => Some(JobKind::Start),
        (true, false) if was_down => None,
        (true, _) => Some(JobKind::Stop),
        (false, true) if before.state == ActiveState::Active => Some(JobKind::Restart),
        (false, true) => Some(JobKind::Start),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::field_reassign_with_default)]
    use super::*;

    const UP: Before = Before { state: ActiveState::Active, invocation: 1 };
    const WAITING: Before = Before { state: ActiveState::AutoRestart, invocation: 1 };
    const DOWN: Before = Before { state: ActiveState::Inactive, invocation: 1 };
    const AGAIN: Before = Before { state: ActiveState::Active, invocation: 2 };

    #[test]
    fn quick_jobs_are_known_by_what_they_did() {
        assert_eq!(infer(WAITING, DOWN, "done"), Some(JobKind::Stop));
        assert_eq!(infer(UP, DOWN, "done"), Some(JobKind::Stop));
        assert_eq!(infer(UP, AGAIN, "done"), Some(JobKind::Restart));
        assert_eq!(infer(DOWN, AGAIN, "done"), Some(JobKind::Start));
        assert_eq!(infer(DOWN, DOWN, "failed"), Some(JobKind::Start), "the start limit");
        assert_eq!(infer(DOWN, DOWN, "done"), None, "a try-restart of a stopped unit");
        assert_eq!(infer(UP, DOWN, "canceled"), None);
        let reborn = Before { invocation: 2, ..DOWN };
        assert_eq!(infer(WAITING, reborn, "done"), Some(JobKind::Stop), "a new life began just before the stop");
    }

    #[test]
    fn a_job_waits_for_its_owner_and_its_type() {
        let now = Properties::default();
        let mut jobs = Jobs::default();
        assert!(jobs.announced("/job/1", UP, true));
        jobs.typed("/job/1", "restart", &now, Phase::Running);
        assert_eq!(jobs.verdict("/job/1"), None);
        jobs.is_ours("/job/1");
        assert_eq!(jobs.verdict("/job/1").unwrap().foreign, None);
        assert!(jobs.announced("/job/2", UP, true));
        jobs.own_call_ended();
        assert_eq!(jobs.verdict("/job/2"), None);
        jobs.typed("/job/2", "stop", &now, Phase::Running);
        assert_eq!(jobs.verdict("/job/2").unwrap().foreign, Some(JobKind::Stop));
    }

    #[test]
    fn a_stop_between_the_halves_of_our_restart_is_a_stop() {
        let mut jobs = Jobs::default();
        let mut down = Properties::default();
        down.invocation = DOWN.invocation;
        jobs.announced("/job/1", UP, true);
        jobs.is_ours("/job/1");
        jobs.own_call_ended();
        jobs.typed("/job/1", "restart", &down, Phase::Running);
        jobs.removed("/job/1", "canceled", &down);
        jobs.announced("/job/2", DOWN, false);
        jobs.removed("/job/2", "done", &down);
        jobs.untyped("/job/2", &down, Phase::Running);
        assert_eq!(jobs.verdict("/job/2").unwrap().foreign, Some(JobKind::Stop));
    }

    #[test]
    fn a_stop_by_the_managers_own_shutdown_is_nobodys_wish() {
        let mut jobs = Jobs::default();
        jobs.announced("/job/1", UP, false);
        jobs.typed("/job/1", "stop", &Properties::default(), Phase::Stopping);
        assert_eq!(jobs.verdict("/job/1").unwrap().foreign, None);
    }

    #[test]
    fn systemds_own_restart_is_nobodys_job() {
        let mut jobs = Jobs::default();
        jobs.credit(3);
        let mut counted = Properties::default();
        counted.restarts = 4;
        jobs.announced("/job/1", WAITING, false);
        jobs.typed("/job/1", "restart", &counted, Phase::Running);
        assert_eq!(jobs.verdict("/job/1").unwrap().foreign, None);
        jobs.announced("/job/2", UP, false);
        jobs.typed("/job/2", "restart", &counted, Phase::Running);
        assert_eq!(jobs.verdict("/job/2").unwrap().foreign, Some(JobKind::Restart));
    }
}
