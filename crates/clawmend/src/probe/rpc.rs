//! The standing subscription to a gateway's WebSocket RPC.
//!
//! Invariant: it only connects while the caller says that the gateway is up, and only to a socket that the caller
//! proved; the token goes to a plain socket on this host only, never over an unverified TLS connection and never into
//! a log. At rest it wakes for the gateway's tick (30 s) and its own refresh (60 s). Start at [`subscribe`].

use super::connect::Target;
use super::session::{End, Session};
use crate::openclaw::channels::Reader;
use clawmend_core::directive::ActionResult;
use clawmend_core::observation::RpcSeen;
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_LAST: Duration = Duration::from_secs(30);
/// A session that lived this long counts as a success: the next attempt comes at once again.
const STABLE: Duration = Duration::from_secs(10);
/// Orders that may wait.
const ORDERS: usize = 16;
/// Longest wait for the answer to a call, over all of its steps.
const CALL_LIMIT: Duration = Duration::from_secs(20);

/// What to send for authorisation.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `gateway.auth.token`.
    Token(SecretString),
    /// The gateway asks for none.
    NotNeeded,
    /// There is one, but we do not have it.
    Unknown,
}

impl Credential {
    /// It would be answered as the other one is.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(one), Self::Token(other)) => one.expose_secret() == other.expose_secret(),
            (Self::NotNeeded, Self::NotNeeded) | (Self::Unknown, Self::Unknown) => true,
            (Self::Token(_) | Self::NotNeeded | Self::Unknown, _) => false,
        }
    }
}

/// Where and as whom to connect.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// A socket that the gateway was proven to own.
    pub target: Target,
    /// What to send.
    pub credential: Credential,
}

/// What the subscription is told.
#[derive(Debug)]
pub(super) enum Order {
    Up(Endpoint),
    Down,
    Refresh,
    Call(Call),
}

/// What the gateway is asked to do.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// `channels.start`.
    StartChannel { channel: String, account: String },
    /// `secrets.reload`.
    ReloadSecrets,
    /// `config.get`, of which nothing is used.
    ReadConfig,
    /// `config.patch`, of the config that it has at that moment: its hash is asked for first.
    PatchConfig { patch: String },
    /// The second half of it.
    PatchConfigOf { patch: String, hash: String },
}

/// One call, with where to answer.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) ask: Ask,
    reply: oneshot::Sender<ActionResult>,
}

impl Call {
    /// It goes on with another question.
    pub(super) fn with(self, ask: Ask) -> Self {
        Self { ask, ..self }
    }

    /// Nobody waits for it any more, so nothing is to come of it: the gateway may be another one by now.
    pub(super) fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    pub(super) fn answer(self, result: ActionResult) {
        // Nobody waits any more: its own limit passed.
        let _ = self.reply.send(result);
    }
}

/// Steers the subscription. Dropping it ends the subscription's task.
#[derive(Clone, Debug)]
pub struct Rpc {
    orders: mpsc::Sender<Order>,
}

/// Begins a subscription. What it sees comes through `seen`, which may be bounded: the subscription waits. The future
/// is to be spawned; it ends when every [`Rpc`] or the receiver of `seen` is dropped.
pub fn subscribe(seen: mpsc::Sender<RpcSeen>) -> (Rpc, impl Future<Output = ()> + Send) {
    let (orders, inbox) = mpsc::channel(ORDERS);
    (Rpc { orders }, run(inbox, seen))
}

impl Rpc {
    /// The gateway is up and owns this socket. Also to be called when its socket or token has changed, and after
    /// [`RpcSeen::Unauthorized`] or [`RpcSeen::ProtocolMismatch`] when it may be worth another attempt.
    pub async fn up(&self, endpoint: Endpoint) {
        let _ = self.orders.send(Order::Up(endpoint)).await;
    }

    /// The gateway is down: stop connecting.
    pub async fn down(&self) {
        let _ = self.orders.send(Order::Down).await;
    }

    /// Ask for all channels now. Does nothing while there is no connection.
    pub async fn refresh(&self) {
        let _ = self.orders.send(Order::Refresh).await;
    }

    /// Starts a channel account (`channels.start`; observed to work also where OpenClaw's breaker suppressed it).
    pub async fn start_channel(&self, channel: &str, account: &str) -> ActionResult {
        self.call(Ask::StartChannel { channel: channel.into(), account: account.into() }).await
    }

    /// Has the gateway resolve its secrets again (`secrets.reload`, OpenClaw 2026.9.6).
    pub async fn reload_secrets(&self) -> ActionResult {
        self.call(Ask::ReloadSecrets).await
    }

