//! A Bot API on loopback that can be healthy, refuse the token, fail or hang.
//!
//! A strict one ([`MockTelegram::strict_on`]) lets one request for updates wait at a time, as the real one does: a later one
//! ends the one before it with 409. It records who asked for updates, from when to when, and who sent what when.

use super::http::{free_port, read_request, write_json};
use super::secrets::TELEGRAM;
use crate::canary;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::BufReader;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How the mock behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As the real one.
    Ok,
    /// The token was revoked.
    Unauthorized,
    /// The service is ill.
    BadGateway,
    /// It takes requests and never answers.
    Hang,
}

/// Calls kept for a test to look at.
const CALLS_KEPT: usize = 10_000;

/// A request for updates, as the service saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Who asked.
    pub from: IpAddr,
    /// When it came.
    pub began: Instant,
    /// When it was answered, or whoever asked was gone; `None`: it waits.
    pub ended: Option<Instant>,
    /// Another one ended it.
    pub conflict: bool,
}

/// Something that people see of the bot, as the service saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Who did it.
    pub from: IpAddr,
    /// When the request was read.
    pub at: Instant,
    /// `sendMessage`, `sendChatAction`, `editMessageText`, …
    pub method: String,
    /// The text, if it has one.
    pub text: String,
}

#[derive(Debug)]
struct State {
    strict: bool,
    polls: Vec<Poll>,
    deeds: Vec<Deed>,
    mode: Mode,
    over: bool,
    calls: Vec<String>,
    sent: Vec<Value>,
    updates: VecDeque<Value>,
    next_update: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mock. Its threads end when it is dropped.
#[derive(Debug)]
pub struct MockTelegram {
    shared: Arc<Shared>,
    /// Where it listens.
    pub port: u16,
}

impl MockTelegram {
    /// Starts it in mode [`Mode::Ok`].
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self> {
        let port = free_port()?;
        Self::on(TcpListener::bind(("127.0.0.1", port)).context("mock Bot API")?)
    }

    /// Serves whoever reaches this listener.
    ///
    /// # Errors
    /// When it has no address.
    pub fn on(listener: TcpListener) -> Result<Self> {
        Self::serving(listener, false)
    }

    /// The same, and strict.
    ///
    /// # Errors
    /// When it has no address.
    pub fn strict_on(listener: TcpListener) -> Result<Self> {
        Self::serving(listener, true)
    }

