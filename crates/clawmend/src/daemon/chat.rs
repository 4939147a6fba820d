//! The chats with the person who decides: what was said to the guard's own bot on Telegram and to its apps on Feishu and
//! DingTalk is heard, and obeyed.
//!
//! They run beside the wards. [`hear`] says what an update of Telegram comes to, [`feishu`] and [`dingtalk`] listen for theirs,
//! and [`desk`] says what that comes to; [`judge`] and [`orders`] are one for all, [`wards`] asks the wards.
//!
//! Invariants: an update is on record before it is acted upon, and what cannot be kept on record is not acted upon; whoever
//! is not bound gets no answer; while nobody is bound and no code waits, nothing is asked for. Start at [`run`].

mod desk;
mod dingtalk;
mod feishu;
mod hear;
mod judge;
mod orders;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod wards;

use super::Wards;
use super::voice::Voice;
use crate::approval::Kept;
use crate::bot::api::{BATCH, BotApi, HELD_S, Trouble};
use crate::bot::journal::Journal;
use crate::bot::pace::Pace;
use crate::bot::update::Update;
use crate::bot::{Access, Binding, NOTE, Pairing, Sealing};
use crate::cards::{self, App as _};
use crate::host::clock;
use crate::notify::outbox::Condition;
use crate::openclaw::discovery::Home;
use crate::settings::{Language, Settings};
use futures_util::FutureExt as _;
use hear::Hearing;
use judge::Ledger;
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;

/// After a fault of ours.
const BREATH: Duration = Duration::from_secs(5);
/// Between two looks whether somebody is bound, or a code waits.
const IDLE: Duration = Duration::from_secs(3);
/// After a batch in which nothing was for us, so that strangers cannot keep us busy.
const STRANGERS: Duration = Duration::from_secs(1);

/// What it stands on.
#[derive(Clone)]
pub struct Parts {
    /// Which bot, as the settings have it now.
    pub alerts: watch::Receiver<Condition>,
    /// Whom to ask.
    pub wards: watch::Receiver<Wards>,
    /// Our own settings, as last read.
    pub settings: Rc<RefCell<Settings>>,
    /// Hears that somebody was bound.
    pub voice: Rc<Voice>,
    /// The gateways here, whose bots must not be ours.
    pub homes: Vec<Home>,
    /// The user of the gateways.
    pub uid: u32,
    /// What is wrong with the bot, for `status`.
    pub trouble: Rc<RefCell<Option<String>>>,
    /// What is wrong with the app on Feishu.
    pub feishu_trouble: Rc<RefCell<Option<String>>>,
    /// What is wrong with the app on DingTalk.
    pub dingtalk_trouble: Rc<RefCell<Option<String>>>,
}

impl Parts {
    fn state(&self) -> PathBuf {
        self.voice.state_dir().to_owned()
    }

    fn language(&self) -> Language {
        self.settings.borrow().guard.language.unwrap_or_else(Language::of_system)
    }

    fn note(&self, trouble: Option<String>) {
        note(&self.trouble, NOTE, trouble);
    }
}

/// For `status`, and once for the log.
fn note(place: &RefCell<Option<String>>, name: &str, trouble: Option<String>) {
    let noted = trouble.map(|trouble| format!("{name}: {trouble}"));
    if *place.borrow() == noted {
        return;
    }
    match &noted {
        Some(noted) => tracing::warn!("{noted}"),
        None => tracing::info!("{name} hears"),
    }
    *place.borrow_mut() = noted;
}

/// Starts them. They go on as long as the guard.
pub fn start(parts: Parts) {
    let (for_feishu, for_dingtalk) = (parts.clone(), parts.clone());
    contained(NOTE, parts, async |parts| run(parts).await);
    contained(cards::Access::NOTE, for_feishu, async |parts| feishu::run(parts).await);
    contained(cards::dingtalk::Access::NOTE, for_dingtalk, async |parts| dingtalk::run(parts).await);
}

/// Runs one of them beside everything else; a fault of ours ends only that, and not for long.
fn contained(name: &'static str, parts: Parts, run: impl AsyncFn(&Parts) + 'static) {
    tokio::task::spawn_local(async move {
        loop {
            if AssertUnwindSafe(run(&parts)).catch_unwind().await.is_ok() {
                return;
            }
            tracing::error!("a fault of the guard itself ended the chat with {name}; it begins anew");
            tokio::time::sleep(BREATH).await;
        }
    });
}

