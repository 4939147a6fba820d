//! Carrying out what the state machine put out, in its order.
//!
//! Invariant: a directive that follows a wish waits until that wish is durable (within a limit: a full disk must not
//! stop a person's stop); a kill waits until it is on record, and stays there until its end is booked.

use super::super::body::Body;
use super::super::desk;
use super::super::housekeeping::Housekeeping;
use super::super::news::News;
use super::super::{kept, left};
use super::{Ward, own_uid};
use crate::host::clock;
use crate::keeper::protocol::{Spawned, State};
use crate::store::{Receipt, Store, StoreError};
use clawmend_core::directive::{Action, ActionResult, Directive, DirectiveId, Output, Question};
use clawmend_core::gateway::{GatewayId, Incarnation};
use clawmend_core::incident::IncidentEvent;
use clawmend_core::observation::{Evidence, KillLeft};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// Longest wait for the disk before a directive goes ahead without it.
const DISK_PATIENCE: Duration = Duration::from_secs(2);
/// Tries to hand events to a store whose queue is full, and the pause between two.
const QUEUE_TRIES: u32 = 100;
const QUEUE_PAUSE: Duration = Duration::from_millis(100);
/// Kills that wait for the end of their process; an older one is left to the next guard.
const KILLS_MAX: usize = 32;

impl Ward {
    /// Sends out everything that is due. What only has to be told or kept waits for [`Ward::keep_up`].
    pub(super) fn carry_out(&mut self) {
        let mut wish: Option<Receipt> = None;
        let mut kills = Vec::new();
        for output in std::mem::take(&mut self.out) {
            match output {
                Output::Do(directive) if directive.action.is_kill() => kills.push((directive, wish.take())),
                Output::Do(directive) => self.issue(directive, wish.take()),
                Output::Remember(standing) => wish = Some(self.store.remember(&self.home.id, &standing)),
                Output::Examine(question) => self.examine(question),
                Output::Consult(question) => self.consult(question),
                Output::Record(_)
                | Output::Persist
                | Output::Changed
                | Output::Learned(_)
                | Output::CounselHelped(_) => self.later.push(output),
            }
        }
        if !kills.is_empty() {
            // In the store's queue before the intent is: whoever finds the intent finds what led to it, too.
            self.keep_up();
        }
        for (directive, wish) in kills {
            self.issue(directive, wish);
        }
    }

    /// Tells and keeps what has happened. Comes after [`Ward::carry_out`], once its directives are on their way: a
    /// restart does not wait for words.
    pub(super) fn keep_up(&mut self) {
        let mut events: Vec<IncidentEvent> = Vec::new();
        let mut persist = false;
        for output in std::mem::take(&mut self.later) {
            match output {
                Output::Record(event) => {
                    self.voice.event(&self.home.id, &event);
                    events.push(event);
                }
                Output::Changed => self.voice.changed(&self.guardian.report()),
                Output::Learned(lesson) => self.physician.learn(&lesson),
                Output::CounselHelped(incident) => self.physician.keep_candidate(incident),
                Output::Persist | Output::Do(_) | Output::Remember(_) | Output::Examine(_) | Output::Consult(_) => {
                    persist = true
                }
            }
        }
        if !events.is_empty() {
            let receipt = self.store.append(&self.home.id, events.clone());
            tokio::task::spawn_local(keep(receipt, self.store.clone(), self.home.id.clone(), events));
        }
        let ends = std::mem::take(&mut self.unacknowledged);
        if persist || !ends.is_empty() {
            let memory = self.memory();
            let receipt = self.store.persist(&self.home.id, memory.clone());
            if !ends.is_empty() {
                let acknowledged = acknowledge(receipt, Rc::clone(&self.body), self.runtime.clone(), memory, ends);
                tokio::task::spawn_local(acknowledged);
            }
        }
        self.settle_kills();
    }

    /// A kill is settled when the end that it led to is booked, and that is on its way to the disk.
    fn settle_kills(&mut self) {
        for (id, life) in std::mem::take(&mut self.kills) {
            if self.guardian.has_booked(&life) {
                tokio::task::spawn_local(settle(self.store.clone(), self.runtime.clone(), self.home.id.clone(), id));
            } else {
                self.kills.push((id, life));
            }
        }
    }