    fn serving(listener: TcpListener, strict: bool) -> Result<Self> {
        let port = listener.local_addr()?.port();
        let state = State {
            strict,
            polls: Vec::new(),
            deeds: Vec::new(),
            mode: Mode::Ok,
            over: false,
            calls: Vec::new(),
            sent: Vec::new(),
            updates: VecDeque::new(),
            next_update: 1,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
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

    /// Changes how it behaves, from the next request on; requests that hang are answered.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.lock().mode = mode;
        self.shared.changed.notify_all();
    }

    /// How often a method was called.
    #[must_use]
    pub fn calls(&self, method: &str) -> usize {
        self.shared.lock().calls.iter().filter(|call| *call == method).count()
    }

    /// All requests for updates, in the order in which they came.
    #[must_use]
    pub fn polls(&self) -> Vec<Poll> {
        self.shared.lock().polls.clone()
    }

    /// All that people saw of the bot, in the order in which it came.
    #[must_use]
    pub fn deeds(&self) -> Vec<Deed> {
        self.shared.lock().deeds.clone()
    }

    /// Bodies of all `sendMessage` calls.
    #[must_use]
    pub fn sent(&self) -> Vec<Value> {
        self.shared.lock().sent.clone()
    }

    /// A person writes to the bot.
    pub fn say(&self, text: &str) {
        let mut state = self.shared.lock();
        let id = state.next_update;
        state.next_update += 1;
        let chat = json!({"id": 4242, "type": "private", "first_name": "Lab"});
        let from = json!({"id": 4242, "is_bot": false, "first_name": "Lab"});
        let seconds =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let message = json!({"message_id": id, "date": seconds, "chat": chat, "from": from, "text": text});
        state.updates.push_back(json!({"update_id": id, "message": message}));
        self.shared.changed.notify_all();
    }
}

impl Drop for MockTelegram {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        // Wakes the accepting thread so that it ends.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(shared: &Shared, mut stream: TcpStream) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    while let Ok(Some(request)) = read_request(&mut reader) {
        canary::received(TELEGRAM, &request.bytes());
        let path = request.path.split('?').next().unwrap_or_default();
        let method = path.rsplit('/').next().unwrap_or_default().to_owned();
        let Some((status, answer)) = answer(shared, &stream, &method, &request.body) else { return };
        if write_json(&mut stream, status, &answer).is_err() {
            return;
        }
    }
}

fn deed(asker: &TcpStream, method: &str, body: &Value) -> Option<Deed> {
    if !["send", "edit", "deleteMessage"].iter().any(|kind| method.starts_with(kind)) {
        return None;
    }
    let text = body["text"].as_str().unwrap_or_default().to_owned();
    Some(Deed { from: asker.peer_addr().ok()?.ip(), at: Instant::now(), method: method.to_owned(), text })
}

/// `None` when the mock is over.
fn answer(shared: &Shared, asker: &TcpStream, method: &str, body: &Value) -> Option<(u16, Value)> {
    let mut state = shared.lock();
    if state.calls.len() < CALLS_KEPT {
        state.calls.push(method.to_owned());
    }
    if let Some(deed) = deed(asker, method, body).filter(|_| state.deeds.len() < CALLS_KEPT) {
        state.deeds.push(deed);
    }
    while state.mode == Mode::Hang && !state.over {
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    match state.mode {
        _ if state.over => return None,
        Mode::Unauthorized => {
            return Some((401, json!({"ok": false, "error_code": 401, "description": "Unauthorized"})));
        }
        Mode::BadGateway => return Some((502, json!({"ok": false, "error_code": 502, "description": "Bad Gateway"}))),
        Mode::Ok | Mode::Hang => {}
    }
    let result = match method {
        "getMe" => json!({
            "id": 100_000_001, "is_bot": true, "first_name": "Lab", "username": "clawmend_lab_bot",
            "can_join_groups": true, "can_read_all_group_messages": false, "supports_inline_queries": false,
        }),
        "getWebhookInfo" => json!({"url": "", "has_custom_certificate": false, "pending_update_count": 0}),
        "sendMessage" => {
            if state.sent.len() < CALLS_KEPT {
                state.sent.push(body.clone());
            }
            json!({"message_id": 1, "date": 1, "chat": {"id": 4242, "type": "private"}, "text": body["text"]})
        }
        "getUpdates" if state.strict => return one_poll(shared, state, asker, body),
        "getUpdates" => return Some((200, json!({"ok": true, "result": updates(shared, state, body)?}))),
        _ => json!(true),
    };
    Some((200, json!({"ok": true, "result": result})))
}

/// The long poll: what is new after `offset`, or nothing at the end of `timeout`.
fn updates(shared: &Shared, mut state: MutexGuard<'_, State>, body: &Value) -> Option<Vec<Value>> {
    let offset = body["offset"].as_u64().unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(body["timeout"].as_u64().unwrap_or(0).min(60));
    loop {
        state.updates.retain(|update| update["update_id"].as_u64() >= Some(offset));
        let left = end.saturating_duration_since(Instant::now());
        if state.over {
            return None;
        }
        if !state.updates.is_empty() || left.is_zero() || state.mode != Mode::Ok {
            return Some(state.updates.iter().cloned().collect());
        }
        state = shared
            .changed
            .wait_timeout(state, left)
            .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
    }
}

/// How often a request that waits looks whether whoever asked is still there.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The long poll of a strict service: recorded, and ended by a later one or by the end of whoever asked.
fn one_poll(
    shared: &Shared,
    mut state: MutexGuard<'_, State>,
    asker: &TcpStream,
    body: &Value,
) -> Option<(u16, Value)> {
    let from = asker.peer_addr().ok()?.ip();
    let offset = body["offset"].as_u64().unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(body["timeout"].as_u64().unwrap_or(0).min(60));
    let mine = state.polls.len();
    if mine >= CALLS_KEPT {
        return None;
    }
    state.polls.push(Poll { from, began: Instant::now(), ended: None, conflict: false });
    shared.changed.notify_all();
    let answer = loop {
        state.updates.retain(|update| update["update_id"].as_u64() >= Some(offset));
        if state.over || is_gone(asker) {
            break None;
        }
        if state.polls.len() > mine + 1 {
            state.polls[mine].conflict = true;
            let words =
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
            break Some((409, json!({"ok": false, "error_code": 409, "description": words})));
        }
        let left = end.saturating_duration_since(Instant::now());
        if !state.updates.is_empty() || left.is_zero() || state.mode != Mode::Ok {
            let updates: Vec<Value> = state.updates.iter().cloned().collect();
            break Some((200, json!({"ok": true, "result": updates})));
        }
        state = shared
            .changed
            .wait_timeout(state, left.min(LOOK_EVERY))
            .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
    };
    state.polls[mine].ended = Some(Instant::now());
    answer
}

/// Whoever asked has closed its end, or its process has ended. Nothing is read.
fn is_gone(asker: &TcpStream) -> bool {
    let looked = asker.set_nonblocking(true).and_then(|()| asker.peek(&mut [0]));
    let gone = match looked {
        Ok(length) => length == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    };
    asker.set_nonblocking(false).is_err() || gone
}
