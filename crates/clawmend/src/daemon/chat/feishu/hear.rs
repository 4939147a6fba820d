//! What an event of Feishu comes to: a pairing, a decision, a wish, or nothing.
//!
//! Invariant: an event of the bound person is on record before anything is done, so what comes again does nothing.

use super::super::judge::{Judged, Ledger, Tapper, judge};
use super::super::orders::{self, Answer};
use super::super::wards::Asking;
use super::Desk;
use crate::approval::Kept;
use crate::bot::binding::{Tried, code_in};
use crate::bot::journal::{Journal, Seen};
use crate::bot::{Pairing, SealError, Sealing, words};
use crate::cards::callback::{Event, What};
use crate::cards::listener::Origin;
use crate::cards::{Access, Bound, FOLDER};
use crate::host::clock;
use crate::host::files::private_dir;
use std::path::PathBuf;
use std::rc::Rc;

/// What became of it.
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

/// What is on the disk about the app.
struct Files {
    bound: Option<Bound>,
    ledger: Ledger,
}

impl Desk {
    /// Hears an event that is proven to come from Feishu.
    pub async fn hear(self: Rc<Self>, event: Event, from: &Origin) -> Heard {
        let files = match self.look().await {
            Ok(Some(files)) => files,
            Ok(None) => {
                self.refusals.tell(from, "no passphrase is set, so nobody can be paired");
                return Heard::Nothing;
            }
            Err(why) => {
                self.parts.note_of_feishu(Some(why.clone()));
                self.refusals.tell(from, &why);
                return Heard::NotKept;
            }
        };
        self.note_of(files.bound.as_ref());
        match Rc::clone(&self).hear_with(files, event, from).await {
            Ok(heard) => heard,
            Err(why) => {
                let why = format!("what it heard cannot be kept on record, so nothing of it is done: {why}");
                self.parts.note_of_feishu(Some(why));
                Heard::NotKept
            }
        }
    }

    async fn hear_with(self: Rc<Self>, files: Files, event: Event, from: &Origin) -> Result<Heard, String> {
        let is_bound = |person: &str| files.bound.as_ref().is_some_and(|bound| bound.person == person);
        match event.what {
            What::Tap { person, data } if is_bound(&person) => {
                self.tap(files.ledger, &event.id, &person, &data, from).await
            }
            What::Message { person, private: true, text } => {
                let bound = is_bound(&person);
                if code_in(&text).is_some() && self.try_code(&files, &person, &text).await? == Some(Tried::Right) {
                    self.say_later(person, words::paired(self.language()).to_owned());
                    return Ok(Heard::Nothing);
                }
                if bound {
                    return self.wish(files.ledger, &event.id, person, text, from).await;
                }
                self.stranger(&person, from);
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

    async fn tap(
        &self,
        mut ledger: Ledger,
        event: &str,
        person: &str,
        data: &str,
        from: &Origin,
    ) -> Result<Heard, String> {
        if !self.is_new(&mut ledger, event, from).await? {
            return Ok(Heard::Nothing);
        }
        let who = Tapper { user: person.to_owned(), by: format!("Feishu user {person}, by a button") };
        let judged = judge(&Asking(&self.parts.wards), &mut ledger, &who, data).await?;
        Ok(Heard::Tap { judged })
    }

    async fn wish(
        self: Rc<Self>,
        mut ledger: Ledger,
        event: &str,
        person: String,
        text: String,
        from: &Origin,
    ) -> Result<Heard, String> {
        if !self.is_new(&mut ledger, event, from).await? {
            return Ok(Heard::Nothing);
        }
        let desk = Rc::clone(&self);
        // Feishu gets its answer before the ward gives its own. The ward bounds how many wait.
        drop(tokio::task::spawn_local(async move {
            match orders::obey(&Asking(&desk.parts.wards), desk.language(), &person, &text).await {
                Answer::Now(said) => desk.say(&person, &said).await,
                Answer::Later(first, rest) => {
                    desk.say(&person, &first).await;
                    desk.say(&person, &rest.await).await;
                }
            }
        }));
        Ok(Heard::Nothing)
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
        let (app, person, text) = (self.access.app_id.clone(), person.to_owned(), text.to_owned());
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
            Bound::new(&app, &person, now).save(&folder, &sealing)?;
            Ok(Some(tried))
        })
        .await;
        let tried = tried.map_err(|error| error.to_string())?.map_err(|error: SealError| error.to_string())?;
        match tried {
            Some(Tried::Right) => {
                tracing::warn!(user = %shown, "a person was paired with the guard's Feishu app");
                self.parts.note_of_feishu(None);
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
        let said = match self.access.app(person) {
            Ok(app) => app.say(text, &self.http).await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        if let Err(error) = said {
            tracing::warn!(%error, "the guard's Feishu app could not answer");
        }
    }

    /// Says once at the beginning whether anybody is obeyed.
    pub async fn note_of_binding(&self) {
        match self.look().await {
            Ok(files) => self.note_of(files.as_ref().and_then(|files| files.bound.as_ref())),
            Err(why) => self.parts.note_of_feishu(Some(why)),
        }
    }

    fn note_of(&self, bound: Option<&Bound>) {
        let nobody = || "nobody is paired with it yet; `clawmend pair feishu` shows how".to_owned();
        self.parts.note_of_feishu(bound.is_none().then(nobody));
    }

    /// Reads files, beside the loop. `None`: no passphrase is set.
    async fn look(&self) -> Result<Option<Files>, String> {
        let (state, homes, uid) = (self.parts.state(), self.parts.homes.clone(), self.parts.uid);
        let access = self.access.clone();
        let looked = tokio::task::spawn_blocking(move || {
            // OpenClaw's config may have changed since the last time.
            match access.refused(&homes, uid) {
                Some(why) => Err(why),
                None => files(state, &access),
            }
        });
        looked.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

fn files(state: PathBuf, access: &Access) -> Result<Option<Files>, String> {
    let Some(kept) = Kept::load(&state).map_err(|error| error.to_string())? else { return Ok(None) };
    let folder = state.join(FOLDER);
    private_dir(&folder).map_err(|error| error.to_string())?;
    let sealing = Sealing::new(kept.key());
    let said = |error: SealError| error.to_string();
    let bound = Bound::load(&folder, &sealing, &access.app_id).map_err(said)?;
    let journal = Journal::load(&folder, &sealing, &access.app_id).map_err(said)?;
    Ok(Some(Files { bound, ledger: Ledger { folder, sealing, journal, unkept: false } }))
}
