//! The chat on DingTalk: keeps a connection for the guard's own app, and has the person obeyed who is bound to it.
//!
//! [`super::desk`] says what an event comes to.
//!
//! Invariants: while nobody is bound and no code waits, and while OpenClaw has the app, there is no connection; between two that
//! end at once there is a wait, which grows while nothing comes over them; a callback is answered before DingTalk's two seconds are over,
//! whatever the wards do. Start at [`run`].

#[cfg(all(test, target_os = "linux"))]
mod tests;

use super::desk::{Desk, Heard, QUEUE};
use super::{IDLE, Parts};
use crate::bot::pace::Pace;
use crate::bot::words::Tapped;
use crate::cards::App as _;
use crate::cards::dingtalk::callback::{self, Refused};
use crate::cards::dingtalk::frame::{Callback, Code, Frame, Topic, ack};
use crate::cards::dingtalk::stream::{Patience, Stream, Trouble};
use crate::cards::dingtalk::{Access, answer};
use crate::cards::rate::Bucket;
use crate::cards::refusals::Origin;
use crate::host::clock;
use crate::notify::outbox::Condition;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

/// DingTalk waits two seconds for the answer to a tap.
const ANSWER: Duration = Duration::from_millis(1_500);
/// One that lived for so long was a good one: DingTalk ends them from time to time.
const LIVED: Duration = Duration::from_secs(10);
/// How often it is seen whether the app is still ours alone.
const OURS: Duration = Duration::from_secs(60);
/// Callbacks that are heard at once, and then one for each of so many ms.
const RATE: (u32, u64) = (40, 100);

