//! What a text of the bound person comes to: a word of the closed list, obeyed, or help.
//!
//! Invariant: who wrote has been proven by the caller; a text that is not on the list goes nowhere but into a comparison.

use super::wards::{Asking, Done};
use crate::bot::command::{Command, Order};
use crate::bot::words::{self, Obeyed};
use crate::settings::Language;
use clawmend_core::wish::Wish;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

/// What is answered.
pub enum Answer {
    /// This.
    Now(String),
    /// Something first, and the rest when it is known, beside the chat: the ward bounds how many wait.
    Later(String, LocalBoxFuture<'static, String>),
}

/// Obeys, or says what it understands.
pub async fn obey(asking: &Asking<'_>, language: Language, user: &str, text: &str) -> Answer {
    let Some(command) = Command::parse(text) else { return Answer::Now(words::help(language).to_owned()) };
    if command.order == Order::Status {
        return Answer::Now(words::status(language, &asking.status().await));
    }
    let known = asking.names();
    let meant = match &command.gateway {
        Some(name) => known.iter().find(|id| id.0 == *name),
        None => known.first().filter(|_| known.len() == 1),
    };
    let Some(gateway) = meant else {
        let names: Vec<String> = known.into_iter().map(|id| id.0).collect();
        return Answer::Now(words::which(language, &names));
    };
    let (wish, obeyed) = match command.order {
        Order::Pause => (Wish::Pause { until: None, reason: None }, Obeyed::Paused),
        Order::Resume => (Wish::Resume, Obeyed::Resumed),
        Order::Restart | Order::Status => (Wish::Restart, Obeyed::Restarted),
    };
    tracing::warn!(gateway = %gateway.0, user, ?wish, "a wish from the chat");
    let waiting = asking.wish(gateway, wish);
    let id = gateway.0.clone();
    let answer = async move {
        match waiting.await {
            Done::Yes => words::obeyed(language, &id, obeyed),
            Done::No(why) => words::not_obeyed(language, &id, &why),
            Done::NoAnswer => words::not_obeyed(language, &id, words::no_answer(language)),
        }
    };
    match obeyed {
        Obeyed::Restarted => Answer::Later(words::restarting(language, &gateway.0), answer.boxed_local()),
        Obeyed::Paused | Obeyed::Resumed => Answer::Now(answer.await),
    }
}
