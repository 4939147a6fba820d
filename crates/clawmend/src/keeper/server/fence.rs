//! The deadman's part of the loop: arming it, its moment, and the end that follows.
//!
//! Invariant: its moment is looked at before anything that was asked is done, so that a keeper that slept through it
//! ends the gateway first, and then reads what the guard sent meanwhile.

use super::Server;
use crate::host::clock;
use crate::host::family::{Family, members};
use crate::host::process::{children, incarnation_of};
use crate::keeper::ending::Ending;
use crate::keeper::init::Init;
use crate::keeper::protocol::{self, Killed, Refusal, RefusalCode, SpawnOrder, Spawned};
use std::time::Duration;

impl Server {
    /// What is due: the deadman's strike, and the next look at what it or a guard ended.
    pub(super) fn mind_deadman(&mut self) {
        let now_ms = clock::now().mono.0;
        if self.deadman.must_strike(now_ms, self.child.running().is_some(), self.ending.is_some()) {
            if self.ending.is_none() {
                self.child.condemn(self.deadman.state().map(|state| state.term));
                self.begin_ending();
            }
            self.deadman.strike(now_ms);
        }
        if self.ending.as_ref().is_some_and(Ending::is_due) {
            self.go_on_ending();
        }
    }

    /// For how long nothing of it need be done. The deadman's moment itself has a descriptor of its own, but what is
    /// adopted after it is due at once.
    pub(super) fn ending_patience(&self) -> Option<Duration> {
        let due = self.deadman.is_due(clock::now().mono.0, self.child.running().is_some());
        self.ending.as_ref().map(Ending::patience).or(due.then_some(Duration::ZERO))
    }

    fn begin_ending(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Ending::begin(self.family()));
        }
    }

    /// Returns how many are left.
    fn go_on_ending(&mut self) -> usize {
        let left = self.ending.as_mut().map_or(0, Ending::go_on);
        // The child counts until it is reaped: its end is told first.
        if left == 0 && self.child.running().is_none() && self.ending.take().is_some() {
            self.child.condemn(None);
            if self.deadman.state().is_some_and(|state| state.struck.is_some_and(|struck| struck.over_ms.is_none())) {
                self.deadman.over(clock::now().mono.0);
            }
        }
        left
    }

    pub(super) fn arm(&mut self, term: u64, until_ms: u64) -> Result<protocol::Deadman, Refusal> {
        if let Some(why) = &self.unprovable {
            // It would strike nobody.
            return Err(Refusal::new(RefusalCode::NotArmed, format!("no process can be ended here: {why}")));
        }
        adopt_orphans();
        self.deadman.arm(term, until_ms, clock::now().mono.0)
    }

    pub(super) fn disarm(&mut self, term: u64) -> Result<(), Refusal> {
        if self.child.running().is_some() || self.ending.is_some() {
            return Err(Refusal::new(RefusalCode::NotArmed, "a gateway runs that it is armed for"));
        }
        self.deadman.disarm(term)
    }

    pub(super) fn kill(&mut self) -> Killed {
        self.begin_ending();
        let left = self.go_on_ending().max(usize::from(self.child.running().is_some()));
        Killed { left: u32::try_from(left).unwrap_or(u32::MAX) }
    }

    /// Starts the gateway, if it may be started now. A directive that was carried out is only answered again.
    pub(super) fn spawn(&mut self, order: &SpawnOrder) -> Result<Spawned, Refusal> {
        if let Some(known) = self.child.outcome(order.directive) {
            return known;
        }
        if self.ending.is_some() {
            return Err(Refusal::new(RefusalCode::Fenced, "what ran before is still being ended"));
        }
        let now_ms = clock::now().mono.0;
        if order.mute && self.child.running().is_none() {
            // It may be armed under it later.
            adopt_orphans();
            self.deadman.lift(order.not_after_ms, now_ms)?;
        } else {
            self.deadman.may_start(order.not_after_ms, now_ms)?;
        }
        self.child.spawn(order, &mut self.output)
    }

    /// In shared mode nobody of the gateway may speak, however far it has moved away.
    pub(super) fn is_of_the_gateway(&self, pid: u32) -> bool {
        self.deadman.state().is_some() && members(&self.family()).iter().any(|life| life.pid == pid)
    }

    /// Everybody that the gateway which runs, or ran last, has started.
    fn family(&self) -> Family {
        let (leader, nonce) = self.child.latest().unzip();
        Family {
            leader,
            mark: nonce.map(|nonce| ("CLAWMEND_NONCE".to_owned(), nonce)),
            above: if self.alone { incarnation_of(std::process::id()) } else { None },
            spared: self.init.as_ref().and_then(Init::guard).cloned().into_iter().collect(),
        }
    }
}

/// Whether nothing is below us yet: a shell that became this keeper may have started something before. If a deadman is
/// armed already, goes on taking in orphans.
pub(super) fn begins_alone(armed: bool) -> bool {
    if armed {
        adopt_orphans();
    }
    incarnation_of(std::process::id()).is_some_and(|own| children(&own).is_empty())
}

/// So that whom the gateway's children leave behind stays below us. Kernels since 3.4 know it; without it they are
/// still found by their group and by the mark in their environment.
fn adopt_orphans() {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}
