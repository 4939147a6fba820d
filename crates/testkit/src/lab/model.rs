//! An OpenAI-compatible model on loopback whose answers can be made to take as long as a test needs, or to fail as a
//! provider's do.

use super::http::{free_port, read_request, write_json};
use super::secrets::{MODEL, secrets};
use crate::canary;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What every answer says. After it stand the [`marks`] of the message that it answers.
pub const ANSWER: &str = "PONG-LAB";

/// How it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// With [`ANSWER`].
    #[default]
    Well,
    /// With status 500.
    Broken,
    /// Not at all, until the mode changes.
    Hanging,
    /// With status 401, as `OpenAI` refuses a key.
    KeyRefused,
    /// With status 429 and `insufficient_quota`, as `OpenAI` does.
    QuotaUsedUp,
    /// With status 402, as routers of models do.
    OutOfCredit,
}

impl Mode {
    const ALL: [Self; 6] =
        [Self::Well, Self::Broken, Self::Hanging, Self::KeyRefused, Self::QuotaUsedUp, Self::OutOfCredit];

    /// Status and body of its failure.
    fn failure(self) -> Option<(u16, Value)> {
        // A service that tells the key that it refuses.
        let refused = format!("Incorrect API key provided: {}.", secrets().model);
        let (status, kind, code, message) = match self {
            Self::Well | Self::Hanging => return None,
            Self::Broken => {
                (500, "server_error", "server_error", "The server had an error while processing your request.")
            }
            Self::KeyRefused => (401, "invalid_request_error", "invalid_api_key", refused.as_str()),
            Self::QuotaUsedUp => (
                429,
                "insufficient_quota",
                "insufficient_quota",
                "You exceeded your current quota, please check your plan and billing details.",
            ),
            Self::OutOfCredit => (402, "payment_required", "402", "Insufficient credits. Add more to go on."),
        };
        Some((status, json!({"error": {"message": message, "type": kind, "param": null, "code": code}})))
    }
}

#[derive(Debug, Default)]
struct Shared {
    mode: AtomicU8,
    delay_ms: AtomicU64,
    in_flight: AtomicUsize,
    answered: AtomicUsize,
    over: AtomicBool,
    /// The messages that it was asked with last.
    last: Mutex<Value>,
}

impl Shared {
    fn mode(&self) -> Mode {
        let number = self.mode.load(Ordering::Relaxed);
        Mode::ALL.into_iter().find(|mode| *mode as u8 == number).unwrap_or_default()
    }
}

/// The mock. When it is dropped its threads end, and its port refuses connections.
#[derive(Debug)]
pub struct MockModel {
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
    /// Where it listens.
    pub port: u16,
}

impl MockModel {
    /// Starts it; it answers at once.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self> {
        Self::start_at(free_port()?)
    }

    /// The same where an earlier one was.
    ///
    /// # Errors
    /// When the port is not free.
    pub fn start_at(port: u16) -> Result<Self> {
        let (mut model, accepting) = Self::serving(TcpListener::bind(("127.0.0.1", port)).context("mock model")?)?;
        model.accepting = Some(accepting);
        Ok(model)
    }

    /// Serves whoever reaches this listener, which may be on another host of the lab. It is not waited for its end.
    ///
    /// # Errors
    /// When it has no address.
    pub fn on(listener: TcpListener) -> Result<Self> {
        Ok(Self::serving(listener)?.0)
    }

    fn serving(listener: TcpListener) -> Result<(Self, JoinHandle<()>)> {
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || serve(&shared, stream));
            }
        });
        Ok((Self { shared, accepting: None, port }, thread))
    }

    /// How long the answers to the following requests take.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How the following requests are answered.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.mode.store(mode as u8, Ordering::Relaxed);
    }

    /// Requests that wait for their answer now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }

    /// The messages that it was asked with last, for whoever misses an answer: the role and the end of each.
    #[must_use]
    pub fn asked_last(&self) -> Vec<String> {
        let last = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner);
        let brief = |message: &Value| {
            let text = message["content"].to_string();
            let from = text.char_indices().rev().nth(300).map_or(0, |(at, _)| at);
            format!("{}: {}", message["role"], &text[from..])
        };
        last.as_array().map(|all| all.iter().map(brief).collect()).unwrap_or_default()
    }

    /// Completions given so far.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }
}

