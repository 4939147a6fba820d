//! DingTalk.
//!
//! [`DingtalkBot`] writes into a group through the group's own custom bot; [`DingtalkApp`] writes to people and groups
//! as an app. Both send the [`markdown`] of a letter; a question of our own app is sent by [`ask`].

mod app;
mod ask;
mod bot;
pub mod markdown;

pub use app::{DingtalkApp, Own, Recipient};
pub use bot::DingtalkBot;
