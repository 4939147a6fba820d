//! Carrying out what the state machine put out, in its order.
//!
//! Invariant: a directive that follows a wish waits until that wish is durable (within a limit: a full disk must not
//! stop a person's stop); a kill waits until it is on record.

use super::super::body::{Body, note_beside};
use super::super::news::News;
use super::Ward;
use crate::host::clock;
use crate::keeper::protocol::{Spawned, State};
use crate::store::{Receipt, Store, StoreError};
use clawmend_core::directive::{Action, ActionResult, Directive, Output};
use clawmend_core::gateway::{GatewayId, Incarnation};
use clawmend_core::incident::IncidentEvent;
use clawmend_core::observation::Evidence;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Longest wait for the disk before a directive goes ahead without it.
const DISK_PATIENCE: Duration = Duration::from_secs(2);
/// Tries to hand events to a store whose queue is full, and the pause between two.
const QUEUE_TRIES: u32 = 100;
const QUEUE_PAUSE: Duration = Duration::from_millis(100);

impl Ward {
    /// Sends out everything that is due. What only has to be told or kept waits for [`Ward::keep_up`].
    pub(super) fn carry_out(&mut self) {
        let mut wish: Option<Receipt> = None;
        for output in std::mem::take(&mut self.out) {
            match output {
                Output::Do(directive) => self.issue(directive, wish.take()),
                Output::Remember(standing) => wish = Some(self.store.remember(&self.home.id, &standing)),
                Output::Record(_) | Output::Persist | Output::Changed => self.later.push(output),
            }
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
                Output::Persist | Output::Do(_) | Output::Remember(_) => persist = true,
            }
        }
        if !events.is_empty() {
            tokio::task::spawn_local(keep(self.store.clone(), self.home.id.clone(), events));
        }
        let ends = std::mem::take(&mut self.unacknowledged);
        if persist || !ends.is_empty() {
            let receipt = self.store.persist(&self.home.id, self.memory());
            if !ends.is_empty() {
                tokio::task::spawn_local(acknowledge(receipt, Rc::clone(&self.body), ends));
            }
        }
    }

    /// What the next guard must know, as JSON.
    pub(super) fn memory(&self) -> String {
        let mut memory = self.guardian.memory().clone();
        memory.saved = Some(clock::now());
        let kept = super::super::setup::Kept { boot: clock::boot_id().to_owned(), memory };
        serde_json::to_string(&kept).unwrap_or_default()
    }

    fn issue(&self, directive: Directive, wish: Option<Receipt>) {
        let (body, news, rpc) = (Rc::clone(&self.body), self.news.clone(), self.rpc.clone());
        let (store, runtime, gateway) = (self.store.clone(), self.runtime.clone(), self.home.id.clone());
        tokio::task::spawn_local(async move {
            if let Some(wish) = wish {
                within_patience(wish).await;
            }
            if directive.action.is_kill() {
                put_on_record(&store, &runtime, &gateway, &directive).await;
            }
            let (result, spawned) = if let Action::StartChannel { channel, account } = &directive.action {
                (rpc.start_channel(channel, account).await, None)
            } else {
                body.act(&directive).await
            };
            if directive.action.is_kill() {
                drop(store.settled(&gateway, directive.id));
            }
            answer(&news, &directive, result, spawned).await;
        });
    }

    /// The unit's file as it was when we first saw it, restorable by hand. Never written back by us.
    pub(super) fn keep_copy_of_unit(&mut self, fragment: &Path) {
        let Body::Service(_) = &*self.body else { return };
        let Some(name) = fragment.file_name() else { return };
        let folder = self.voice.state_dir().join("units");
        let copy = folder.join(name);
        if copy.exists() {
            return;
        }
        let kept = std::fs::read(fragment).and_then(|bytes| {
            crate::host::files::private_dir(&folder).map_err(std::io::Error::other)?;
            crate::host::files::write_atomic(&copy, &bytes, crate::host::files::Durability::Durable)
        });
        match kept {
            Ok(()) => tracing::info!(copy = %copy.display(), "a copy of the unit's file was kept"),
            Err(error) => tracing::debug!(%error, "no copy of the unit's file could be kept"),
        }
    }
}

/// Hands events to the store; tries again while its queue is full, so that a burst loses none.
async fn keep(store: Store, gateway: GatewayId, events: Vec<IncidentEvent>) {
    for _ in 0..QUEUE_TRIES {
        match store.append(&gateway, events.clone()).durable().await {
            Err(StoreError::Busy) => tokio::time::sleep(QUEUE_PAUSE).await,
            // The store itself holds what it cannot write, and says so.
            Ok(()) | Err(_) => return,
        }
    }
    tracing::error!(gateway = %gateway.0, count = events.len(), "events were lost: the store takes nothing");
}

/// Lets the keeper forget ends, once they are on record.
async fn acknowledge(receipt: Receipt, body: Rc<Body>, ends: Vec<Incarnation>) {
    if let Err(error) = receipt.durable().await {
        tracing::warn!(%error, "an end could not be recorded yet");
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
    if let Err(error) = note_beside(runtime, directive) {
        tracing::error!(%error, "a kill could not be put on record anywhere");
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
        };
        let _ = news.send(News::KeeperState(state)).await;
    }
    let evidence = Evidence::Result { directive: directive.id, result };
    let _ = news.send(News::Evidence(evidence)).await;
}
