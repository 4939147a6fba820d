//! Births and ends, as keeper, service manager and kernel tell them.

use super::super::body::{Body, Child};
use super::super::news::News;
use super::super::senses::Senses;
use super::Ward;
use crate::host::pidfd::{ExitWatch, WatchError};
use crate::host::process;
use crate::keeper::protocol::{Ended, Event, Spawned, State};
use crate::openclaw::logs::signs;
use crate::probe::rpc::Endpoint as RpcEndpoint;
use crate::service::{Look, ServiceEvent};
use clawmend_core::directive::DirectiveId;
use clawmend_core::gateway::Incarnation;
use clawmend_core::health::Verdict;
use clawmend_core::observation::{Appeared, Endpoint, Evidence, Exit, Gone, HttpOutcome, HttpSeen, RpcSeen};
use clawmend_core::time::{Moment, Now};
use clawmend_core::wish::Wish;
use std::time::Duration;

/// Output of the gateway that is read after a refusal: its reason is among the last lines.
const LAST_WORDS: u32 = 8 * 1024;
/// How long the keeper may take to tell of an end that the kernel has told already.
const KEEPER_PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at a process that cannot be watched.
const LOOK_INSTEAD: Duration = Duration::from_secs(1);
/// From an end to the look at the surroundings: the answer to the end comes first, files can wait.
const AROUND_AFTER_END_MS: u64 = 100;
/// Ends that are remembered.
const ENDS_REMEMBERED: usize = 16;

impl Ward {
    /// What follows from evidence that came from beside the loop.
    pub(super) fn follow_up(&mut self, now: Now, evidence: &Evidence) {
        if let Evidence::Http(HttpSeen { endpoint, outcome, .. }) = evidence {
            if *endpoint == Endpoint::Healthz && *outcome == HttpOutcome::Ok && !self.rpc_up {
                self.subscribe();
            }
            if matches!(outcome, HttpOutcome::Refused | HttpOutcome::Broken) {
                // The socket may have moved: look again before the next knock.
                self.next.listener.set(now.mono);
            }
        }
        if let Evidence::Rpc(RpcSeen::Shutdown { .. }) = evidence {
            self.next.probe.set(now.mono);
        }
    }

    fn subscribe(&mut self) {
        let Some(target) = self.senses.as_ref().and_then(Senses::target) else { return };
        self.rpc_up = true;
        let endpoint = RpcEndpoint { target, credential: self.around.credential() };
        let rpc = self.rpc.clone();
        tokio::task::spawn_local(async move { rpc.up(endpoint).await });
    }

    fn unsubscribe(&mut self) {
        if std::mem::take(&mut self.rpc_up) {
            let rpc = self.rpc.clone();
            tokio::task::spawn_local(async move { rpc.down().await });
        }
    }

    pub(super) fn appeared(&mut self, now: Now, appeared: Appeared) {
        let life = appeared.incarnation.clone();
        let known = self.senses.as_ref().is_some_and(|senses| *senses.life() == life);
        if known || self.ended.contains(&life) {
            return;
        }
        self.unsubscribe();
        self.senses = Some(Senses::new(&life));
        self.next = super::Schedule { around: self.next.around, ..super::Schedule::default() };
        self.around.learn_port(&life);
        self.watch_for_its_end(life);
        self.observe(now, &Evidence::Appeared(appeared));
    }

    /// The keeper or the manager tells the manner of an end; the kernel tells the instant, also when they are gone.
    fn watch_for_its_end(&self, life: Incarnation) {
        let news = self.news.clone();
        let child = self.body.child().is_some();
        tokio::task::spawn_local(async move {
            match ExitWatch::new(&life) {
                Ok(watch) => watch.ended().await,
                Err(WatchError::Gone { .. }) => {}
                Err(error @ WatchError::CannotWatch { .. }) => {
                    tracing::debug!(%error, "no watch on the process; it is looked at instead");
                    while process::is_alive(&life) {
                        tokio::time::sleep(LOOK_INSTEAD).await;
                    }
                }
            }
            if child {
                tokio::time::sleep(KEEPER_PATIENCE).await;
            }
            let _ = news.send(News::Ended(life)).await;
        });
    }

