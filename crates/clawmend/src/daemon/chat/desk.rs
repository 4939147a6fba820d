//! What an event of an app comes to: a pairing, a decision, a wish, or nothing. One for all services with apps.
//!
//! Who calls it has proven that the event comes from the service, and answers the service in time; what takes longer goes on
//! beside that. Start at [`Desk::take`].
//!
//! Invariants: an event of the bound person is on record before anything is done, so what comes again does nothing; whoever is
//! not bound gets no answer; one event is heard after the other, because there is one journal.

use super::judge::{Judged, Ledger, Tapper, judge};
use super::orders::{self, Answer};
use super::wards::Asking;
use super::{Parts, note};
use crate::approval::Kept;
use crate::bot::binding::{Tried, code_in};
use crate::bot::journal::{Journal, Seen};
use crate::bot::{Pairing, SealError, Sealing, typed, words};
use crate::cards::event::{Event, What};
use crate::cards::refusals::{Origin, Refusals};
use crate::cards::{App, Bound};
use crate::host::clock;
use crate::host::files::private_dir;
use crate::notify::http::Http;
use crate::settings::Language;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;

/// Events that are heard, or wait for that, at most.
pub const QUEUE: usize = 16;

/// What became of an event.
pub enum Heard {
    /// A tap of the bound person.
    Tap {
        /// What it came to.
        judged: Judged,
    },
    /// It could not be kept on record, so nothing was done.
    NotKept,
    /// There is nothing to say.
    Nothing,
}

/// What is on the disk about an app.
pub struct Files {
    bound: Option<Bound>,
    /// A code waits to be sent to it.
    waits: bool,
    ledger: Ledger,
}

impl Files {
    /// Somebody can say something that counts.
    pub const fn somebody(&self) -> bool {
        self.bound.is_some() || self.waits
    }
}

/// Hears the events of one app.
pub struct Desk<A> {
    parts: Parts,
    /// The app.
    pub access: A,
    /// The way out, as the settings have it.
    pub http: Http,
    /// Tells the log.
    pub refusals: Arc<Refusals>,
    /// What is wrong, for `status`.
    trouble: Rc<RefCell<Option<String>>>,
    one: Mutex<()>,
    places: Arc<Semaphore>,
}

impl<A: App> Desk<A> {
    /// For this app.
    ///
    /// # Errors
    /// Nothing can be sent at all, in words for people.
    pub fn new(parts: Parts, access: A, trouble: Rc<RefCell<Option<String>>>) -> Result<Self, String> {
        let http = Http::new(access.proxy().map(|proxy| proxy.expose()))?;
        let (refusals, places) = (Arc::default(), Arc::new(Semaphore::new(QUEUE)));
        Ok(Self { parts, access, http, refusals, trouble, one: Mutex::new(()), places })
    }

