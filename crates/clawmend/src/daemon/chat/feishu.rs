//! The chat on Feishu: listens for callbacks of the guard's own app, and has the person obeyed who is bound to it.
//!
//! [`hear`] says what an event comes to.
//!
//! Invariants: a callback is answered before Feishu's three seconds are over, whatever the wards do; whoever is not bound gets no
//! answer; what an event says is on record before it is acted upon. Start at [`run`].

mod hear;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use super::Parts;
use crate::bot::words::Tapped;
use crate::cards::callback::{self, Callback, Event, Refused, What};
use crate::cards::listener::{self, Posted, Refusals, Reply};
use crate::cards::{Access, FOLDER, NOTE, answer};
use crate::notify::http::Http;
use crate::notify::outbox::Condition;
use crate::settings::Language;
use hear::Heard;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, mpsc, watch};

/// After trouble with the address.
const AGAIN: Duration = Duration::from_secs(3);
/// Callbacks that wait at most.
const QUEUE: usize = 16;
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
    let desk = match Desk::new(parts.clone(), access.clone()) {
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
                drop(tokio::task::spawn_local(async move { desk.answer(one).await }));
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

/// Answers the callbacks of one app.
struct Desk {
    parts: Parts,
    access: Access,
    http: Http,
    refusals: Arc<Refusals>,
    /// One event after the other: there is one journal.
    one: Mutex<()>,
    /// Events that are heard or wait for that.
    places: Arc<Semaphore>,
}

impl Desk {
    fn new(parts: Parts, access: Access) -> Result<Self, String> {
        let http = Http::new(access.proxy.as_ref().map(|proxy| proxy.expose()))?;
        Ok(Self {
            parts,
            access,
            http,
            refusals: Arc::default(),
            one: Mutex::new(()),
            places: Arc::new(Semaphore::new(QUEUE)),
        })
    }

    fn folder(&self) -> PathBuf {
        self.parts.state().join(FOLDER)
    }

    fn language(&self) -> Language {
        self.parts.language()
    }

    async fn answer(self: Rc<Self>, posted: Posted) {
        let now = crate::host::clock::now().wall;
        let reply = match callback::read(&self.access, &posted.headers, &posted.body, now) {
            Ok(Callback::Challenge(challenge)) => {
                tracing::info!("Feishu has tried the address of the callbacks");
                Reply::ok(serde_json::json!({"challenge": challenge}).to_string())
            }
            Ok(Callback::Event(event)) => self.event(event, posted.from).await,
            Err(refused) => {
                self.refusals.tell(&posted.from, &refused.to_string());
                self.note_of_clock(&refused);
                Reply::refused()
            }
        };
        // Whoever asked may be gone.
        drop(posted.reply.send(reply));
    }

    /// Goes on with the event also when the answer has to be given before its end.
    async fn event(self: Rc<Self>, event: Event, from: listener::Origin) -> Reply {
        let tap = matches!(event.what, What::Tap { .. });
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.refusals.tell(&from, "too many events wait already");
            return Reply { status: 429, body: "{}".to_owned() };
        };
        let desk = Rc::clone(&self);
        let heard = tokio::task::spawn_local(async move {
            let _place = place;
            let _one = desk.one.lock().await;
            Rc::clone(&desk).hear(event, &from).await
        });
        let language = self.language();
        let tapped = |what, about| Reply::ok(answer::tapped(language, what, about).to_string());
        match tokio::time::timeout(ANSWER, heard).await {
            Ok(Ok(Heard::Tap { judged })) => tapped(judged.tapped, judged.about.as_ref()),
            Ok(Ok(Heard::NotKept)) if tap => tapped(Tapped::NotKept, None),
            Ok(Ok(Heard::Nothing | Heard::NotKept)) => Reply::nothing(),
            Ok(Err(_)) | Err(_) if tap => tapped(Tapped::NoAnswer, None),
            Ok(Err(_)) | Err(_) => Reply::nothing(),
        }
    }

    /// A signature that fits says that the key is right, so the clocks differ, or somebody repeats what he has seen.
    fn note_of_clock(&self, refused: &Refused) {
        if let Refused::Stale { off_ms } = refused {
            let minutes = off_ms.saturating_abs() / 60_000;
            let (which, why) =
                if *off_ms < 0 { ("behind", "or it was an old one, sent again") } else { ("ahead of", "") };
            self.parts.note_of_feishu(Some(format!(
                "a callback was {minutes} min {which} this machine's clock and was refused; set the clock (NTP) {why}"
            )));
        }
    }
}

impl Parts {
    fn note_of_feishu(&self, trouble: Option<String>) {
        super::note(&self.feishu_trouble, NOTE, trouble);
    }
}
