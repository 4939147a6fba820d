//! The chat on Feishu: listens for callbacks of the guard's own app, and has the person obeyed who is bound to it.
//!
//! [`super::desk`] says what an event comes to.
//!
//! Invariant: a callback is answered before Feishu's three seconds are over, whatever the wards do. Start at [`run`].

#[cfg(all(test, target_os = "linux"))]
mod tests;

use super::Parts;
use super::desk::{Desk, Heard, QUEUE};
use crate::bot::words::Tapped;
use crate::cards::callback::{self, Callback, Refused};
use crate::cards::event::{Event, What};
use crate::cards::listener::{self, Posted, Reply};
use crate::cards::refusals::Origin;
use crate::cards::{Access, App as _, answer};
use crate::notify::outbox::Condition;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// After trouble with the address.
const AGAIN: Duration = Duration::from_secs(3);
/// Feishu waits three seconds for an answer.
const ANSWER: Duration = Duration::from_millis(2_300);

/// Listens as the app that is set, whichever that is, until the alerts have ended.
pub async fn run(parts: &Parts) {
    let mut alerts = parts.alerts.clone();
    loop {
        let set = alerts.borrow_and_update().feishu.clone();
        match set {
            Some(access) => listen(parts, access, &mut alerts).await,
            None => {
                *parts.feishu_trouble.borrow_mut() = None;
                if alerts.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Waits until another app is set, or none. May be dropped at any time.
async fn replaced(alerts: &mut watch::Receiver<Condition>, access: &Access) {
    while alerts.borrow_and_update().feishu.as_ref() == Some(access) {
        if alerts.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

async fn listen(parts: &Parts, access: Access, alerts: &mut watch::Receiver<Condition>) {
    let bound = tokio::select! {
        bound = bind(parts, &access) => bound,
        () = replaced(alerts, &access) => return,
    };
    let desk = match Desk::new(parts.clone(), access.clone(), Rc::clone(&parts.feishu_trouble)) {
        Ok(desk) => Rc::new(desk),
        Err(why) => {
            parts.note_of_feishu(Some(why));
            return replaced(alerts, &access).await;
        }
    };
    tracing::info!(listen = %access.listen, path = %access.path, "listens for callbacks of Feishu");
    desk.note_of_binding().await;
    let (calls, mut posted) = mpsc::channel(QUEUE);
    let serving = listener::serve(bound, access.path.clone(), calls, Arc::clone(&desk.refusals));
    tokio::pin!(serving);
    loop {
        tokio::select! {
            () = &mut serving => return,
            () = replaced(alerts, &access) => return,
            one = posted.recv() => {
                let Some(one) = one else { return };
                let desk = Rc::clone(&desk);
                drop(tokio::task::spawn_local(async move { answer_to(&desk, one).await }));
            }
        }
    }
}

/// Tries until it has the address.
async fn bind(parts: &Parts, access: &Access) -> TcpListener {
    loop {
        match TcpListener::bind(access.listen).await {
            Ok(listener) => return listener,
            Err(error) => {
                let why = format!("cannot listen on {}: {error}; it is tried again", access.listen);
                parts.note_of_feishu(Some(why));
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn answer_to(desk: &Rc<Desk<Access>>, posted: Posted) {
    let now = crate::host::clock::now().wall;
    let reply = match callback::read(&desk.access, &posted.headers, &posted.body, now) {
        Ok(Callback::Challenge(challenge)) => {
            tracing::info!("Feishu has tried the address of the callbacks");
            Reply::ok(serde_json::json!({"challenge": challenge}).to_string())
        }
        Ok(Callback::Event(event)) => reply_to(desk, event, &posted.from).await,
        Err(refused) => {
            desk.refusals.tell(&posted.from, &refused.to_string());
            // A signature that fits says that the key is right.
            if let Refused::Stale { off_ms } = refused {
                desk.note_of_clock(off_ms);
            }
            Reply::refused()
        }
    };
    // Whoever asked may be gone.
    drop(posted.reply.send(reply));
}

/// The event goes on also when the answer has to be given before its end.
async fn reply_to(desk: &Rc<Desk<Access>>, event: Event, from: &Origin) -> Reply {
    let tap = matches!(event.what, What::Tap { .. });
    let Some(heard) = desk.take(event, from) else { return Reply { status: 429, body: "{}".to_owned() } };
    let language = desk.language();
    let tapped = |what, about| Reply::ok(answer::tapped(language, what, about).to_string());
    match tokio::time::timeout(ANSWER, heard).await {
        Ok(Ok(Heard::Tap { judged })) => tapped(judged.tapped, judged.about.as_ref()),
        Ok(Ok(Heard::NotKept)) if tap => tapped(Tapped::NotKept, None),
        Ok(Ok(Heard::Nothing | Heard::NotKept)) => Reply::nothing(),
        Ok(Err(_)) | Err(_) if tap => tapped(Tapped::NoAnswer, None),
        Ok(Err(_)) | Err(_) => Reply::nothing(),
    }
}

impl Parts {
    fn note_of_feishu(&self, trouble: Option<String>) {
        super::note(&self.feishu_trouble, Access::NOTE, trouble);
    }
}
