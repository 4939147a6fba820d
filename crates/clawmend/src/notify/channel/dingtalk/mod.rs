//! DingTalk.
//!
//! [`DingtalkBot`] writes into a group through the group's own custom bot; [`DingtalkApp`] writes to people and groups
//! as an app. Both send the [`markdown`] of a letter.

mod app;
mod bot;
pub mod markdown;

pub use app::{DingtalkApp, Recipient};
pub use bot::DingtalkBot;
