//! The card of a letter.
//!
//! JSON 1.0 of the card's structure, which every client shows:
//! <https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-json-structure>. Colours of the head:
//! <https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-components/content-components/title>.
//!
//! Invariant: a letter's text is `plain_text`, which knows no markup; where it must stand beside markup of ours
//! (`lark_md`), every character that could be markup or a mention such as `<at id=all></at>` is an HTML entity, the
//! documented escape of the rich-text component:
//! <https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-components/content-components/rich-text>.

use super::super::fit::{Budget, SHORTENED, title, verbatim};
use crate::cards::callback::FIELD;
use crate::notify::letter::{Choice, Kind, Letter, Part};
use clawmend_core::alert::Level;
use serde_json::{Value, json};

/// Longest title, in bytes: the head shows two lines.
const MAX_TITLE: usize = 200;
/// Most elements of a card.
const MAX_ELEMENTS: usize = 50;
/// What the JSON of an element takes beside its text, in bytes, rounded up.
const FRAME: usize = 80;
/// Halvings of the budget before a body is given up on: the smallest is then below a hundredth.
const TRIES: u32 = 8;

/// The card; `bytes` bounds what it takes of the letter's text, and its elements.
#[must_use]
pub fn card(letter: &Letter, bytes: usize) -> Value {
    let head = title(&letter.title, MAX_TITLE);
    let mut elements = Elements { budget: Budget::of(bytes.saturating_sub(head.len())), all: Vec::new() };
    // A custom bot that demands a keyword finds it here.
    elements.plain("", &format!("Clawmend · {}", letter.host), true);
    for part in &letter.parts {
        elements.part(part);
    }
    json!({
        "config": {"wide_screen_mode": true},
        "header": {"template": colour(letter), "title": {"tag": "plain_text", "content": head}},
        "elements": elements.finish(),
    })
}

/// The same with the buttons of a question, for an app that hears when one is tapped:
/// <https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-components/interactive-components/button>.
#[must_use]
pub fn asking(letter: &Letter, bytes: usize) -> Value {
    /// What a button takes beside its texts, in bytes, rounded up.
    const BUTTON: usize = 160;
    let taken: usize = letter.choices.iter().map(|choice| BUTTON + choice.label.len() + choice.data.len()).sum();
    let mut card = card(letter, bytes.saturating_sub(taken));
    if letter.choices.is_empty() {
        return card;
    }
    let button = |(at, choice): (usize, &Choice)| {
        let text = json!({"tag": "plain_text", "content": choice.label});
        let kind = if at == 0 { "primary" } else { "default" };
        json!({"tag": "button", "text": text, "type": kind, "value": {FIELD: choice.data}})
    };
    let row: Vec<Value> = letter.choices.iter().enumerate().map(button).collect();
    // All who see it see how it was answered; nobody sees it who was not asked.
    card["config"]["update_multi"] = true.into();
    card["config"]["enable_forward"] = false.into();
    if let Some(elements) = card["elements"].as_array_mut() {
        elements.push(json!({"tag": "action", "actions": row}));
    }
    card
}

/// A request's body of at most `limit` bytes: `body` is called with ever less room for the card until it fits.
pub(super) fn within(limit: usize, body: impl Fn(usize) -> Value) -> Value {
    let mut room = limit;
    for _ in 0..TRIES {
        let whole = body(room);
        if whole.to_string().len() <= limit {
            return whole;
        }
        // Quotes and backslashes take more in JSON than in the text.
        room /= 2;
    }
    body(0)
}

const fn colour(letter: &Letter) -> &'static str {
    match (letter.kind, letter.level) {
        (Kind::Resolved, _) => "green",
        (_, Level::Info) => "blue",
        (_, Level::Warning) => "yellow",
        (_, Level::Error) => "orange",
        (_, Level::Critical) => "red",
    }
}

struct Elements {
    budget: Budget,
    all: Vec<Value>,
}

impl Elements {
    fn part(&mut self, part: &Part) {
        match part {
            Part::Heading(text) => self.marked(|budget| format!("**{}**", budget.take(text, entity))),
            Part::Fact { label, value } => self.marked(|budget| {
                let label = budget.take(label, entity);
                format!("**{label}:** {}", budget.take(value, entity))
            }),
            Part::Text(text) => self.plain("", text, false),
            Part::Item(text) => self.plain("• ", text, false),
            Part::Code(lines) => self.code(lines),
        }
    }

    fn marked(&mut self, write: impl FnOnce(&mut Budget) -> String) {
        if self.room() {
            let text = write(&mut self.budget);
            self.all.push(json!({"tag": "div", "text": {"tag": "lark_md", "content": text}}));
        }
    }

    fn plain(&mut self, before: &str, text: &str, small: bool) {
        if self.room() {
            let text = format!("{before}{}", self.budget.take(text, verbatim));
            let text = json!({"tag": "plain_text", "content": text});
            let element =
                if small { json!({"tag": "note", "elements": [text]}) } else { json!({"tag": "div", "text": text}) };
            self.all.push(element);
        }
    }

    fn code(&mut self, lines: &[String]) {
        if !self.room() {
            return;
        }
        let mut out = String::new();
        for line in lines {
            // Two bytes in JSON.
            if !self.budget.frame(2) {
                break;
            }
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&self.budget.take(line, verbatim));
        }
        self.all.push(json!({"tag": "hr"}));
        self.all.push(json!({"tag": "div", "text": {"tag": "plain_text", "content": out}}));
    }

    fn room(&mut self) -> bool {
        // A rule, the last words and the buttons need theirs.
        let few = self.all.len() + 4 <= MAX_ELEMENTS;
        self.budget.frame(if few { FRAME } else { usize::MAX })
    }

    fn finish(mut self) -> Vec<Value> {
        if self.budget.is_cut() {
            let text = json!({"tag": "plain_text", "content": SHORTENED});
            self.all.push(json!({"tag": "note", "elements": [text]}));
        }
        self.all
    }
}

/// As an HTML entity where it could be markup.
fn entity(c: char, out: &mut String) {
    if c.is_ascii_punctuation() && !matches!(c, ',' | '.' | '/' | ';' | '%' | '?' | '=') {
        out.push_str(&format!("&#{};", u32::from(c)));
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_entities() {
        let mut out = String::new();
        "<at id=all></at> **a** [b](c) `d` 03:30 网".chars().for_each(|c| entity(c, &mut out));
        assert!(!out.contains(['<', '>', '*', '[', ']', '(', ')', '`', '"']), "{out}");
        assert!(out.starts_with("&#60;at id=all&#62;"), "{out}");
        assert!(out.ends_with("03&#58;30 网"), "{out}");
    }

    #[test]
    fn a_body_shrinks_until_it_fits() {
        let quotes = "\"".repeat(5_000);
        let whole = within(2_000, |room| json!({"x": quotes.get(..room.min(quotes.len())).unwrap_or_default()}));
        assert!(whole.to_string().len() <= 2_000);
        assert!(whole["x"].as_str().is_some_and(|text| text.len() > 400));
    }
}
