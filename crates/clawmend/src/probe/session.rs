//! One WebSocket connection, from the challenge to its end.
//!
//! Invariant: at most [`MAX_PENDING`] requests wait for answers, each with a limit; a message is at most
//! [`MAX_MESSAGE`] bytes; between two messages nothing wakes up but the slow refresh.

use super::connect::{NoConnection, Stream, Target, connect};
use super::rpc::{Ask, Call, Order};
use super::wire::{self, CONNECT_ID, ErrorBody, Head};
use crate::openclaw::channels::Reader;
use crate::openclaw::redact::redact;
use clawmend_core::directive::ActionResult;
use clawmend_core::observation::{ChannelState, RpcSeen};
use futures_util::{SinkExt, StreamExt};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Largest message; real ones are under 100 KiB.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Start requests that may wait at once.
const MAX_PENDING: usize = 16;
/// From the TCP connection to `hello-ok`; a busy gateway takes seconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(15);
/// How often all channels are asked for, besides the gateway's own events.
const REFRESH: Duration = Duration::from_secs(60);
const MAX_TEXT: usize = 160;

/// Why a session ended, or did not begin.
#[derive(Debug)]
pub(super) enum End {
    /// Try again, not earlier than after this.
    Retry(Duration),
    /// There is no token, or no connection that it may be sent over.
    NoToken,
    /// The token was refused: no use before it changes.
    Unauthorized,
    /// Another protocol: no use before the gateway changes.
    Mismatch,
    /// The caller says that the gateway is down, or gave another endpoint.
    Ordered(Order),
    /// The caller is gone.
    Abandoned,
}

type Socket = WebSocketStream<Stream>;

pub(super) struct Session<'a> {
    socket: Socket,
    seen: &'a mpsc::Sender<RpcSeen>,
    channels: &'a mut Reader,
    last: Option<Vec<ChannelState>>,
    next_id: u64,
    /// The refresh under way.
    refresh: Option<u64>,
    pending: BTreeMap<u64, (Instant, Call)>,
}

impl<'a> Session<'a> {
    /// Connects and authorises.
    pub(super) async fn open(
        target: Target,
        token: Option<&SecretString>,
        seen: &'a mpsc::Sender<RpcSeen>,
        channels: &'a mut Reader,
    ) -> Result<Self, End> {
        let again = || End::Retry(Duration::ZERO);
        let opened = timeout(CONNECT_LIMIT, async {
            let stream = connect(target).await.map_err(|error| match error {
                NoConnection::Refused | NoConnection::Broken | NoConnection::Ours(_) => again(),
            })?;
            if token.is_some() && !stream.is_plain_and_local() {
                return Err(End::NoToken);
            }
            let config = WebSocketConfig::default()
                .read_buffer_size(8 * 1024)
                .write_buffer_size(0)
                .max_message_size(Some(MAX_MESSAGE))
                .max_frame_size(Some(MAX_MESSAGE));
            let url = format!("ws://{}/", target.address);
            let (mut socket, _) = client_async_with_config(url, stream, Some(config)).await.map_err(|_| again())?;
            let connected = authorise(&mut socket, token).await?;
            Ok((socket, connected))
        });
        let (socket, connected) = opened.await.unwrap_or_else(|_| Err(again()))?;
        let session =
            Self { socket, seen, channels, last: None, next_id: CONNECT_ID, refresh: None, pending: BTreeMap::new() };
        session.tell(connected).await?;
        Ok(session)
    }

    /// Listens until the connection ends or an order ends it.
    pub(super) async fn run(mut self, orders: &mut mpsc::Receiver<Order>) -> End {
        let end = self.serve(orders).await;
        for (_, (_, call)) in std::mem::take(&mut self.pending) {
            call.answer(ActionResult::Retry { reason: "the connection to the gateway ended".into() });
        }
        let _ = timeout(Duration::from_millis(200), self.socket.close(None)).await;
        if self.seen.send(RpcSeen::Lost).await.is_err() {
            return End::Abandoned;
        }
        end
    }

