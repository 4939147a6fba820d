//! The connection to DingTalk: asked for with the app's secret, then a WebSocket.
//!
//! From the documentation, as of 2026-11: <https://opensource.dingtalk.com/developerpedia/docs/learn/stream/protocol/>: a ticket
//! counts for 90 s and for one connection. DingTalk ends a connection from time to time; that it is there is asked with pings of
//! ours, too, as [its own SDK](https://github.com/open-dingtalk/dingtalk-stream-sdk-go) (`client/client.go`) does.
//!
//! Invariants: it goes over TLS, whose certificates are verified, and through the proxy that is set; no ticket and no secret is
//! shown; a message is at most [`MAX_MESSAGE`] bytes; a connection over which nothing comes ends. Start at [`Stream::open`].

use super::Access;
use super::frame::{self, CARDS, Frame, MESSAGES};
use crate::notify::http::{Answer, Http, said};
use crate::notify::{Address, NotDelivered};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Upgraded, Url};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Largest message, in bytes. The longest text that DingTalk takes from a person is far below.
pub const MAX_MESSAGE: usize = 256 * 1024;
/// Longest ticket, in bytes.
const MAX_TICKET: usize = 1024;
/// For one message to be sent.
const SENDING: Duration = Duration::from_secs(5);

/// How long nothing may come.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until we ask whether anybody is there.
    pub idle: Duration,
    /// For an answer to that.
    pub pong: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), pong: Duration::from_secs(15) }
    }
}

/// Why there is no connection, by what follows.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Only a person helps.
    #[error("{why}; check `client_id` and `client_secret` in notify.toml against the app's page, and publish the app")]
    Refused {
        /// What DingTalk says.
        why: String,
    },
    /// It wants peace.
    #[error("DingTalk is asked too often")]
    TooMany {
        /// For so long.
        after: Option<Duration>,
    },
    /// It may work later.
    #[error("{why}; it is tried again")]
    Later {
        /// What happened.
        why: String,
    },
    /// Something else answers.
    #[error("what answers is not DingTalk's API; correct `api` in [dingtalk] of notify.toml, or leave it out")]
    NotTheApi,
}

impl Trouble {
    fn later(why: impl Into<String>) -> Self {
        Self::Later { why: why.into() }
    }

