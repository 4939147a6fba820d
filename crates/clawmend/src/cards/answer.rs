//! What Feishu gets back for a tap: a word in a small window, and the card without its buttons.
//!
//! As of 2026-11: <https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-callback-communication>.
//!
//! Invariant: all that is not ours is `plain_text`, which knows no markup.

use crate::bot::words::{self, Tapped};
use crate::settings::Language;
use clawmend_core::approval::Proposal;
use clawmend_core::gateway::GatewayId;
use serde_json::{Value, json};

/// Longest reason that the card repeats, in characters.
const MAX_REASON: usize = 600;

/// The answer to a tap of the bound person.
#[must_use]
pub fn tapped(language: Language, tapped: Tapped, about: Option<&(GatewayId, Proposal)>) -> Value {
    let said = words::tapped(language, tapped);
    let kind = match tapped {
        Tapped::Approved => "success",
        Tapped::Denied => "info",
        Tapped::Used | Tapped::Over => "warning",
        Tapped::Unknown | Tapped::NotKept | Tapped::NoAnswer => "error",
    };
    let mut answer = json!({"toast": {"type": kind, "content": said}});
    // Where the buttons still count they stay.
    if let (Tapped::Approved | Tapped::Denied | Tapped::Used | Tapped::Over, Some((gateway, proposal))) =
        (tapped, about)
    {
        answer["card"] = json!({"type": "raw", "data": card(said, tapped, gateway, proposal)});
    }
    answer
}

fn card(said: &str, tapped: Tapped, gateway: &GatewayId, proposal: &Proposal) -> Value {
    let colour = if tapped == Tapped::Approved { "green" } else { "grey" };
    let reason: String = proposal.reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
    let number = format!("{} · {}", gateway.0, proposal.id.0);
    json!({
        "config": {"wide_screen_mode": true, "update_multi": true, "enable_forward": false},
        "header": {"template": colour, "title": {"tag": "plain_text", "content": said}},
        "elements": [
            {"tag": "div", "text": {"tag": "plain_text", "content": reason}},
            {"tag": "note", "elements": [{"tag": "plain_text", "content": number}]},
        ],
    })
}