    /// Has the gateway read its config and describe it (`config.get`, OpenClaw 2026.9.6); nothing of it is kept.
    pub async fn read_config(&self) -> ActionResult {
        self.call(Ask::ReadConfig).await
    }

    /// Has the gateway change its own config: a JSON merge patch (`config.patch`, OpenClaw 2026.9.6). It answers when what
    /// needs no restart is in force; what is under way in a channel may put that off.
    pub async fn patch_config(&self, patch: &str) -> ActionResult {
        self.call(Ask::PatchConfig { patch: patch.to_owned() }).await
    }

    async fn call(&self, ask: Ask) -> ActionResult {
        let retry = |reason: &str| ActionResult::Retry { reason: reason.into() };
        let (reply, answer) = oneshot::channel();
        let order = Order::Call(Call { ask, reply });
        let asked = async {
            if self.orders.send(order).await.is_err() {
                return retry("the subscription has ended");
            }
            answer.await.unwrap_or_else(|_| retry("there is no connection to the gateway"))
        };
        timeout(CALL_LIMIT, asked).await.unwrap_or_else(|_| retry("the gateway did not answer in time"))
    }
}

async fn run(mut orders: mpsc::Receiver<Order>, seen: mpsc::Sender<RpcSeen>) {
    let mut current: Option<Endpoint> = None;
    let mut channels = Reader::default();
    let mut backoff = BACKOFF_FIRST;
    loop {
        let Some(endpoint) = &current else {
            match idle(&mut orders, None).await {
                Wake::Order(Order::Up(endpoint)) => current = Some(endpoint),
                Wake::Order(Order::Down | Order::Refresh | Order::Call(_)) | Wake::Time => {}
                Wake::Abandoned => return,
            }
            continue;
        };
        let begun = Instant::now();
        let end = match token_of(&endpoint.credential) {
            Ok(token) => match Session::open(endpoint.target, token, &seen, &mut channels).await {
                Ok(session) => session.run(&mut orders).await,
                Err(end) => end,
            },
            Err(()) => End::NoToken,
        };
        if begun.elapsed() >= STABLE {
            backoff = BACKOFF_FIRST;
        }
        let told = match end {
            End::Ordered(Order::Up(endpoint)) => {
                current = Some(endpoint);
                continue;
            }
            End::Ordered(Order::Down | Order::Refresh | Order::Call(_)) => {
                current = None;
                continue;
            }
            End::Abandoned => return,
            End::NoToken => Some(RpcSeen::NoToken),
            End::Unauthorized => Some(RpcSeen::Unauthorized),
            End::Mismatch => Some(RpcSeen::ProtocolMismatch),
            End::Retry(at_least) => {
                let wait = if at_least.is_zero() {
                    let wait = backoff;
                    backoff = (backoff * 2).min(BACKOFF_LAST);
                    wait
                } else {
                    // It answers, and says when it wants to be asked again.
                    at_least
                };
                match idle(&mut orders, Some(Instant::now() + wait)).await {
                    Wake::Order(Order::Up(endpoint)) => {
                        backoff = BACKOFF_FIRST;
                        current = Some(endpoint);
                    }
                    Wake::Order(Order::Down) => current = None,
                    Wake::Order(Order::Refresh | Order::Call(_)) | Wake::Time => {}
                    Wake::Abandoned => return,
                }
                None
            }
        };
        if let Some(told) = told {
            // No further attempt by itself: each one would be logged and counted by the gateway as an attack.
            current = None;
            if seen.send(told).await.is_err() {
                return;
            }
        }
    }
}

enum Wake {
    Order(Order),
    Time,
    Abandoned,
}

/// Waits without a connection. Calls are answered at once; only a change of the endpoint or the time ends the wait.
async fn idle(orders: &mut mpsc::Receiver<Order>, until: Option<Instant>) -> Wake {
    loop {
        let order = match until {
            Some(until) => tokio::select! {
                order = orders.recv() => order,
                () = sleep_until(until) => return Wake::Time,
            },
            None => orders.recv().await,
        };
        match order {
            Some(Order::Call(call)) => {
                call.answer(ActionResult::Retry { reason: "there is no connection to the gateway".into() });
            }
            Some(Order::Refresh) => {}
            Some(order @ (Order::Up(_) | Order::Down)) => return Wake::Order(order),
            None => return Wake::Abandoned,
        }
    }
}

/// What to send; `Err` when there is nothing to send.
const fn token_of(credential: &Credential) -> Result<Option<&SecretString>, ()> {
    match credential {
        Credential::NotNeeded => Ok(None),
        Credential::Token(token) => Ok(Some(token)),
        Credential::Unknown => Err(()),
    }
}
