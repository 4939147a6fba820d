//! What an update comes to: a pairing, a decision, a wish, or nothing.
//!
//! Invariant: the journal is kept before anything is done. So what dies in between is not done, rather than done twice.

use super::judge::{Tapper, judge};
use super::orders::{self, Answer};
use super::wards::Asking;
use super::{Files, Parts};
use crate::bot::api::BotApi;
use crate::bot::binding::{Tried, code_in};
use crate::bot::update::{Sender, Update, What};
use crate::bot::words::{self, Tapped};
use crate::bot::{Binding, Pairing, SealError};
use crate::host::clock;

/// Strangers that are named in the log for each batch; the rest is counted.
const NAMED: usize = 5;

/// One batch of updates.
pub struct Hearing<'a> {
    parts: &'a Parts,
    api: &'a BotApi,
    bot: String,
    files: Files,
    strangers: Vec<i64>,
}

/// A tap of the bound person.
struct Tap<'a> {
    query: &'a str,
    message: i64,
    data: &'a str,
}

impl<'a> Hearing<'a> {
    pub fn new(parts: &'a Parts, api: &'a BotApi, bot: String, files: Files) -> Self {
        Self { parts, api, bot, files, strangers: Vec::new() }
    }

    /// Hears them in their order. `true`: something was of the bound person, or of who became it.
    ///
    /// # Errors
    /// The journal could not be kept; the rest of the batch was not heard, and comes again.
    pub async fn hear_all(&mut self, updates: Vec<Update>) -> Result<bool, String> {
        let mut ours = false;
        for update in &updates {
            self.files.ledger.journal.read(update.id);
            self.files.ledger.unkept = true;
            ours |= self.hear(update).await?;
        }
        self.tell_of_strangers();
        self.files.ledger.keep().await?;
        Ok(ours)
    }

    async fn hear(&mut self, update: &Update) -> Result<bool, String> {
        match &update.what {
            What::Message { from, text } => self.message(*from, text).await,
            What::Tap { from, query, message, data } if self.is_bound(*from) => {
                self.tap(*from, Tap { query, message: *message, data }).await?;
                Ok(true)
            }
            What::Tap { from, .. } => {
                self.strangers.push(from.user);
                Ok(false)
            }
            What::Other => Ok(false),
        }
    }

    async fn message(&mut self, from: Sender, text: &str) -> Result<bool, String> {
        if from.private && code_in(text).is_some() {
            let tried = self.try_code(from, text).await?;
            if tried == Some(Tried::Right) {
                self.answer(from.chat, words::paired(self.parts.language())).await;
                return Ok(true);
            }
        }
        if !self.is_bound(from) {
            self.strangers.push(from.user);
            return Ok(false);
        }
        self.files.ledger.keep().await?;
        self.obey(from, text).await;
        Ok(true)
    }

    fn is_bound(&self, from: Sender) -> bool {
        self.files.bound.as_ref().is_some_and(|bound| bound.is(from))
    }

    /// Somebody sent what may be the code of a pairing.
    async fn try_code(&mut self, from: Sender, text: &str) -> Result<Option<Tried>, String> {
        let (state, sealing, bot) = (self.parts.state(), self.files.ledger.sealing.clone(), self.bot.clone());
        let text = text.to_owned();
        // The code has a count and an end of its own, on the disk, too.
        let tried = tokio::task::spawn_blocking(move || {
            let now = clock::now().wall;
            let Some(mut pairing) = Pairing::load(&state, &sealing, &bot, now)? else { return Ok(None) };
            let tried = pairing.attempt(&sealing, &text, now);
            if tried != Tried::Right {
                pairing.save(&state, &sealing)?;
                return Ok(Some((tried, None)));
            }
            // It is used up before anybody is bound.
            Pairing::forget(&state)?;
            let binding = Binding::new(&bot, from, now);
            binding.save(&state, &sealing)?;
            Ok(Some((tried, Some(binding))))
        })
        .await;
        let tried = tried.map_err(|error| error.to_string())?.map_err(|error: SealError| error.to_string())?;
        match tried {
            Some((tried, Some(binding))) => {
                tracing::warn!(user = binding.user, "a person was paired with the guard's bot");
                self.files.bound = Some(binding);
                self.parts.voice.look_for_people();
                Ok(Some(tried))
            }
            Some((tried, None)) => {
                tracing::warn!(user = from.user, "a wrong code for a pairing");
                Ok(Some(tried))
            }
            None => Ok(None),
        }
    }

    async fn tap(&mut self, from: Sender, tap: Tap<'_>) -> Result<(), String> {
        let language = self.parts.language();
        let tapped = self.judge_tap(from, tap.data).await?;
        if let Err(error) = self.api.answer(tap.query, words::tapped(language, tapped)).await {
            tracing::debug!(%error, "a tap was not answered");
        }
        let spent = matches!(tapped, Tapped::Approved | Tapped::Denied | Tapped::Used | Tapped::Over);
        if spent && let Err(error) = self.api.take_buttons_away(from.chat, tap.message).await {
            tracing::debug!(%error, "the buttons stay");
        }
        Ok(())
    }

    /// Whether it counts, and what becomes of it. Each that does not count is in the log.
    async fn judge_tap(&mut self, from: Sender, data: &str) -> Result<Tapped, String> {
        let who = Tapper { user: from.user.to_string(), by: format!("Telegram user {}, by a button", from.user) };
        match judge(&Asking(&self.parts.wards), &mut self.files.ledger, &who, data).await {
            Ok(judged) => Ok(judged.tapped),
            Err(error) => {
                self.answer(from.chat, words::tapped(self.parts.language(), Tapped::NotKept)).await;
                Err(error)
            }
        }
    }

    async fn obey(&self, from: Sender, text: &str) {
        let language = self.parts.language();
        let user = from.user.to_string();
        match orders::obey(&Asking(&self.parts.wards), language, &user, text).await {
            Answer::Now(said) => self.answer(from.chat, &said).await,
            Answer::Later(first, rest) => {
                self.answer(from.chat, &first).await;
                let (api, chat) = (self.api.clone(), from.chat);
                drop(tokio::task::spawn_local(async move { say(&api, chat, &rest.await).await }));
            }
        }
    }

    async fn answer(&self, chat: i64, text: &str) {
        say(self.api, chat, text).await;
    }

    fn tell_of_strangers(&self) {
        for user in self.strangers.iter().take(NAMED) {
            tracing::warn!(user, "a stranger spoke to the guard's bot and got no answer");
        }
        let more = self.strangers.len().saturating_sub(NAMED);
        if more > 0 {
            tracing::warn!(more, "more strangers spoke to the guard's bot");
        }
    }
}

async fn say(api: &BotApi, chat: i64, text: &str) {
    if let Err(error) = api.say(chat, text).await {
        tracing::warn!(%error, "the guard's bot could not answer");
    }
}