    fn of(failure: NotDelivered) -> Self {
        match failure {
            NotDelivered::Retry { why, .. } | NotDelivered::Unsure { why } | NotDelivered::Refused { why } => {
                Self::Later { why }
            }
            NotDelivered::NeedsPerson { why, .. } => Self::Refused { why },
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Stream {
    socket: WebSocketStream<Upgraded>,
    patience: Patience,
    /// When something came last, or when we asked.
    since: Instant,
    asked: bool,
    /// A frame has come.
    proven: bool,
}

impl Stream {
    /// Opens one.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn open(access: &Access, http: &Http, patience: Patience) -> Result<Self, Trouble> {
        let url = access.url(&["v1.0", "gateway", "connections", "open"]).ok_or(Trouble::NotTheApi)?;
        let topics = [MESSAGES, CARDS].map(|topic| json!({"type": "CALLBACK", "topic": topic}));
        let body = json!({
            "clientId": access.client_id,
            "clientSecret": access.client_secret.expose(),
            "subscriptions": topics,
            "ua": concat!("clawmend-sdk-rust/", env!("CARGO_PKG_VERSION")),
        });
        // Without it the answer is XML.
        let json = HeaderValue::from_static("application/json");
        let answer = http.send(http.post_json(url, &body).header(ACCEPT, json)).await.map_err(Trouble::of)?;
        let url = endpoint(&answer)?;
        let key = generate_key();
        let request = http
            .request(Method::GET, url)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", &key);
        let (headers, connection) = http.upgrade(request).await.map_err(Trouble::of)?;
        if !is_websocket(&headers, &key) {
            return Err(Trouble::NotTheApi);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let socket = WebSocketStream::from_raw_socket(connection, Role::Client, Some(config)).await;
        Ok(Self { socket, patience, since: Instant::now(), asked: false, proven: false })
    }

    /// The next frame; `None`: something came that is none. May be dropped at any time.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn next(&mut self) -> Result<Option<Frame>, Trouble> {
        loop {
            let due = self.since + if self.asked { self.patience.pong } else { self.patience.idle };
            let message = tokio::select! {
                message = self.socket.next() => message,
                () = sleep_until(due) => {
                    if self.asked {
                        return Err(Trouble::later("DingTalk is silent"));
                    }
                    (self.since, self.asked) = (Instant::now(), true);
                    self.put(Message::Ping(Vec::new().into())).await?;
                    continue;
                }
            };
            (self.since, self.asked) = (Instant::now(), false);
            match message {
                Some(Ok(Message::Text(text))) => {
                    let frame = frame::read(text.as_str());
                    self.proven |= frame.is_some();
                    return Ok(frame);
                }
                Some(Ok(Message::Binary(_))) => return Ok(None),
                // Pings are answered by the library with the next read.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Err(Trouble::later("DingTalk has closed the connection")),
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    }

    /// Whether a frame has come, so that it is DingTalk that is there.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        self.proven
    }

    /// Sends an answer.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn send(&mut self, answer: String) -> Result<(), Trouble> {
        self.put(Message::Text(answer.into())).await
    }

    async fn put(&mut self, message: Message) -> Result<(), Trouble> {
        match timeout(SENDING, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(&error)),
            Err(_) => Err(Trouble::later("DingTalk takes nothing more")),
        }
    }

    /// Says good-bye, where that can be said.
    pub async fn close(mut self) {
        let _ = timeout(Duration::from_millis(200), self.socket.close(None)).await;
    }
}

/// A word for each; what an error says of a message may hold what came.
fn broken(error: &Error) -> Trouble {
    let why = match error {
        Error::Capacity(_) => "DingTalk sent a message that is too long",
        Error::Protocol(_) | Error::Utf8(_) => "what came over the connection to DingTalk is no WebSocket",
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::WriteBufferFull(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => "the connection to DingTalk broke",
    };
    Trouble::later(why)
}

/// Where to connect, ticket included.
fn endpoint(answer: &Answer) -> Result<Url, Trouble> {
    let body = answer.json().unwrap_or(Value::Null);
    if !answer.status.is_success() {
        return Err(refused(answer, &body));
    }
    let (Some(endpoint), Some(ticket)) = (body["endpoint"].as_str(), body["ticket"].as_str()) else {
        return Err(if answer.whole {
            Trouble::NotTheApi
        } else {
            Trouble::later("an answer of DingTalk was cut off")
        });
    };
    let url = match endpoint.split_once("://") {
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(_) | None => return Err(Trouble::NotTheApi),
    };
    // One that would be readable on the way is none.
    let mut url = url.parse::<Address>().ok().and_then(|address| address.url()).ok_or(Trouble::NotTheApi)?;
    if ticket.is_empty() || ticket.len() > MAX_TICKET {
        return Err(Trouble::NotTheApi);
    }
    url.query_pairs_mut().append_pair("ticket", ticket);
    Ok(url)
}

fn refused(answer: &Answer, body: &Value) -> Trouble {
    let status = answer.status.as_u16();
    let code = body["code"].as_str();
    if status == 429 || code.is_some_and(|code| code.contains("QpsLimit") || code.starts_with("Throttling")) {
        return Trouble::TooMany { after: answer.retry_after() };
    }
    if answer.status.is_server_error() || status == 408 {
        return Trouble::later(format!("DingTalk answers {status}"));
    }
    let Some(code) = code else { return Trouble::NotTheApi };
    let message = body["message"].as_str().unwrap_or_default();
    Trouble::Refused { why: format!("DingTalk refuses the connection ({}): {}", said(code), said(message)) }
}

fn is_websocket(headers: &HeaderMap, key: &str) -> bool {
    let is = |name: &str, wanted: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.eq_ignore_ascii_case(wanted))
    };
    let accepted = headers
        .get("sec-websocket-accept")
        .is_some_and(|value| value.as_bytes() == derive_accept_key(key.as_bytes()).as_bytes());
    is("upgrade", "websocket") && accepted
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
