//! The guard's own bot on Telegram, so that a person decides with one tap.
//!
//! [`access`] is the settings, and the refusal of a bot that OpenClaw has; [`binding`] says who is obeyed, [`button`] what a
//! tap proves, [`typed`] the words in its place, [`command`] the closed list of words, [`journal`] what was seen before.
//! [`update`] reads what comes in, [`api`] asks for it and answers, [`pace`] says how long to wait after trouble, [`words`] is
//! all that the bot says.
//! Who puts them together is `daemon/chat`.
//!
//! Invariants: only the bound person in their private chat is obeyed, and nobody else gets an answer; a tap counts once,
//! and is on record before it counts; text from a chat is compared with a closed list and goes nowhere else.

pub mod access;
pub mod api;
pub mod binding;
pub mod button;
pub mod command;
pub mod journal;
pub mod pace;
pub(crate) mod sealed;
pub mod typed;
pub mod update;
pub mod words;

pub use access::Access;
pub use binding::{Binding, Pairing};
pub use sealed::{SealError, Sealing};

/// Begins every note of the guard on its bot, in `status` and in `notify list`.
pub const NOTE: &str = "the guard's bot";
/// The place of the bot's letters.
pub const PLACE: &str = "own-bot";
