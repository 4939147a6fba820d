//! The Bot API, as far as a bot that hears needs it: <https://core.telegram.org/bots/api#getting-updates>.
//!
//! Strict: one request for updates at a time (a second one ends the first with 409), updates are given again until an offset
//! above them confirms them, data of a button has 1 to 64 bytes, an answer to a tap at most 200 characters, and nobody is
//! written to who has not written first. Start at [`BotApiStandIn::start`].

use super::frame_west::{read, write};
use super::telegram::without_entities;
use super::{Mode, Request, Verdict};
use crate::canary::{self, Canary};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The only token that it knows.
pub const TOKEN: &str = "4243:canary-own-bot-Token_0123456789";
/// Somebody with a private chat.
pub const PERSON: i64 = 5_010;
/// Somebody else.
pub const STRANGER: i64 = 6_660;

/// What happens there.
#[derive(Debug, Default)]
struct State {
    mode: Option<Mode>,
    over: bool,
    /// Grows with each request for updates; who sees a later one has lost.
    polls: u64,
    last_update: i64,
    last_message: i64,
    last_query: u64,
    waiting: Vec<Value>,
    confirmed: i64,
    /// Who has written.
    chats: BTreeSet<i64>,
    /// Taps that were not answered.
    queries: BTreeSet<String>,
    /// Messages of the bot with their buttons.
    markup: BTreeMap<i64, Value>,
    sent: Vec<Value>,
    answers: Vec<(String, String)>,
    requests: Vec<(String, Value)>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For messages.
const SERVICE: &str = "the guard's own bot";

/// The service. It ends when it is dropped.
#[derive(Debug)]
pub struct BotApiStandIn {
    shared: Arc<Shared>,
    port: u16,
}

impl BotApiStandIn {
    /// Starts it.
    ///
    /// # Errors
    /// When nothing can listen on loopback.
    pub fn start() -> Result<Self> {
        canary::register(Canary::written("the token of the guard's own bot", Some(SERVICE), TOKEN));
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("a stand-in on loopback")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        shared.lock().last_update = 100;
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.lock().over {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || serve(&shared, stream));
            }
        });
        Ok(Self { shared, port })
    }

    /// Its base address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How it behaves, from now on; who waits is told at once.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.lock().mode = Some(mode);
        self.shared.changed.notify_all();
    }

    /// Somebody writes in their private chat. Gives the update.
    pub fn write(&self, from: i64, text: &str) -> i64 {
        self.shared.lock().chats.insert(from);
        self.push(&json!({"message": {"message_id": 1, "date": 1, "text": text,
            "from": {"id": from, "is_bot": false, "first_name": "Somebody"}, "chat": {"id": from, "type": "private"}}}))
    }

    /// Somebody taps a button with this data under a message. Gives the query.
    pub fn tap(&self, from: i64, message: i64, data: &str) -> String {
        let query = {
            let mut state = self.shared.lock();
            state.last_query += 1;
            let query = format!("query-{}", state.last_query);
            state.queries.insert(query.clone());
            query
        };
        self.push(&json!({"callback_query": {"id": query, "chat_instance": "1", "data": data,
            "from": {"id": from, "is_bot": false, "first_name": "Somebody"},
            "message": {"message_id": message, "date": 1, "chat": {"id": from, "type": "private"}}}}));
        query
    }

    /// Any update; its id is given to it.
    pub fn push(&self, update: &Value) -> i64 {
        let mut state = self.shared.lock();
        state.last_update += 1;
        let id = state.last_update;
        let mut update = update.clone();
        update["update_id"] = json!(id);
        state.waiting.push(update);
        drop(state);
        self.shared.changed.notify_all();
        id
    }

    /// Messages of the bot, in order, each with its `message_id`.
    #[must_use]
    pub fn sent(&self) -> Vec<Value> {
        self.shared.lock().sent.clone()
    }

    /// Answers to taps: the query, and the text.
    #[must_use]
    pub fn answers(&self) -> Vec<(String, String)> {
        self.shared.lock().answers.clone()
    }

    /// Every request: its method, and its parameters.
    #[must_use]
    pub fn requests(&self) -> Vec<(String, Value)> {
        self.shared.lock().requests.clone()
    }

    /// The first update that is not confirmed.
    #[must_use]
    pub fn confirmed(&self) -> i64 {
        self.shared.lock().confirmed
    }

    /// The buttons of a message, as they are now: label and data.
    #[must_use]
    pub fn buttons(&self, message: i64) -> Vec<(String, String)> {
        let state = self.shared.lock();
        let rows = state.markup.get(&message).and_then(|markup| markup["inline_keyboard"].as_array().cloned());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        rows.into_iter()
            .flatten()
            .flat_map(|row| row.as_array().cloned().unwrap_or_default())
            .map(|button| (text(&button["text"]), text(&button["callback_data"])))
            .collect()
    }
}