/// Speaks as the bot that is set, whichever that is, until the alerts have ended.
async fn run(parts: &Parts) {
    let mut alerts = parts.alerts.clone();
    loop {
        let set = alerts.borrow_and_update().bot.clone();
        match set {
            Some(access) => listen(parts, &access, &mut alerts).await,
            None => {
                *parts.trouble.borrow_mut() = None;
                if alerts.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Waits until another bot is set, or none. May be dropped at any time.
async fn replaced(alerts: &mut watch::Receiver<Condition>, access: &Access) {
    while alerts.borrow_and_update().bot.as_ref() == Some(access) {
        if alerts.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// What is on the disk about the bot.
struct Files {
    bound: Option<Binding>,
    ledger: Ledger,
}

/// Whether to ask for updates.
enum Look {
    /// Somebody may say something.
    Listen(Box<Files>),
    /// Nobody can.
    Nobody,
}

/// Listens until another bot is set.
async fn listen(parts: &Parts, access: &Access, alerts: &mut watch::Receiver<Condition>) {
    let api = match BotApi::new(access.clone()) {
        Ok(api) => api,
        Err(why) => {
            parts.note(Some(why));
            return replaced(alerts, access).await;
        }
    };
    let (mut pace, mut limit) = (Pace::default(), BATCH);
    loop {
        let wait = match look(parts, access).await {
            Ok(Look::Nobody) => {
                parts.note(Some("nobody is paired with it yet; `clawmend pair bot` shows how".to_owned()));
                IDLE
            }
            Ok(Look::Listen(files)) => {
                let asked = tokio::select! {
                    asked = api.updates(files.ledger.journal.offset(), limit, HELD_S) => asked,
                    () = replaced(alerts, access) => return,
                };
                match asked {
                    Ok(updates) => {
                        pace.well();
                        limit = BATCH;
                        hear_all(parts, &api, access, *files, updates).await
                    }
                    // One that is too long must not hide those behind it.
                    Err(Trouble::Cut) if limit > 1 => {
                        limit = 1;
                        Duration::ZERO
                    }
                    Err(trouble) => {
                        parts.note(Some(trouble.to_string()));
                        pace.after(&trouble)
                    }
                }
            }
            Err(why) => {
                parts.note(Some(why));
                IDLE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = replaced(alerts, access) => return,
        }
    }
}

/// Hears a batch. Gives how long to wait before the next.
async fn hear_all(parts: &Parts, api: &BotApi, access: &Access, files: Files, updates: Vec<Update>) -> Duration {
    let empty = updates.is_empty();
    let mut hearing = Hearing::new(parts, api, access.id().to_owned(), files);
    let heard = hearing.hear_all(updates).await;
    match heard {
        Ok(ours) => {
            parts.note(None);
            if ours || empty { Duration::ZERO } else { STRANGERS }
        }
        Err(why) => {
            parts.note(Some(format!("what it heard cannot be kept on record, so nothing of it is done: {why}")));
            IDLE
        }
    }
}

/// Reads files, beside the loop.
async fn look(parts: &Parts, access: &Access) -> Result<Look, String> {
    let (state, homes, uid, access) = (parts.state(), parts.homes.clone(), parts.uid, access.clone());
    let looked = tokio::task::spawn_blocking(move || {
        // OpenClaw's config may have changed since the last time.
        if let Some(why) = access.refused(&homes, uid) {
            return Err(why);
        }
        let Some(kept) = Kept::load(&state).map_err(|error| error.to_string())? else { return Ok(Look::Nobody) };
        let sealing = Sealing::new(kept.key());
        let said = |error: crate::bot::SealError| error.to_string();
        let bound = Binding::load(&state, &sealing, access.id()).map_err(said)?;
        let waits = Pairing::load(&state, &sealing, access.id(), clock::now().wall).map_err(said)?.is_some();
        if bound.is_none() && !waits {
            return Ok(Look::Nobody);
        }
        let journal = Journal::load(&state, &sealing, access.id()).map_err(said)?;
        let ledger = Ledger { folder: state, sealing, journal, unkept: false };
        Ok(Look::Listen(Box::new(Files { bound, ledger })))
    });
    looked.await.unwrap_or_else(|error| Err(error.to_string()))
}