    /// The kernel says that it ended. Where a keeper lives it has told the same with the exit status by now.
    pub(super) fn ended_unseen(&mut self, now: Now, life: &Incarnation) {
        // It may still be in the process table, until its parent has taken note.
        if self.senses.as_ref().is_none_or(|senses| senses.life() != life) {
            return;
        }
        self.gone(now, Gone { incarnation: life.clone(), exit: Exit::Unknown, uncertainty_ms: 0 });
    }

    pub(super) fn gone(&mut self, now: Now, gone: Gone) {
        if self.senses.as_ref().is_some_and(|senses| *senses.life() == gone.incarnation) {
            self.senses = None;
            self.unsubscribe();
        }
        if self.ended.len() >= ENDS_REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back(gone.incarnation.clone());
        self.observe(now, &Evidence::Gone(gone));
        self.next.around.set(now.mono.plus(AROUND_AFTER_END_MS));
    }

    pub(super) async fn keeper_event(&mut self, now: Now, event: Event) {
        match event {
            Event::Exited(ended) => self.child_ended(now, ended).await,
            // The kernel's word on it comes with the next look, which is now.
            Event::Stopped { .. } | Event::Continued { .. } => self.next.look.set(now.mono),
            Event::Stopping => {
                tracing::info!(gateway = %self.home.id.0, "the keeper was told to end with its gateway");
                // Whoever ends the container ends the gateway: no start goes against that.
                self.observe(now, &Evidence::Person(Wish::Stop));
            }
            Event::Other => {}
        }
    }

    async fn child_ended(&mut self, now: Now, ended: Ended) {
        if self.senses.as_ref().is_some_and(|senses| *senses.life() != ended.incarnation) {
            // An older life; the present one goes on.
            return self.acknowledge(ended.incarnation);
        }
        if self.senses.is_none() && self.guardian.verdict() != Verdict::Unknown {
            // It ended before the answer to its spawn was here: a life all the same, and one that did not last.
            self.died_at_birth(now, &ended);
        }
        let refusal = matches!(ended.exit, Exit::Code { code: 1 | 78 });
        if refusal && let Some(child) = self.body.child() {
            let text = child.tail(LAST_WORDS).await;
            for sign in text.lines().filter_map(signs::of_line) {
                self.observe(now, &Evidence::Log(sign));
            }
            let mut found = Vec::new();
            self.around.read_config(&mut found);
            for evidence in &found {
                self.observe(now, evidence);
            }
        }
        let uncertainty_ms = now.mono.since(Moment(ended.at_ms));
        let life = ended.incarnation.clone();
        self.gone(now, Gone { incarnation: ended.incarnation, exit: ended.exit, uncertainty_ms });
        self.acknowledge(life);
    }

    fn died_at_birth(&mut self, now: Now, ended: &Ended) {
        let note = self.body.child().and_then(Child::note).filter(|note| note.nonce == ended.nonce);
        if let Some(note) = note {
            let appeared = Appeared {
                incarnation: ended.incarnation.clone(),
                age_ms: now.mono.since(Moment(ended.at_ms)),
                by: Some(DirectiveId(note.directive)),
                at_boot: false,
                restarts_by_exit: true,
            };
            self.appeared(now, appeared);
        }
    }

    /// Lets the keeper forget an end, once it is on record. A keeper keeps 64 ends at most.
    fn acknowledge(&mut self, life: Incarnation) {
        self.unacknowledged.push(life);
    }

