//! What an update comes to: a pairing, a decision, a wish, or nothing.
//!
//! Invariant: the journal is kept before anything is done. So what dies in between is not done, rather than done twice.

use super::wards::{Asking, Done};
use super::{Files, Parts};
use crate::bot::api::BotApi;
use crate::bot::binding::{Tried, code_in};
use crate::bot::button::Button;
use crate::bot::command::{Command, Order};
use crate::bot::update::{Sender, Update, What};
use crate::bot::words::{self, Obeyed, Tapped};
use crate::bot::{Binding, Pairing, SealError};
use crate::host::clock;
use clawmend_core::approval::{Decision, Proposal};
use clawmend_core::gateway::GatewayId;
use clawmend_core::wish::Wish;

/// Strangers that are named in the log for each batch; the rest is counted.
const NAMED: usize = 5;

/// One batch of updates.
pub struct Hearing<'a> {
    parts: &'a Parts,
    api: &'a BotApi,
    bot: String,
    files: Files,
    strangers: Vec<i64>,
    /// The journal knows something that is not on the disk.
    unkept: bool,
}

/// A tap of the bound person.
struct Tap<'a> {
    query: &'a str,
    message: i64,
    data: &'a str,
}

impl<'a> Hearing<'a> {
    pub fn new(parts: &'a Parts, api: &'a BotApi, bot: String, files: Files) -> Self {
        Self { parts, api, bot, files, strangers: Vec::new(), unkept: false }
    }

    /// Hears them in their order. `true`: something was of the bound person, or of who became it.
    ///
    /// # Errors
    /// The journal could not be kept; the rest of the batch was not heard, and comes again.
    pub async fn hear_all(&mut self, updates: Vec<Update>) -> Result<bool, String> {
        let mut ours = false;
        for update in &updates {
            self.files.journal.read(update.id);
            self.unkept = true;
            ours |= self.hear(update).await?;
        }
        self.tell_of_strangers();
        if self.unkept {
            self.keep_journal().await?;
        }
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
        self.keep_journal().await?;
        self.obey(from, text).await;
        Ok(true)
    }

    fn is_bound(&self, from: Sender) -> bool {
        self.files.bound.as_ref().is_some_and(|bound| bound.is(from))
    }

    /// Somebody sent what may be the code of a pairing.
    async fn try_code(&mut self, from: Sender, text: &str) -> Result<Option<Tried>, String> {
        let (state, sealing, bot) = (self.parts.state(), self.files.sealing.clone(), self.bot.clone());
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
        let refused = |why: &str, tapped: Tapped| {
            tracing::warn!(user = from.user, "a tap that does not count: {why}");
            tapped
        };
        let asking = Asking(&self.parts.wards);
        let button = Button::parse(data);
        let Some(button) = button else {
            self.keep_journal().await?;
            return Ok(refused("altered", Tapped::Unknown));
        };
        if self.files.journal.is_used(button.nonce) {
            self.keep_journal().await?;
            return Ok(refused("used before", Tapped::Used));
        }
        let fitting = |(gateway, proposal): &(GatewayId, Proposal)| {
            proposal.id == button.proposal && button.is_for(&self.files.sealing, gateway, proposal)
        };
        let Some((gateway, proposal)) = asking.proposals().await.into_iter().find(fitting) else {
            self.keep_journal().await?;
            return Ok(refused("altered, or for nothing that is known any more", Tapped::Unknown));
        };
        let now = clock::now();
        if !proposal.is_open(now.mono) {
            self.keep_journal().await?;
            return Ok(refused("decided before, or expired", Tapped::Over));
        }
        if !self.files.journal.use_up(button.nonce, proposal.until_wall, now.wall) {
            return Ok(refused("there is no room to note it", Tapped::NotKept));
        }
        if let Err(error) = self.keep_journal().await {
            if let Err(unsaid) = self.api.say(from.chat, words::tapped(self.parts.language(), Tapped::NotKept)).await {
                tracing::debug!(error = %unsaid, "not said");
            }
            return Err(error);
        }
        let by = format!("Telegram user {}, by a button", from.user);
        let decision = Decision { proposal: proposal.id, approve: button.approve, by };
        Ok(match asking.decide(&gateway, decision).await {
            Done::Yes if button.approve => Tapped::Approved,
            Done::Yes => Tapped::Denied,
            Done::No(why) => refused(&why, Tapped::Over),
            Done::NoAnswer => refused("the guard did not answer", Tapped::NoAnswer),
        })
    }

    async fn obey(&self, from: Sender, text: &str) {
        let language = self.parts.language();
        let asking = Asking(&self.parts.wards);
        let Some(command) = Command::parse(text) else { return self.answer(from.chat, words::help(language)).await };
        if command.order == Order::Status {
            return self.answer(from.chat, &words::status(language, &asking.status().await)).await;
        }
        let known = asking.names();
        let meant = match &command.gateway {
            Some(name) => known.iter().find(|id| id.0 == *name),
            None => known.first().filter(|_| known.len() == 1),
        };
        let Some(gateway) = meant else {
            let names: Vec<String> = known.into_iter().map(|id| id.0).collect();
            return self.answer(from.chat, &words::which(language, &names)).await;
        };
        let (wish, obeyed) = match command.order {
            Order::Pause => (Wish::Pause { until: None, reason: None }, Obeyed::Paused),
            Order::Resume => (Wish::Resume, Obeyed::Resumed),
            Order::Restart | Order::Status => (Wish::Restart, Obeyed::Restarted),
        };
        tracing::warn!(gateway = %gateway.0, user = from.user, ?wish, "a wish from the chat");
        let waiting = asking.wish(gateway, wish);
        let (api, id, chat) = (self.api.clone(), gateway.0.clone(), from.chat);
        let answer = async move {
            let text = match waiting.await {
                Done::Yes => words::obeyed(language, &id, obeyed),
                Done::No(why) => words::not_obeyed(language, &id, &why),
                Done::NoAnswer => words::not_obeyed(language, &id, words::no_answer(language)),
            };
            say(&api, chat, &text).await;
        };
        if obeyed == Obeyed::Restarted {
            self.answer(from.chat, &words::restarting(language, &gateway.0)).await;
            // Beside the chat, which goes on. The ward bounds how many wait.
            drop(tokio::task::spawn_local(answer));
        } else {
            answer.await;
        }
    }

    async fn answer(&self, chat: i64, text: &str) {
        say(self.api, chat, text).await;
    }

    async fn keep_journal(&mut self) -> Result<(), String> {
        let (state, sealing, journal) = (self.parts.state(), self.files.sealing.clone(), self.files.journal.clone());
        let kept = tokio::task::spawn_blocking(move || journal.save(&state, &sealing)).await;
        kept.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        self.unkept = false;
        Ok(())
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