    async fn serve(&mut self, orders: &mut mpsc::Receiver<Order>) -> End {
        let mut due = Instant::now();
        loop {
            let wake = self.pending.values().map(|(limit, _)| *limit).min().map_or(due, |limit| limit.min(due));
            let step = tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.message(text.as_str()).await,
                    Some(Ok(Message::Close(frame))) => {
                        let busy = frame.is_some_and(|frame| u16::from(frame.code) == 1013);
                        Err(End::Retry(if busy { Duration::from_secs(1) } else { Duration::ZERO }))
                    }
                    // Pings are answered by the library with the next read.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => Ok(()),
                    Some(Err(_)) | None => Err(End::Retry(Duration::ZERO)),
                },
                order = orders.recv() => match order {
                    // One under way answers this, too; asked twice it would look like nobody is there.
                    Some(Order::Refresh) if self.refresh.is_some() => Ok(()),
                    Some(Order::Refresh) => { due = Instant::now(); Ok(()) }
                    Some(Order::Call(call)) => self.call(call).await,
                    Some(other @ (Order::Up(_) | Order::Down)) => Err(End::Ordered(other)),
                    None => Err(End::Abandoned),
                },
                () = sleep_until(wake) => {
                    self.expire();
                    if Instant::now() >= due {
                        due = Instant::now() + REFRESH;
                        self.ask().await
                    } else {
                        Ok(())
                    }
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Asks for all channels. An answer that is still missing from the last time means that nobody is there.
    async fn ask(&mut self) -> Result<(), End> {
        if self.refresh.is_some() {
            return Err(End::Retry(Duration::ZERO));
        }
        let id = self.id();
        self.refresh = Some(id);
        self.send(wire::request(id, "channels.status", serde_json::json!({}))).await
    }

    async fn call(&mut self, call: Call) -> Result<(), End> {
        if call.is_abandoned() {
            return Ok(());
        }
        if self.pending.len() >= MAX_PENDING {
            call.answer(ActionResult::Retry { reason: "too many calls wait already".into() });
            return Ok(());
        }
        let id = self.id();
        let request = match &call.ask {
            Ask::StartChannel { channel, account } => {
                wire::request(id, "channels.start", serde_json::json!({"channel": channel, "accountId": account}))
            }
            Ask::ReloadSecrets => wire::request(id, "secrets.reload", serde_json::json!({})),
            Ask::ReadConfig | Ask::PatchConfig { .. } => wire::request(id, "config.get", serde_json::json!({})),
            Ask::PatchConfigOf { patch, hash } => {
                wire::request(id, "config.patch", serde_json::json!({"raw": patch, "baseHash": hash}))
            }
        };
        self.pending.insert(id, (Instant::now() + CALL_LIMIT, call));
        self.send(request).await
    }

    fn expire(&mut self) {
        let now = Instant::now();
        let over: Vec<u64> = self.pending.iter().filter(|(_, (limit, _))| *limit <= now).map(|(id, _)| *id).collect();
        for id in over {
            if let Some((_, call)) = self.pending.remove(&id) {
                call.answer(ActionResult::Retry { reason: "the gateway did not answer in time".into() });
            }
        }
    }

    async fn message(&mut self, text: &str) -> Result<(), End> {
        // What cannot be read is of a newer version: it says nothing, and does no harm.
        let Ok(head) = serde_json::from_str::<Head<'_>>(text) else { return Ok(()) };
        if let Some(id) = head.answers() {
            return self.answer(id, &head, text).await;
        }
        match head.event.as_deref() {
            Some("shutdown") => self.shutdown(text).await,
            Some("health") => match wire::health(text) {
                Some(payload) => {
                    let states = self.channels.read_health(payload);
                    self.tell_channels(states).await
                }
                None => Ok(()),
            },
            Some(_) | None => Ok(()),
        }
    }

    async fn answer(&mut self, id: u64, head: &Head<'_>, text: &str) -> Result<(), End> {
        if self.refresh == Some(id) {
            self.refresh = None;
            return match wire::status(text).filter(|_| head.ok) {
                Some(payload) => {
                    let states = self.channels.read(payload);
                    self.tell_channels(states).await
                }
                None => Ok(()),
            };
        }
        if let Some((_, call)) = self.pending.remove(&id) {
            let result = match &call.ask {
                Ask::StartChannel { .. } => {
                    let started = if head.ok { wire::payload(text) } else { None };
                    start_result(started.as_ref(), head.error.as_ref())
                }
                Ask::PatchConfig { patch } => match hash(head, text) {
                    Ok(hash) => {
                        let patch = patch.clone();
                        return self.call(call.with(Ask::PatchConfigOf { patch, hash })).await;
                    }
                    Err(result) => result,
                },
                Ask::ReadConfig | Ask::ReloadSecrets | Ask::PatchConfigOf { .. } => {
                    head.error.as_ref().map_or(ActionResult::Done, failure)
                }
            };
            call.answer(result);
            // The next refresh would tell in a minute; the verification of a start wants it now.
            if self.refresh.is_none() {
                return self.ask().await;
            }
        }
        Ok(())
    }

    async fn shutdown(&mut self, text: &str) -> Result<(), End> {
        let Some(shutdown) = wire::payload::<wire::Shutdown>(text) else { return Ok(()) };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let restart_expected_ms = shutdown.restart_expected_ms.map(|ms| ms as u64);
        self.tell(RpcSeen::Shutdown { reason: redact(&shutdown.reason, MAX_TEXT), restart_expected_ms }).await
    }

    async fn tell_channels(&mut self, states: Vec<ChannelState>) -> Result<(), End> {
        if self.last.as_ref() == Some(&states) {
            return Ok(());
        }
        self.last = Some(states.clone());
        self.tell(RpcSeen::Channels { accounts: states }).await
    }

    async fn tell(&self, seen: RpcSeen) -> Result<(), End> {
        self.seen.send(seen).await.map_err(|_| End::Abandoned)
    }

    async fn send(&mut self, text: String) -> Result<(), End> {
        match timeout(CALL_LIMIT, self.socket.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Retry(Duration::ZERO)),
        }
    }

    const fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// Waits for the challenge, sends `connect`, reads `hello-ok`.
async fn authorise(socket: &mut Socket, token: Option<&SecretString>) -> Result<RpcSeen, End> {
    loop {
        let text = match socket.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(frame))) => return Err(refused_by_close(frame.map(|frame| u16::from(frame.code)))),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => continue,
            Some(Err(_)) | None => return Err(End::Retry(Duration::ZERO)),
        };
        let Ok(head) = serde_json::from_str::<Head<'_>>(text.as_str()) else { continue };
        if head.event.as_deref() == Some("connect.challenge") {
            let request = Message::text(wire::connect_request(token));
            socket.send(request).await.map_err(|_| End::Retry(Duration::ZERO))?;
        } else if head.answers() == Some(CONNECT_ID) {
            if !head.ok {
                return Err(refused(head.error.as_ref()));
            }
            let Some(hello) = wire::payload::<wire::Hello>(text.as_str()) else { return Err(End::Mismatch) };
            return Ok(RpcSeen::Connected {
                version: redact(&hello.server.version, 32),
                boot_id: hello.server.boot_id.map(|id| id.chars().filter(char::is_ascii_graphic).take(64).collect()),
            });
        }
    }
}