/// Listens as the app that is set, whichever that is, until the alerts have ended.
pub async fn run(parts: &Parts) {
    let mut alerts = parts.alerts.clone();
    loop {
        let set = alerts.borrow_and_update().dingtalk.clone();
        match set {
            Some(access) => listen(parts, access, &mut alerts).await,
            None => {
                *parts.dingtalk_trouble.borrow_mut() = None;
                if alerts.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Waits until another app is set, or none. May be dropped at any time.
async fn replaced(alerts: &mut watch::Receiver<Condition>, access: &Access) {
    while alerts.borrow_and_update().dingtalk.as_ref() == Some(access) {
        if alerts.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

async fn listen(parts: &Parts, access: Access, alerts: &mut watch::Receiver<Condition>) {
    let trouble = Rc::clone(&parts.dingtalk_trouble);
    let desk = match Desk::new(parts.clone(), access.clone(), trouble) {
        Ok(desk) => Rc::new(desk),
        Err(why) => {
            super::note(&parts.dingtalk_trouble, Access::NOTE, Some(why));
            return replaced(alerts, &access).await;
        }
    };
    let mut pace = Pace::default();
    loop {
        let wait = tokio::select! {
            wait = once(&desk, &mut pace) => wait,
            () = replaced(alerts, &access) => return,
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = replaced(alerts, &access) => return,
        }
    }
}

/// One connection, from its beginning to its end, where there is to be one. Gives how long to wait before the next.
async fn once(desk: &Rc<Desk<Access>>, pace: &mut Pace) -> Duration {
    match desk.look().await {
        Ok(Some(files)) if files.somebody() => {}
        Ok(_) => {
            desk.note(Some("nobody is paired with it yet; `clawmend pair dingtalk` shows how".to_owned()));
            return IDLE;
        }
        Err(why) => {
            desk.note(Some(why));
            return IDLE;
        }
    }
    let mut stream = match Stream::open(&desk.access, &desk.http, Patience::default()).await {
        Ok(stream) => stream,
        Err(trouble) => {
            desk.note(Some(trouble.to_string()));
            return after(pace, &trouble);
        }
    };
    let began = Instant::now();
    desk.note_of_binding().await;
    let ended = converse(desk, &mut stream).await;
    let lived = began.elapsed() >= LIVED;
    if lived || stream.is_proven() {
        pace.well();
    }
    stream.close().await;
    match ended {
        // What people write while there is no connection is lost.
        Ok(()) if lived => Duration::ZERO,
        // One that ends at once is followed by a wait.
        Ok(()) => pace.wait(1, 60, None),
        Err(trouble) => {
            tracing::debug!(%trouble, "a connection to DingTalk has ended");
            after(pace, &trouble)
        }
    }
}

fn after(pace: &mut Pace, trouble: &Trouble) -> Duration {
    match trouble {
        Trouble::Refused { .. } | Trouble::NotTheApi => pace.wait(30, 600, None),
        Trouble::TooMany { after } => pace.wait(5, 120, *after),
        Trouble::Later { .. } => pace.wait(1, 60, None),
    }
}

/// Hears what comes, and answers, until the connection is to end.
async fn converse(desk: &Rc<Desk<Access>>, stream: &mut Stream) -> Result<(), Trouble> {
    let (answers, mut ready) = mpsc::channel::<Done>(2 * QUEUE);
    let mut ours = tokio::time::interval_at(Instant::now() + OURS, OURS);
    ours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut bucket = Bucket::new(RATE.0, RATE.1);
    loop {
        let frame = tokio::select! {
            frame = stream.next() => frame?,
            Some(done) = ready.recv() => {
                if let Some(answer) = done.answer {
                    stream.send(answer).await?;
                }
                if done.look {
                    ours.reset_immediately();
                }
                continue;
            }
            _ = ours.tick() => match desk.look().await {
                Ok(Some(files)) if files.somebody() => continue,
                // Why is seen before the next connection.
                Ok(_) | Err(_) => return Ok(()),
            },
        };
        let too_many = !bucket.take(clock::now().mono.0);
        match frame {
            Some(Frame::Ping { id, data }) => stream.send(ack(&id, Code::Ok, &data)).await?,
            Some(Frame::Disconnect) => break,
            // Without an answer DingTalk may bring it again.
            Some(Frame::Callback(_)) if too_many => desk.refusals.tell(&Origin::Stream, "too many at once"),
            Some(Frame::Callback(callback)) => {
                let (desk, answers) = (Rc::clone(desk), answers.clone());
                drop(tokio::task::spawn_local(async move {
                    // The connection may be gone.
                    drop(answers.send(answer_to(&desk, callback).await).await);
                }));
            }
            Some(Frame::Unknown { id }) => {
                desk.refusals.tell(&Origin::Stream, "nobody has asked for what it is about");
                stream.send(ack(&id, Code::NotFound, &answer::nothing())).await?;
            }
            None => desk.refusals.tell(&Origin::Stream, "it is no frame of DingTalk"),
        }
    }
    // Nothing more comes over it, and what has come is still answered.
    drop(answers);
    let rest = async {
        while let Some(done) = ready.recv().await {
            if let Some(answer) = done.answer {
                stream.send(answer).await?;
            }
        }
        Ok(())
    };
    tokio::time::timeout(2 * ANSWER, rest).await.unwrap_or(Ok(()))
}

/// What became of a callback.
struct Done {
    /// `None`: there is no answer, so that it comes again.
    answer: Option<String>,
    /// Something is wrong: it is to be seen whether the connection is to go on.
    look: bool,
}

/// The event goes on also when the answer has to be given before its end.
async fn answer_to(desk: &Rc<Desk<Access>>, callback: Callback) -> Done {
    let done = |code, data: String, look| Done { answer: Some(ack(&callback.id, code, &data)), look };
    let event = match callback::read(&desk.access, &callback, clock::now().wall) {
        Ok(event) => event,
        Err(refused) => {
            desk.refusals.tell(&Origin::Stream, &refused.to_string());
            if let Refused::Stale { off_ms } = refused {
                desk.note_of_clock(off_ms);
            }
            return done(Code::Ok, answer::nothing(), false);
        }
    };
    let Some(heard) = desk.take(event, &Origin::Stream) else { return Done { answer: None, look: false } };
    let tapped = |what| answer::tapped(desk.language(), what);
    let tap = callback.topic == Topic::Card;
    match tokio::time::timeout(ANSWER, heard).await {
        Ok(Ok(Heard::Tap { judged })) => done(Code::Ok, tapped(judged.tapped), false),
        Ok(Ok(Heard::NotKept)) if tap => done(Code::Ok, tapped(Tapped::NotKept), true),
        Ok(Ok(Heard::NotKept)) => done(Code::Failed, answer::nothing(), true),
        Ok(Err(_)) | Err(_) if tap => done(Code::Ok, tapped(Tapped::NoAnswer), false),
        Ok(Ok(Heard::Nothing)) | Ok(Err(_)) | Err(_) => done(Code::Ok, answer::nothing(), false),
    }
}