    /// The keeper was found, or is new: compare what it knows with what we believe.
    pub(super) async fn keeper_state(&mut self, now: Now, state: State) {
        if let Some(child) = &state.child {
            self.child_found(now, child);
            for ended in state.exits {
                self.acknowledge(ended.incarnation);
            }
            return;
        }
        if self.adopt_orphan().await {
            return;
        }
        let believed = self.senses.as_ref().map(|senses| senses.life().clone());
        let mut exits = state.exits;
        match exits.pop() {
            Some(last) => {
                for older in exits {
                    self.acknowledge(older.incarnation);
                }
                self.child_ended(now, last).await;
            }
            None => match believed {
                Some(life) => self.gone(now, Gone { incarnation: life, exit: Exit::Unknown, uncertainty_ms: 1_000 }),
                None => self.observe(now, &Evidence::NotThere),
            },
        }
    }

    pub(super) fn child_found(&mut self, now: Now, child: &Spawned) {
        self.appeared(
            now,
            Appeared {
                incarnation: child.incarnation.clone(),
                age_ms: now.mono.since(Moment(child.spawned_at_ms)),
                by: Some(DirectiveId(child.directive)),
                at_boot: false,
                restarts_by_exit: true,
            },
        );
    }

    /// The gateway outlived its keeper.
    async fn adopt_orphan(&self) -> bool {
        let Some(child) = self.body.child() else { return false };
        let Some((life, note)) = child.orphan() else { return false };
        match child.adopt(&life, &note).await {
            Ok(spawned) => {
                let state = State {
                    pid: 0,
                    child: Some(spawned),
                    exits: Vec::new(),
                    capabilities: Vec::new(),
                    stopping: false,
                    dropped_lines: 0,
                };
                self.news.try_send(News::KeeperState(state)).is_ok()
            }
            Err(error) => {
                tracing::warn!(%error, "the gateway outlived its keeper and could not be handed to a new one");
                false
            }
        }
    }

    pub(super) fn service_event(&mut self, now: Now, event: ServiceEvent) {
        match event {
            ServiceEvent::Seen(look) => self.unit_seen(now, &look),
            ServiceEvent::ForeignJob(kind) => self.observe(now, &Evidence::ForeignJob(kind)),
            ServiceEvent::Connected { version } => tracing::debug!(version, "the service manager answers"),
            ServiceEvent::Lost { reason, .. } => tracing::warn!(reason, "the service manager does not answer"),
        }
    }

    fn unit_seen(&mut self, now: Now, look: &Look) {
        let main = look.seen.main_pid.and_then(process::incarnation_of);
        if let Some(life) = main.clone() {
            let age_ms = process::age_ms(&life, now).unwrap_or(0);
            self.appeared(
                now,
                Appeared { incarnation: life, age_ms, by: None, at_boot: look.started_at_boot, restarts_by_exit: true },
            );
        }
        self.left_its_unit(now, look);
        self.observe(now, &Evidence::Service(look.seen.clone()));
        if let Body::Service(unit) = &*self.body {
            let control = unit.control();
            if control != self.guardian.profile().control {
                self.guardian.set_control(control);
            }
        }
        if let Some(fragment) = &look.fragment {
            self.keep_copy_of_unit(fragment);
        }
    }

    /// The manager has taken note of the end; the kernel's word may come later, or not at all.
    fn left_its_unit(&mut self, now: Now, look: &Look) {
        if look.seen.main_pid.is_some() {
            return;
        }
        if let Some(incarnation) = self.senses.as_ref().map(|senses| senses.life().clone()) {
            let exit = look.seen.last_exit.unwrap_or(Exit::Unknown);
            self.gone(now, Gone { incarnation, exit, uncertainty_ms: 0 });
        }
    }

    /// A gateway that somebody started: its lock tells.
    pub(super) fn look_for_life(&mut self, now: Now) {
        if !matches!(*self.body, Body::Foreign) {
            return;
        }
        if let Some(life) = self.around.lock_holder() {
            let age_ms = process::age_ms(&life, now).unwrap_or(0);
            let appeared = Appeared { incarnation: life, age_ms, by: None, at_boot: false, restarts_by_exit: false };
            self.appeared(now, appeared);
        } else {
            self.observe(now, &Evidence::NotThere);
        }
    }
}