const fn refused_by_close(code: Option<u16>) -> End {
    match code {
        Some(1008) => End::Unauthorized,
        Some(1002) => End::Mismatch,
        // 1013: the gateway still starts.
        Some(1013) => End::Retry(Duration::from_secs(1)),
        Some(_) | None => End::Retry(Duration::ZERO),
    }
}

fn refused(error: Option<&ErrorBody>) -> End {
    let Some(error) = error else { return End::Retry(Duration::ZERO) };
    let code = error.exact();
    if code == "PROTOCOL_MISMATCH" {
        End::Mismatch
    } else if code.starts_with("AUTH_")
        || code.contains("UNAUTHORIZED")
        || code == "NOT_PAIRED"
        || code == "DEVICE_IDENTITY_REQUIRED"
    {
        End::Unauthorized
    } else {
        End::Retry(Duration::from_millis(error.retry_after_ms.unwrap_or(1000).clamp(200, 30_000)))
    }
}

/// The hash of the config that the gateway has, which a patch must name.
fn hash(head: &Head<'_>, text: &str) -> Result<String, ActionResult> {
    if let Some(error) = &head.error {
        return Err(failure(error));
    }
    let got = wire::payload::<wire::ConfigGot>(text).and_then(|got| got.hash);
    got.filter(|hash| hash.len() <= MAX_TEXT)
        .ok_or_else(|| ActionResult::Retry { reason: "the gateway did not say which config it has".into() })
}

/// A call that the gateway did not carry out.
fn failure(error: &ErrorBody) -> ActionResult {
    let reason = redact(&format!("{}: {}", error.exact(), error.message), MAX_TEXT);
    match error.code.as_str() {
        // No such channel in this config, or switched off as a whole; or we lack the rights.
        "INVALID_REQUEST" | "FORBIDDEN" | "NOT_FOUND" => ActionResult::NeedsPerson { reason },
        _ => ActionResult::Retry { reason },
    }
}

/// What the gateway made of `channels.start` (outcomes of OpenClaw 2026.9.6).
fn start_result(started: Option<&wire::Started>, error: Option<&ErrorBody>) -> ActionResult {
    if let Some(error) = error {
        return failure(error);
    }
    let Some(started) = started else {
        return ActionResult::Retry { reason: "the gateway's answer could not be read".into() };
    };
    if started.started {
        return ActionResult::Done;
    }
    let (status, reason) = started
        .outcome
        .as_ref()
        .map_or(("", ""), |outcome| (outcome.status.as_str(), outcome.reason.as_deref().unwrap_or_default()));
    let told = redact(&format!("channels.start: {status} {reason}"), MAX_TEXT);
    match reason {
        "manual-stop" | "already-running" => ActionResult::Moot { reason: told },
        "disabled" | "unconfigured" | "unlinked" | "unsupported" => ActionResult::NeedsPerson { reason: told },
        _ => ActionResult::Retry { reason: told },
    }
}