impl Drop for BotApiStandIn {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        // Wakes the accepting thread so that it ends.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        canary::fail_on_leak();
    }
}

fn serve(shared: &Shared, mut stream: TcpStream) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    while let Ok(Some(request)) = read(&mut reader) {
        canary::received(SERVICE, &request.bytes());
        let method = request.path.rsplit('/').next().unwrap_or_default().to_owned();
        let body = request.json().unwrap_or_default();
        shared.lock().requests.push((method.clone(), body.clone()));
        let verdict = if request.path == format!("/bot{TOKEN}/{method}") && request.method == "POST" {
            answer(shared, &method, &body)
        } else {
            refused(401, "Unauthorized")
        };
        let cut = shared.lock().mode == Some(Mode::CutOff);
        if write(&mut stream, &verdict, cut).is_err() || cut {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn refused(code: u16, description: &str) -> Verdict {
    Verdict::json(code, &json!({"ok": false, "error_code": code, "description": description}))
}

fn fine(result: &Value) -> Verdict {
    Verdict::json(200, &json!({"ok": true, "result": result}))
}

/// What a mode says in place of the contract.
fn instead(mode: Option<&Mode>) -> Option<Verdict> {
    match mode? {
        Mode::Unauthorized => Some(refused(401, "Unauthorized")),
        Mode::RateLimited(seconds) => Some(Verdict::json(
            429,
            &json!({"ok": false, "error_code": 429, "description": format!("Too Many Requests: retry after {seconds}"),
                "parameters": {"retry_after": seconds}}),
        )),
        Mode::Error(words) => Some(refused(409, words)),
        Mode::Status(status) => Some(Verdict::text(*status, "<html>not the service</html>")),
        Mode::Contract | Mode::CutOff | Mode::Silent | Mode::HangUp => None,
    }
}

fn answer(shared: &Shared, method: &str, body: &Value) -> Verdict {
    let mode = shared.lock().mode.clone();
    if let Some(verdict) = instead(mode.as_ref()) {
        return verdict;
    }
    match method {
        "getUpdates" => updates(shared, body),
        "sendMessage" => send(&mut shared.lock(), body),
        "answerCallbackQuery" => answer_query(&mut shared.lock(), body),
        "editMessageReplyMarkup" => edit(&mut shared.lock(), body),
        _ => refused(404, "Not Found: method not found"),
    }
}

/// Held until there is something, its time is over, or another request comes.
fn updates(shared: &Shared, body: &Value) -> Verdict {
    let unknown = Request::unknown_members(body, &["offset", "limit", "timeout", "allowed_updates"]);
    let limit = body["limit"].as_u64().unwrap_or(100);
    if !unknown.is_empty() || !(1..=100).contains(&limit) || !body["allowed_updates"].is_array() {
        return refused(400, "Bad Request: wrong parameters");
    }
    let end = Instant::now() + Duration::from_secs(body["timeout"].as_u64().unwrap_or(0).min(50));
    let mut state = shared.lock();
    state.polls += 1;
    let mine = state.polls;
    shared.changed.notify_all();
    let offset = body["offset"].as_i64().unwrap_or(0);
    state.confirmed = state.confirmed.max(offset);
    state.waiting.retain(|update| update["update_id"].as_i64().is_some_and(|id| id >= offset));
    loop {
        if let Some(verdict) = instead(state.mode.as_ref()) {
            return verdict;
        }
        if state.polls != mine {
            return refused(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            );
        }
        let left = end.saturating_duration_since(Instant::now());
        if state.over || !state.waiting.is_empty() || left.is_zero() {
            let most = usize::try_from(limit).unwrap_or(100);
            let given: Vec<Value> = state.waiting.iter().take(most).cloned().collect();
            return fine(&json!(given));
        }
        state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn send(state: &mut State, body: &Value) -> Verdict {
    let known = [
        "chat_id",
        "text",
        "parse_mode",
        "link_preview_options",
        "disable_notification",
        "reply_parameters",
        "reply_markup",
    ];
    let unknown = Request::unknown_members(body, &known);
    if !unknown.is_empty() {
        return refused(400, &format!("Bad Request: unknown parameters {unknown:?}"));
    }
    let chat = body["chat_id"].as_i64().unwrap_or(0);
    if !state.chats.contains(&chat) {
        return refused(403, "Forbidden: bot can't initiate conversation with a user");
    }
    let text = body["text"].as_str().unwrap_or_default();
    let shown = if body["parse_mode"] == "HTML" { without_entities(text) } else { Ok(text.to_owned()) };
    match shown.map(|shown| shown.encode_utf16().count()) {
        Ok(1..=4096) => {}
        Ok(_) => return refused(400, "Bad Request: message text is empty or too long"),
        Err(why) => return refused(400, &format!("Bad Request: {why}")),
    }
    if !buttons_are_fine(&body["reply_markup"]) {
        return refused(400, "Bad Request: BUTTON_DATA_INVALID");
    }
    state.last_message += 1;
    let id = state.last_message;
    let mut message = body.clone();
    message["message_id"] = json!(id);
    state.markup.insert(id, body["reply_markup"].clone());
    state.sent.push(message);
    fine(&json!({"message_id": id, "date": 1, "chat": {"id": chat, "type": "private"}, "text": text}))
}

fn buttons_are_fine(markup: &Value) -> bool {
    let rows = markup["inline_keyboard"].as_array().map_or(&[][..], Vec::as_slice);
    rows.iter().flat_map(|row| row.as_array().map_or(&[][..], Vec::as_slice)).all(|button| {
        let data = button["callback_data"].as_str().unwrap_or_default();
        (1..=64).contains(&data.len()) && button["text"].as_str().is_some_and(|text| !text.is_empty())
    })
}

fn answer_query(state: &mut State, body: &Value) -> Verdict {
    let unknown = Request::unknown_members(body, &["callback_query_id", "text", "show_alert"]);
    let (query, text) =
        (body["callback_query_id"].as_str().unwrap_or_default(), body["text"].as_str().unwrap_or_default());
    if !unknown.is_empty() || text.chars().count() > 200 {
        return refused(400, "Bad Request: MESSAGE_TOO_LONG");
    }
    if !state.queries.remove(query) {
        return refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid");
    }
    state.answers.push((query.to_owned(), text.to_owned()));
    fine(&json!(true))
}

fn edit(state: &mut State, body: &Value) -> Verdict {
    let unknown = Request::unknown_members(body, &["chat_id", "message_id", "reply_markup"]);
    let message = body["message_id"].as_i64().unwrap_or(0);
    let Some(before) = state.markup.get(&message) else {
        return refused(400, "Bad Request: message to edit not found");
    };
    let is_bare = |markup: &Value| markup["inline_keyboard"].as_array().is_none_or(Vec::is_empty);
    if !unknown.is_empty() {
        return refused(400, "Bad Request: wrong parameters");
    }
    if is_bare(before) && is_bare(&body["reply_markup"]) {
        let words = "Bad Request: message is not modified: specified new message content and reply markup are exactly the \
                     same as a current content and reply markup of the message";
        return refused(400, words);
    }
    state.markup.insert(message, body["reply_markup"].clone());
    fine(&json!(true))
}
