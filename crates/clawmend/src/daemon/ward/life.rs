//! Births and ends, as service manager and kernel tell them. What the keeper tells is in [`child`](super::child).

use super::super::body::Body;
use super::super::news::News;
use super::super::senses::Senses;
use super::Ward;
use crate::host::pidfd::{ExitWatch, WatchError};
use crate::host::process;
use crate::probe::rpc::Endpoint as RpcEndpoint;
use crate::service::{Look, ServiceEvent};
use clawmend_core::gateway::Incarnation;
use clawmend_core::health::reasons::Reason;
use clawmend_core::observation::{Appeared, Endpoint, Evidence, Exit, Gone, HttpOutcome, HttpSeen, RpcSeen};
use clawmend_core::time::Now;
use std::time::Duration;

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
        if let Evidence::Result { .. } = evidence {
            // What was done may show in a file.
            self.next.around.set(now.mono);
        }
        if let Evidence::Rpc(RpcSeen::Shutdown { .. }) = evidence {
            self.next.probe.set(now.mono);
        }
    }

    fn subscribe(&mut self) {
        let Some(target) = self.senses.as_ref().and_then(Senses::target) else { return };
        self.rpc_up = true;
        let credential = self.around.credential();
        self.shown = Some(credential.clone());
        let endpoint = RpcEndpoint { target, credential };
        let rpc = self.rpc.clone();
        tokio::task::spawn_local(async move { rpc.up(endpoint).await });
    }

    /// The config has changed: a token that was refused, or was not there, may be right now.
    pub(super) fn offer_the_new_token(&mut self) {
        let lacking = [Reason::RpcUnauthorized.name(), Reason::RpcNoToken.name()];
        let other = self.shown.as_ref().is_some_and(|shown| !shown.same(&self.around.credential()));
        if self.rpc_up && other && self.guardian.report().reasons.iter().any(|reason| lacking.contains(reason)) {
            self.subscribe();
        }
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
        self.book_unheard(now);
        self.unsubscribe();
        self.senses = Some(Senses::new(&life));
        self.next = super::Schedule {
            around: self.next.around,
            // It has its price: another life is no reason to ask sooner.
            synthetic: self.next.synthetic,
            ..super::Schedule::default()
        };
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

    /// No more looks at a life that has ended, and no late word of its birth is believed.
    pub(super) fn look_away(&mut self, from: &Incarnation) {
        if self.senses.as_ref().is_some_and(|senses| senses.life() == from) {
            self.senses = None;
            self.unsubscribe();
        }
        if self.ended.contains(from) {
            return;
        }
        if self.ended.len() >= ENDS_REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back(from.clone());
    }

    pub(super) fn gone(&mut self, now: Now, gone: Gone) {
        self.look_away(&gone.incarnation);
        self.observe(now, &Evidence::Gone(gone));
        self.next.around.set(now.mono.plus(AROUND_AFTER_END_MS));
    }

    pub(super) fn service_event(&mut self, now: Now, event: ServiceEvent) {
        match event {
            ServiceEvent::Seen(look) => self.unit_seen(now, &look),
            ServiceEvent::ForeignJob(kind) => self.observe(now, &Evidence::ForeignJob(kind)),
            ServiceEvent::Connected { version } => tracing::debug!(version, "the service manager answers"),
            ServiceEvent::Lost { reason, .. } => {
                tracing::warn!(reason, "the service manager does not answer");
                self.observe(now, &Evidence::ServiceUnseen);
            }
            ServiceEvent::Rights => self.rights_again(),
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
        self.rights_again();
        if let Some(fragment) = &look.fragment {
            self.keep_copy_of_unit(fragment);
        }
    }

    /// What we may do is what the manager says now.
    fn rights_again(&mut self) {
        let Body::Service(unit) = &*self.body else { return };
        let control = unit.control();
        if control != self.guardian.profile().control {
            tracing::info!(?control, "what the guard may do through the service manager has changed");
            self.guardian.set_control(control);
            drop(self.store.introduce(self.introduction()));
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