    /// What an earlier guard left is booked by now.
    pub fn settle_left(&self, kills: &[KillLeft]) {
        for kill in kills {
            let id = kill.directive.id;
            tokio::task::spawn_local(settle(self.store.clone(), self.runtime.clone(), self.home.id.clone(), id));
        }
    }

    /// What the next guard must know, as JSON.
    pub(super) fn memory(&self) -> String {
        let mut memory = self.guardian.memory().clone();
        memory.saved = Some(clock::now());
        let kept = super::super::kept::Kept { boot: clock::boot_id().to_owned(), memory };
        serde_json::to_string(&kept).unwrap_or_default()
    }

    fn issue(&mut self, directive: Directive, wish: Option<Receipt>) {
        if let (Action::Kill, Some(life)) = (&directive.action, &directive.target) {
            if self.kills.len() >= KILLS_MAX {
                self.kills.remove(0);
            }
            self.kills.push((directive.id, life.clone()));
        }
        let (body, news, rpc) = (Rc::clone(&self.body), self.news.clone(), self.rpc.clone());
        let restore = if let Action::RestoreConfig { rejected } = directive.action {
            Some(self.keepsake.restore(rejected))
        } else {
            None
        };
        let housekeeping = self.housekeeping();
        let (store, runtime, gateway) = (self.store.clone(), self.runtime.clone(), self.home.id.clone());
        tokio::task::spawn_local(async move {
            if let Some(wish) = wish {
                within_patience(wish).await;
            }
            if directive.action.is_kill() {
                put_on_record(&store, &runtime, &gateway, &directive).await;
            }
            let (result, spawned) = match (&directive.action, restore) {
                (Action::StartChannel { channel, account }, _) => (rpc.start_channel(channel, account).await, None),
                (Action::ReloadSecrets, _) => (rpc.reload_secrets().await, None),
                (Action::FreeLogs, _) => (housekeeping.free_logs().await, None),
                (Action::SetLockAside, _) => (housekeeping.set_locks_aside().await, None),
                (_, Some(restore)) => (restore.await, None),
                (_, None) => body.act(&directive).await,
            };
            // A process that was killed has yet to be seen to end, and that to be booked.
            let killed = directive.action == Action::Kill && result == ActionResult::Done;
            answer(&news, &directive, result, spawned).await;
            if directive.action.is_kill() && !killed {
                settle(store, runtime, gateway, directive.id).await;
            }
        });
    }

    /// Asks the doctor, beside the loop.
    fn examine(&self, question: Question) {
        let status = desk::status(self, clock::now());
        let examined = self.physician.examine(question, status);
        let news = self.news.clone();
        tokio::task::spawn_local(async move {
            if let Some(opinion) = examined.await {
                let _ = news.send(News::Evidence(Evidence::Examined(opinion))).await;
            }
        });
    }

    /// Asks an AI, beside the loop.
    fn consult(&self, question: Question) {
        let status = desk::status(self, clock::now());
        let settings = self.settings.borrow().ai.clone();
        let asked = self.physician.consult(question, status, settings);
        let news = self.news.clone();
        tokio::task::spawn_local(async move {
            if let Some(counsel) = asked.await {
                let _ = news.send(News::Evidence(Evidence::Counsel(counsel))).await;
            }
        });
    }

    fn housekeeping(&self) -> Housekeeping {
        let output = self.body.child().map(|child| child.command.log_dir.clone());
        let memory = self.guardian.memory();
        let ended = memory.counted.iter().chain(&memory.counted_before).cloned().collect();
        Housekeeping { home: self.home.clone(), uid: own_uid(), output, ended }
    }

