//! systemd over D-Bus: signals, not polling.
//!
//! Invariant: [`ServiceEvent`]s come out in the order in which systemd sent the signals behind them. So there is one
//! stream of messages per connection, and our own calls are answered on that same stream ([`session`]); no call is
//! awaited beside it. Pure parts: [`properties`] (the unit as last told), [`jobs`] (whose job is it). Start with
//! [`watch`], then [`session`].
//!
//! # Which call shortens the restart delay
//! `TryRestartUnit`, mode `fail`. Read in systemd's source (`src/core/job.c`, `job_type_collapse`; `service.c`,
//! `service_start`, `service_stop`) and observed on 252:
//!
//! | systemd | unit waits for its automatic restart | unit is inactive, failed or being stopped |
//! |---|---|---|
//! | before 250 or so | no effect (`try-restart` needs an active unit) | no effect |
//! | 252 (observed), later up to 261 (source) | restarts at once: the wait counts as `activating`, for which the job is kept | no effect: the job becomes a `nop`, or mode `fail` refuses it |
//!
//! From 254 on there is also `auto-restart-queued` (a start job is already queued); a restart merges into that job,
//! and it is `activating` too. The short-lived `dead-before-auto-restart` and `failed-before-auto-restart` count as
//! inactive or failed, so the call does nothing there and is worth repeating once `auto-restart` is seen.
//! `StartUnit` cuts the wait short in the newest versions (`service_enter_restart(shortcut)`), and waits it out in
//! others, but can revive a stopped unit in all of them, as can `RestartUnit`. So there is no second route: where
//! `TryRestartUnit` has no effect the result is `Moot`, and systemd's own delay passes.

mod actions;
mod bus;
mod jobs;
pub(super) mod journal;
mod properties;
mod rights;
mod session;

use super::{Call, Manager, Restriction, ServiceEvent, UnitName, UnitWords};
use clawmend_core::directive::ActionResult;
use clawmend_core::gateway::Control;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Events that may wait for a slow reader, beyond those that the session itself keeps.
const EVENT_QUEUE: usize = 64;
/// Calls that may wait for their turn.
const CALL_QUEUE: usize = 8;
/// Waits between two tries to reach the bus: the first, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A call on its way to the session.
#[derive(Debug)]
pub(crate) struct Order {
    call: Call,
    answer: oneshot::Sender<ActionResult>,
}

/// See [`super::Unit`].
#[derive(Clone, Debug)]
pub struct Handle {
    orders: mpsc::Sender<Order>,
    may_act: Arc<AtomicBool>,
    manager: Manager,
    name: UnitName,
}

impl Handle {
    pub(super) async fn call(&self, call: Call) -> ActionResult {
        let (answer, result) = oneshot::channel();
        if self.orders.try_send(Order { call, answer }).is_err() {
            return actions::retry("the service manager is not connected, or busy with earlier calls");
        }
        let limit = Duration::from_millis(super::Unit::CALL_LIMIT_MS);
        match tokio::time::timeout(limit, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => actions::retry("the connection to the service manager was lost during the call"),
            Err(_) => actions::retry("the service manager did not answer in time"),
        }
    }

    pub(super) fn control(&self) -> Control {
        if self.may_act.load(Ordering::Relaxed) { Control::Full } else { Control::Observe }
    }

    pub(super) fn words(&self) -> UnitWords {
        UnitWords::of(self.manager.clone(), self.name.clone())
    }

    pub(super) fn restriction(&self) -> Option<Restriction> {
        (self.control() == Control::Observe).then(|| rights::restriction(&self.manager, &self.name))
    }
}

/// Watches `name` until the receiver or every handle is dropped.
pub(super) fn watch(manager: Manager, name: UnitName) -> (Handle, mpsc::Receiver<ServiceEvent>) {
    let (orders, order_queue) = mpsc::channel(CALL_QUEUE);
    let (events, event_queue) = mpsc::channel(EVENT_QUEUE);
    let may_act = Arc::new(AtomicBool::new(rights::acts_without_asking(&manager)));
    let handle = Handle { orders, may_act: Arc::clone(&may_act), manager: manager.clone(), name: name.clone() };
    let watch = Watch { manager, name, may_act };
    tokio::spawn(keep_connected(watch, order_queue, events));
    (handle, event_queue)
}

/// What does not change over reconnections.
#[derive(Debug)]
pub(crate) struct Watch {
    manager: Manager,
    name: UnitName,
    may_act: Arc<AtomicBool>,
}

async fn keep_connected(watch: Watch, mut orders: mpsc::Receiver<Order>, events: mpsc::Sender<ServiceEvent>) {
    let mut wait = BACKOFF.0;
    loop {
        let end = session::run(&watch, &mut orders, &events).await;
        let (reason, answered) = match end {
            session::End::Unwatched => return,
            session::End::Lost { reason, answered } => (reason, answered),
        };
        wait = if answered { BACKOFF.0 } else { (wait * 2).min(BACKOFF.1) };
        let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        if events.send(ServiceEvent::Lost { reason, retry_in_ms }).await.is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = refuse(&mut orders) => return,
            () = events.closed() => return,
        }
    }
}

/// Answers every call with `Retry` while there is no connection; ends when every handle is gone.
async fn refuse(orders: &mut mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        let _ = order.answer.send(actions::retry("the service manager is not connected"));
    }
}
