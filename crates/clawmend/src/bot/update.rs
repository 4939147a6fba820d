//! What the Bot API tells: messages and taps, as far as a guard needs them.
//!
//! From the Bot API: [Update](https://core.telegram.org/bots/api#update), [Message](https://core.telegram.org/bots/api#message)
//! and [CallbackQuery](https://core.telegram.org/bots/api#callbackquery).
//!
//! Invariant: everything in here is hostile. What is not understood is [`What::Other`], so that it is passed over and
//! nothing hangs behind it.

use serde_json::Value;

/// Longest text or data that is looked at, in bytes; a message has at most 4096 characters.
const MAX_TEXT: usize = 16 * 1024;
/// Longest id of a query, in bytes.
const MAX_QUERY: usize = 128;

/// One update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Grows from one update to the next.
    pub id: i64,
    /// What it is.
    pub what: What,
}

/// Who, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The person.
    pub user: i64,
    /// The chat.
    pub chat: i64,
    /// Just that person and the bot.
    pub private: bool,
}

/// The kinds of updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody wrote.
    Message {
        /// Who.
        from: Sender,
        /// What; empty when it is no text.
        text: String,
    },
    /// Somebody tapped a button.
    Tap {
        /// Who.
        from: Sender,
        /// Names the tap, for the answer.
        query: String,
        /// The message with the button.
        message: i64,
        /// What the button carries.
        data: String,
    },
    /// Anything else.
    Other,
}

/// Reads the result of `getUpdates`, in the order of the ids. What has no id is left out. `None`: it is no list.
#[must_use]
pub fn read(result: &Value) -> Option<Vec<Update>> {
    let mut updates: Vec<Update> = result.as_array()?.iter().filter_map(one).collect();
    updates.sort_by_key(|update| update.id);
    Some(updates)
}

fn one(update: &Value) -> Option<Update> {
    let id = update["update_id"].as_i64().filter(|id| (0..i64::MAX).contains(id))?;
    let what = message(&update["message"]).or_else(|| tap(&update["callback_query"])).unwrap_or(What::Other);
    Some(Update { id, what })
}

fn message(message: &Value) -> Option<What> {
    let from = sender(&message["from"], &message["chat"])?;
    Some(What::Message { from, text: text(&message["text"]).unwrap_or_default() })
}

fn tap(query: &Value) -> Option<What> {
    let message = &query["message"];
    let from = sender(&query["from"], &message["chat"])?;
    let id = query["id"].as_str().filter(|id| id.len() <= MAX_QUERY)?.to_owned();
    Some(What::Tap { from, query: id, message: message["message_id"].as_i64()?, data: text(&query["data"])? })
}

fn sender(from: &Value, chat: &Value) -> Option<Sender> {
    let (user, chat_id) = (from["id"].as_i64()?, chat["id"].as_i64()?);
    let person = from["is_bot"].as_bool() != Some(true);
    // A private chat has the number of its person.
    let private = person && chat["type"].as_str() == Some("private") && chat_id == user;
    Some(Sender { user, chat: chat_id, private })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| text.len() <= MAX_TEXT).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_and_taps_are_read_in_their_order() {
        let person = json!({"id": 5, "is_bot": false, "first_name": "A"});
        let chat = json!({"id": 5, "type": "private"});
        let updates = read(&json!([
            {"update_id": 8, "callback_query": {"id": "q", "from": person, "chat_instance": "x", "data": "1y",
                "message": {"message_id": 3, "date": 0, "chat": chat}}},
            {"update_id": 7, "message": {"message_id": 2, "date": 1, "from": person, "chat": chat, "text": "status"}},
        ]))
        .unwrap();
        let from = Sender { user: 5, chat: 5, private: true };
        let message = What::Message { from, text: "status".to_owned() };
        let tap = What::Tap { from, query: "q".to_owned(), message: 3, data: "1y".to_owned() };
        assert_eq!(updates, [Update { id: 7, what: message }, Update { id: 8, what: tap }]);
    }

    #[test]
    fn only_a_person_in_a_chat_of_their_own_is_private() {
        let private =
            |from: Value, chat: Value| match read(&json!([{"update_id": 1, "message": {"from": from, "chat": chat}}]))
                .unwrap()
                .remove(0)
                .what
            {
                What::Message { from, .. } => from.private,
                What::Tap { .. } | What::Other => false,
            };
        assert!(private(json!({"id": 5}), json!({"id": 5, "type": "private"})));
        assert!(!private(json!({"id": 5}), json!({"id": 5, "type": "group"})));
        assert!(!private(json!({"id": 5}), json!({"id": -5, "type": "private"})));
        assert!(!private(json!({"id": 5, "is_bot": true}), json!({"id": 5, "type": "private"})));
        assert!(!private(json!({"id": 5}), json!({"id": 5})));
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        assert_eq!(read(&json!({"a": 1})), None);
        let strange = json!([
            {"update_id": "1"}, {"update_id": -1}, {"update_id": i64::MAX}, 5, null,
            {"update_id": 2}, {"update_id": 3, "message": []},
            {"update_id": 4, "message": {"from": {"id": "5"}, "chat": {"id": 5}}},
            {"update_id": 5, "callback_query": {"id": "q", "from": {"id": 5}, "data": "x", "inline_message_id": "y"}},
            {"update_id": 6, "callback_query": {"id": "q".repeat(500), "from": {"id": 5}, "data": "x",
                "message": {"message_id": 1, "chat": {"id": 5, "type": "private"}}}},
        ]);
        let read = read(&strange).unwrap();
        assert_eq!(read.iter().map(|update| update.id).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        assert!(read.iter().all(|update| update.what == What::Other), "{read:?}");
    }
}