impl Drop for MockModel {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn serve(shared: &Shared, mut stream: TcpStream) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    while let Ok(Some(request)) = read_request(&mut reader) {
        canary::received(MODEL, &request.bytes());
        let sent = if request.path.ends_with("/chat/completions") {
            shared.in_flight.fetch_add(1, Ordering::Relaxed);
            let sent = complete(shared, &mut stream, &request.body);
            shared.in_flight.fetch_sub(1, Ordering::Relaxed);
            sent
        } else {
            write_json(&mut stream, 200, &json!({"object": "list", "data": [{"id": "mock-1", "object": "model"}]}))
        };
        if sent.is_err() {
            return;
        }
    }
}

/// [`ANSWER`], and after it the marks of what was said since the last answer.
fn answer(body: &Value) -> String {
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let since = messages.iter().rposition(|message| message["role"] == json!("assistant")).map_or(0, |last| last + 1);
    let said: String = messages.iter().skip(since).map(|message| message["content"].to_string()).collect();
    std::iter::once(ANSWER.to_owned()).chain(marks(&by_people(&said))).collect::<Vec<_>>().join(" ")
}

/// Without what OpenClaw 2026.9.6 adds to what a person writes: there it quotes what the two have said of late.
fn by_people(said: &str) -> String {
    const BEGIN: &str = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>";
    const END: &str = "<<<END_OPENCLAW_INTERNAL_CONTEXT>>>";
    let mut parts = said.split(BEGIN);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| kept + part.split_once(END).map_or("", |(_, after)| after))
}

/// The words `MARK-` with a number in a text, each once: by them an answer is known.
#[must_use]
pub fn marks(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in text.split("MARK-").skip(1) {
        let number: String = part.chars().take_while(char::is_ascii_digit).collect();
        let mark = format!("MARK-{number}");
        if !number.is_empty() && !found.contains(&mark) {
            found.push(mark);
        }
    }
    found
}

fn complete(shared: &Shared, stream: &mut TcpStream, body: &Value) -> Result<()> {
    let end = Instant::now() + Duration::from_millis(shared.delay_ms.load(Ordering::Relaxed));
    while Instant::now() < end && !shared.over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
    while shared.mode() == Mode::Hanging && !shared.over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
    if let Some((status, body)) = shared.mode().failure() {
        return write_json(stream, status, &body);
    }
    shared.answered.fetch_add(1, Ordering::Relaxed);
    *shared.last.lock().unwrap_or_else(PoisonError::into_inner) = body["messages"].clone();
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
    let answer = answer(body);
    if body["stream"] != json!(true) {
        let message = json!({"role": "assistant", "content": answer});
        let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
        let completion = json!({
            "id": "lab", "object": "chat.completion", "created": 1, "model": "mock-1", "choices": choices, "usage": usage,
        });
        return write_json(stream, 200, &completion);
    }
    let chunk = |delta: Value, finish: Value, usage: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        let chunk = json!({
            "id": "lab", "object": "chat.completion.chunk", "created": 1, "model": "mock-1", "choices": choices,
            "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let mut text = String::from("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
    text.push_str(&chunk(json!({"role": "assistant", "content": answer}), Value::Null, Value::Null));
    text.push_str(&chunk(json!({}), json!("stop"), usage));
    text.push_str("data: [DONE]\n\n");
    stream.write_all(text.as_bytes())?;
    stream.shutdown(std::net::Shutdown::Both)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openclaw_quotes_of_earlier_is_not_answered_again() {
        let user = |text: &str| json!({"role": "user", "content": text});
        let quoted = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>> OpenClaw: MARK-1 <<<END_OPENCLAW_INTERNAL_CONTEXT>>>";
        let body = json!({"messages": [
            user("please repeat MARK-1"),
            {"role": "assistant", "content": "MARK-1"},
            user("please repeat MARK-2"),
            user(&format!("{quoted} and MARK-3")),
        ]});
        assert_eq!(answer(&body), format!("{ANSWER} MARK-2 MARK-3"));
    }
}
