//! A model on loopback for the real engine CLIs: it speaks Anthropic's messages (Claude Code), OpenAI's responses
//! (Codex CLI) and Gemini's generateContent (Gemini CLI), all as event streams, and says what the test wants.

use super::http::{read_request, write_json};
use crate::canary;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Requests kept for a test to look at.
const KEPT: usize = 100;

/// What the model says next.
#[derive(Clone, Debug)]
pub enum Says {
    /// A text.
    Text(String),
    /// It wants this shell command to be run, by whatever the engine calls its shell.
    Run(String),
}

/// A request to the model.
#[derive(Clone, Debug)]
pub struct Asked {
    /// With the query.
    pub path: String,
    /// The credential, as it stands in its header.
    pub credential: String,
    /// Names of the tools that the model may use.
    pub tools: Vec<String>,
    /// All of it.
    pub body: Value,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Says>,
    asked: Vec<Asked>,
}

/// The model. Its threads end when it is dropped.
#[derive(Debug)]
pub struct AiModel {
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
    port: u16,
}

impl AiModel {
    /// Starts it. It says `script` in order; the last entry again and again.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(script: Vec<Says>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("mock model")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(Mutex::new(State { script: script.into(), asked: Vec::new() }));
        let over = Arc::new(AtomicBool::new(false));
        let (shared, ended) = (Arc::clone(&state), Arc::clone(&over));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&shared, stream));
            }
        });
        Ok(Self { state, over, port })
    }

    /// Where it listens, without a path.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state).asked.clone()
    }
}

impl Drop for AiModel {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes whoever accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(state: &Mutex<State>, mut stream: TcpStream) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    while let Ok(Some(request)) = read_request(&mut reader) {
        canary::received("the model of an AI", &request.bytes());
        let path = request.path.split('?').next().unwrap_or_default().to_owned();
        let events: fn(&Says) -> String = if path.ends_with("/messages") {
            of_anthropic
        } else if path.ends_with("/responses") {
            of_openai
        } else if path.ends_with("enerateContent") {
            of_gemini
        } else {
            if write_json(&mut stream, 404, &json!({"error": {"message": "not here"}})).is_err() {
                return;
            }
            continue;
        };
        let said = note(state, &request);
        let body = events(&said);
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
            return;
        }
    }
}

fn note(state: &Mutex<State>, request: &super::http::Request) -> Says {
    let names = ["x-api-key", "authorization", "x-goog-api-key"];
    let credential = request.headers.iter().find(|(name, _)| names.contains(&name.as_str()));
    let asked = Asked {
        path: request.path.clone(),
        credential: credential.map(|(_, value)| value.clone()).unwrap_or_default(),
        tools: tools(&request.body),
        body: request.body.clone(),
    };
    let mut state = lock(state);
    if state.asked.len() < KEPT {
        state.asked.push(asked);
    }
    let next = if state.script.len() > 1 { state.script.pop_front() } else { state.script.front().cloned() };
    next.unwrap_or_else(|| Says::Text(String::new()))
}

fn tools(body: &Value) -> Vec<String> {
    let list = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |tool: &Value| tool["name"].as_str().or_else(|| tool["type"].as_str()).map(str::to_owned);
    let declared = list.iter().filter_map(|tool| tool["functionDeclarations"].as_array()).flatten();
    list.iter().filter_map(name).chain(declared.filter_map(name)).collect()
}

fn events(list: &[Value]) -> String {
    let event = |value: &Value| {
        let name = value["type"].as_str().map(|name| format!("event: {name}\n")).unwrap_or_default();
        format!("{name}data: {value}\n\n")
    };
    list.iter().map(event).collect()
}

fn of_anthropic(said: &Says) -> String {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "mock-1", "content": [], "stop_reason": null,
        "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 1},
    });
    let (block, delta, reason) = match said {
        Says::Text(text) => {
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text}), "end_turn")
        }
        Says::Run(command) => (
            json!({"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}),
            json!({"type": "input_json_delta", "partial_json": json!({"command": command}).to_string()}),
            "tool_use",
        ),
    };
    events(&[
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({
            "type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
            "usage": {"output_tokens": 20},
        }),
        json!({"type": "message_stop"}),
    ])
}

fn of_openai(said: &Says) -> String {
    let item = match said {
        Says::Text(text) => json!({
            "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }),
        Says::Run(command) => json!({
            "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "exec_command", "status": "completed",
            "arguments": json!({"cmd": command}).to_string(),
        }),
    };
    let response = |status: &str, output: Value| {
        json!({
            "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "mock-1", "output": output,
            "usage": {
                "input_tokens": 10, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 15,
            },
        })
    };
    events(&[
        json!({"type": "response.created", "response": response("in_progress", json!([]))}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response("completed", json!([item]))}),
    ])
}

fn of_gemini(said: &Says) -> String {
    let part = match said {
        Says::Text(text) => json!({"text": text}),
        Says::Run(command) => json!({"functionCall": {"name": "run_shell_command", "args": {"command": command}}}),
    };
    events(&[json!({
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
        "modelVersion": "mock-1",
    })])
}