    /// The unit's file as it was when we first saw it, restorable by hand. Never written back by us.
    pub(super) fn keep_copy_of_unit(&mut self, fragment: &Path) {
        let Body::Service(_) = &*self.body else { return };
        let Some(name) = fragment.file_name() else { return };
        let folder = self.voice.state_dir().join("units");
        let copy = folder.join(name);
        if std::mem::replace(&mut self.unit_copied, true) || copy.exists() {
            return;
        }
        let fragment = fragment.to_owned();
        // A durable write may take long.
        tokio::task::spawn_blocking(move || {
            let kept = std::fs::read(&fragment).and_then(|bytes| {
                crate::host::files::private_dir(&folder).map_err(std::io::Error::other)?;
                crate::host::files::write_atomic(&copy, &bytes, crate::host::files::Durability::Durable)
            });
            match kept {
                Ok(()) => tracing::info!(copy = %copy.display(), "a copy of the unit's file was kept"),
                Err(error) => tracing::debug!(%error, "no copy of the unit's file could be kept"),
            }
        });
    }
}

/// Sees to it that the store has events; tries again while its queue is full, so that a burst loses none.
async fn keep(mut receipt: Receipt, store: Store, gateway: GatewayId, events: Vec<IncidentEvent>) {
    for _ in 0..QUEUE_TRIES {
        match receipt.durable().await {
            Err(StoreError::Busy) => tokio::time::sleep(QUEUE_PAUSE).await,
            // The store itself holds what it cannot write, and says so.
            Ok(()) | Err(_) => return,
        }
        receipt = store.append(&gateway, events.clone());
    }
    tracing::error!(gateway = %gateway.0, count = events.len(), "events were lost: the store takes nothing");
}

/// Lets the keeper forget ends, once they are on record.
async fn acknowledge(receipt: Receipt, body: Rc<Body>, runtime: PathBuf, memory: String, ends: Vec<Incarnation>) {
    if let Err(error) = receipt.durable().await {
        tracing::warn!(%error, "an end could not be recorded yet");
        // The keeper starts nothing while too many ends wait: it is told all the same.
        let _ = tokio::task::spawn_blocking(move || kept::write_beside(&runtime, &memory)).await;
    }
    if let Some(child) = body.child() {
        for life in &ends {
            child.ack(life).await;
        }
    }
}

async fn within_patience(receipt: Receipt) {
    match tokio::time::timeout(DISK_PATIENCE, receipt.durable()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a wish could not be written down; it is obeyed all the same"),
        Err(_) => tracing::warn!("the disk is slow; a wish is obeyed before it is written down"),
    }
}

async fn put_on_record(store: &Store, runtime: &Path, gateway: &GatewayId, directive: &Directive) {
    let receipt = store.intent(gateway, directive, clock::now().wall);
    let kept = tokio::time::timeout(DISK_PATIENCE, receipt.durable()).await;
    if matches!(kept, Ok(Ok(()))) {
        return;
    }
    let (runtime, directive) = (runtime.to_owned(), directive.clone());
    let noted = tokio::task::spawn_blocking(move || left::note(&runtime, &directive, clock::now().wall));
    match tokio::time::timeout(DISK_PATIENCE, noted).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::error!(%error, "a kill could not be put on record anywhere"),
        Ok(Err(_)) | Err(_) => tracing::error!("a kill could not be put on record anywhere in time"),
    }
}

/// Takes a kill off the record. One that stays there although its end is booked does no harm: the next guard sees that.
async fn settle(store: Store, runtime: PathBuf, gateway: GatewayId, id: DirectiveId) {
    for _ in 0..QUEUE_TRIES {
        match store.settled(&gateway, id).durable().await {
            Err(StoreError::Busy) => tokio::time::sleep(QUEUE_PAUSE).await,
            // What was booked before is on the disk, too.
            Ok(()) => return left::forget(&runtime, id),
            Err(_) => return,
        }
    }
}

/// Tells the loop how it went. A new life comes first, so that its start is known to be ours.
async fn answer(
    news: &super::super::news::Sender,
    directive: &Directive,
    result: ActionResult,
    spawned: Option<Spawned>,
) {
    if let Some(child) = spawned {
        let state = State {
            pid: 0,
            child: Some(child),
            exits: Vec::new(),
            capabilities: Vec::new(),
            stopping: false,
            dropped_lines: 0,
            deadman: None,
        };
        let _ = news.send(News::KeeperState(state)).await;
    }
    let evidence = Evidence::Result { directive: directive.id, result };
    let _ = news.send(News::Evidence(evidence)).await;
}