    /// Hears an event, beside whoever asks. `None`: too many wait already.
    pub fn take(self: &Rc<Self>, event: Event, from: &Origin) -> Option<JoinHandle<Heard>> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.refusals.tell(from, "too many events wait already");
            return None;
        };
        let (desk, from) = (Rc::clone(self), from.clone());
        Some(tokio::task::spawn_local(async move {
            let _place = place;
            let _one = desk.one.lock().await;
            Rc::clone(&desk).hear(event, &from).await
        }))
    }

    /// For `status`.
    pub fn note(&self, trouble: Option<String>) {
        note(&self.trouble, A::NOTE, trouble);
    }

    /// The language of answers.
    pub fn language(&self) -> Language {
        self.parts.language()
    }

    /// Says once at the beginning whether anybody is obeyed.
    pub async fn note_of_binding(&self) {
        match self.look().await {
            Ok(files) => self.note_of(files.as_ref().and_then(|files| files.bound.as_ref())),
            Err(why) => self.note(Some(why)),
        }
    }

    /// Something came whose time is `off_ms` ms after ours: the clocks differ, or somebody repeats what he has seen.
    pub fn note_of_clock(&self, off_ms: i64) {
        let minutes = off_ms.saturating_abs() / 60_000;
        let (which, why) = if off_ms < 0 { ("behind", "or it was an old one, sent again") } else { ("ahead of", "") };
        self.note(Some(format!(
            "a callback was {minutes} min {which} this machine's clock and was refused; set the clock (NTP) {why}"
        )));
    }

    /// Reads files, beside the loop. `None`: no passphrase is set.
    ///
    /// # Errors
    /// The app must not be used now, or a file cannot be read.
    pub async fn look(&self) -> Result<Option<Files>, String> {
        let (state, homes, uid) = (self.parts.state(), self.parts.homes.clone(), self.parts.uid);
        let access = self.access.clone();
        let looked = tokio::task::spawn_blocking(move || {
            // OpenClaw's config may have changed since the last time.
            match access.refused(&homes, uid) {
                Some(why) => Err(why),
                None => files(&state, &access),
            }
        });
        looked.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn folder(&self) -> PathBuf {
        self.parts.state().join(A::FOLDER)
    }

    async fn hear(self: Rc<Self>, event: Event, from: &Origin) -> Heard {
        let files = match self.look().await {
            Ok(Some(files)) => files,
            Ok(None) => {
                self.refusals.tell(from, "no passphrase is set, so nobody can be paired");
                return Heard::Nothing;
            }
            Err(why) => {
                self.note(Some(why.clone()));
                self.refusals.tell(from, &why);
                return Heard::NotKept;
            }
        };
        self.note_of(files.bound.as_ref());
        match Rc::clone(&self).hear_with(files, event, from).await {
            Ok(heard) => heard,
            Err(why) => {
                let why = format!("what it heard cannot be kept on record, so nothing of it is done: {why}");
                self.note(Some(why));
                Heard::NotKept
            }
        }
    }

    async fn hear_with(self: Rc<Self>, files: Files, event: Event, from: &Origin) -> Result<Heard, String> {
        let is_bound = |person: &str| files.bound.as_ref().is_some_and(|bound| bound.person == person);
        match event.what {
            What::Tap { person, data } if is_bound(&person) => {
                let mut ledger = files.ledger;
                if !self.is_new(&mut ledger, &event.id, from).await? {
                    return Ok(Heard::Nothing);
                }
                let judged = self.judge(&mut ledger, &person, &data, "by a button").await?;
                Ok(Heard::Tap { judged })
            }
            What::Message { person, private: true, text } => {
                let bound = is_bound(&person);
                if code_in(&text).is_some() && self.try_code(&files, &person, &text).await? == Some(Tried::Right) {
                    self.say_later(person, words::paired(self.language()).to_owned());
                    return Ok(Heard::Nothing);
                }
                if bound {
                    self.message(files.ledger, &event.id, person, text, from).await?;
                } else {
                    self.stranger(&person, from);
                }
                Ok(Heard::Nothing)
            }
            What::Tap { person, .. } | What::Message { person, private: false, .. } => {
                self.stranger(&person, from);
                Ok(Heard::Nothing)
            }
            What::Other => Ok(Heard::Nothing),
        }
    }

    fn stranger(&self, person: &str, from: &Origin) {
        self.refusals.tell(from, &format!("{person} is not the person who is paired, or not alone with the app"));
    }

    async fn judge(&self, ledger: &mut Ledger, person: &str, data: &str, how: &str) -> Result<Judged, String> {
        let who = Tapper { user: person.to_owned(), by: format!("{} user {person}, {how}", A::SERVICE) };
        judge(&Asking(&self.parts.wards), ledger, &who, data).await
    }

    /// A text of the bound person: the words that answer a question, or a wish.
    async fn message(
        self: Rc<Self>,
        mut ledger: Ledger,
        event: &str,
        person: String,
        text: String,
        from: &Origin,
    ) -> Result<(), String> {
        if !self.is_new(&mut ledger, event, from).await? {
            return Ok(());
        }
        if let Some(data) = typed::data_in(&text) {
            let judged = self.judge(&mut ledger, &person, data, "by the words of a message").await?;
            self.say_later(person, words::tapped(self.language(), judged.tapped).to_owned());
            return Ok(());
        }
        let desk = Rc::clone(&self);
        // The service gets its answer before the ward gives its own. The ward bounds how many wait.
        drop(tokio::task::spawn_local(async move {
            match orders::obey(&Asking(&desk.parts.wards), desk.language(), &person, &text).await {
                Answer::Now(said) => desk.say(&person, &said).await,
                Answer::Later(first, rest) => {
                    desk.say(&person, &first).await;
                    desk.say(&person, &rest.await).await;
                }
            }
        }));
        Ok(())
    }

    /// Notes an event of the bound person. `false`: it came before, or there is no room for it.
    async fn is_new(&self, ledger: &mut Ledger, event: &str, from: &Origin) -> Result<bool, String> {
        match ledger.journal.see(event, clock::now().wall) {
            Seen::New => {}
            Seen::Before => {
                self.refusals.tell(from, "replayed: this very event came before");
                return Ok(false);
            }
            Seen::Full => {
                self.refusals.tell(from, "too many events of the paired person in a short time");
                return Ok(false);
            }
        }
        ledger.unkept = true;
        ledger.keep().await?;
        Ok(true)
    }

    /// Somebody sent what may be the code of a pairing. It has a count and an end of its own, on the disk, too.
    async fn try_code(&self, files: &Files, person: &str, text: &str) -> Result<Option<Tried>, String> {
        let (folder, sealing) = (self.folder(), files.ledger.sealing.clone());
        let (app, person, text) = (self.access.id().to_owned(), person.to_owned(), text.to_owned());
        let shown = person.clone();
        let tried = tokio::task::spawn_blocking(move || {
            let now = clock::now().wall;
            let Some(mut pairing) = Pairing::load(&folder, &sealing, &app, now)? else { return Ok(None) };
            let tried = pairing.attempt(&sealing, &text, now);
            if tried != Tried::Right {
                pairing.save(&folder, &sealing)?;
                return Ok(Some(tried));
            }
            // It is used up before anybody is bound.
            Pairing::forget(&folder)?;
            Bound::new(&app, &person, now).save::<A>(&folder, &sealing)?;
            Ok(Some(tried))
        })
        .await;
        let tried = tried.map_err(|error| error.to_string())?.map_err(|error: SealError| error.to_string())?;
        match tried {
            Some(Tried::Right) => {
                tracing::warn!(user = %shown, "a person was paired with {}", A::NOTE);
                self.note(None);
                self.parts.voice.look_for_people();
            }
            Some(Tried::Wrong | Tried::Over) => tracing::warn!(user = %shown, "a wrong code for a pairing"),
            None => {}
        }
        Ok(tried)
    }

    fn say_later(self: &Rc<Self>, person: String, text: String) {
        let desk = Rc::clone(self);
        drop(tokio::task::spawn_local(async move { desk.say(&person, &text).await }));
    }

    async fn say(&self, person: &str, text: &str) {
        if let Err(error) = self.access.say(person, text, &self.http).await {
            tracing::warn!(error, "{} could not answer", A::NOTE);
        }
    }

    fn note_of(&self, bound: Option<&Bound>) {
        let nobody = || format!("nobody is paired with it yet; `clawmend pair {}` shows how", A::FOLDER);
        self.note(bound.is_none().then(nobody));
    }
}

fn files<A: App>(state: &Path, access: &A) -> Result<Option<Files>, String> {
    let Some(kept) = Kept::load(state).map_err(|error| error.to_string())? else { return Ok(None) };
    let folder = state.join(A::FOLDER);
    private_dir(&folder).map_err(|error| error.to_string())?;
    let sealing = Sealing::new(kept.key());
    let said = |error: SealError| error.to_string();
    let bound = Bound::load::<A>(&folder, &sealing, access.id()).map_err(said)?;
    let waits = Pairing::load(&folder, &sealing, access.id(), clock::now().wall).map_err(said)?.is_some();
    let journal = Journal::load(&folder, &sealing, access.id()).map_err(said)?;
    Ok(Some(Files { bound, waits, ledger: Ledger { folder, sealing, journal, unkept: false } }))
}
