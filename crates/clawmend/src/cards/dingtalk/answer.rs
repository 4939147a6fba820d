//! What DingTalk gets back for a callback: for a tap, what the card shows from then on.
//!
//! As of 2026-11: <https://open.dingtalk.com/document/development/event-callback-card> (within 2 s; variables by their names).

use crate::bot::words::{self, Tapped};
use crate::settings::Language;
use serde_json::json;

/// The variable that hides the buttons when it is not [`OPEN`].
pub const STATE: &str = "state";
/// The buttons count.
pub const OPEN: &str = "open";
/// They do not any more.
const CLOSED: &str = "closed";
/// The variable with what became of the question.
pub const STATUS: &str = "status";

/// It was taken, and there is nothing to say.
#[must_use]
pub fn nothing() -> String {
    json!({"response": null}).to_string()
}

/// The answer to a tap of the bound person.
#[must_use]
pub fn tapped(language: Language, tapped: Tapped) -> String {
    let mut shown = json!({STATUS: words::tapped(language, tapped)});
    match tapped {
        Tapped::Approved | Tapped::Denied | Tapped::Used | Tapped::Over => shown[STATE] = CLOSED.into(),
        // Where the buttons still count they stay.
        Tapped::Unknown | Tapped::NotKept | Tapped::NoAnswer => {}
    }
    let update = json!({"updateCardDataByKey": true});
    json!({"response": {"cardUpdateOptions": update, "cardData": {"cardParamMap": shown}}}).to_string()
}
