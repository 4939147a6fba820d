//! DingTalk's side of a Stream connection, over the API's stand-in.
//!
//! <https://opensource.dingtalk.com/developerpedia/docs/learn/stream/protocol/>: a ticket counts for 90 s and for one connection;
//! a `ping` of the system gets its `data` back; each callback is answered, and what is not comes again; after `disconnect`
//! nothing more comes, and the connection ends. <https://open.dingtalk.com/document/development/event-callback-card>: a tap is
//! answered within two seconds, with the card's new data and nothing else.
//!
//! What the guard does against that is kept in [`DingtalkStream::faults`]; dropping a stand-in that has some fails the test.
//! Start at [`DingtalkStream::start`].

mod rules;

use super::DingtalkStandIn;
use super::dingtalk::Refusal;
use super::frame_east::has_only;
use crate::canary::{self, Canary};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, accept_hdr};

/// The name of the service, for canaries.
const NAME: &str = "DingTalk";
/// What people write to the robot.
const MESSAGES: &str = "/v1.0/im/bot/messages/get";
/// What people do on cards.
const CARDS: &str = "/v1.0/card/instances/callback";
/// A ticket counts for so long, in ms.
const TICKET_MS: i64 = 90_000;
/// DingTalk waits so long for the answer to a tap.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks of a connection's thread at what is to be sent.
const TURN: Duration = Duration::from_millis(10);
/// For what a test waits for.
const BOUND: Duration = Duration::from_secs(30);

/// Gives out tickets.
pub(super) struct Gate {
    shared: Arc<Shared>,
}

impl Gate {
    pub(super) fn open(&mut self, body: &Value, now: i64) -> Result<Value, Refusal> {
        let invalid = (400, "invalidParameter", "the parameter is invalid");
        if !has_only(body, &["clientId", "clientSecret", "subscriptions", "ua?", "localIp?"]) {
            return Err(invalid);
        }
        let topics = body["subscriptions"].as_array().ok_or(invalid)?;
        let wanted = |topic: &str| topics.contains(&json!({"type": "CALLBACK", "topic": topic}));
        if topics.len() != 2 || !wanted(MESSAGES) || !wanted(CARDS) {
            return Err(invalid);
        }
        let mut state = self.shared.lock();
        state.asked += 1;
        let ticket = format!("canary-dingtalk-ticket-{now}-{}", state.asked);
        canary::register(Canary::written("a ticket of DingTalk", Some(NAME), &ticket));
        state.tickets.push((ticket.clone(), now));
        Ok(json!({"endpoint": state.endpoint, "ticket": ticket}))
    }
}

/// A frame that was sent.
#[derive(Clone, Debug)]
struct Sent {
    id: String,
    frame: Value,
    at: Instant,
    answer: Option<Value>,
}

/// How a connection is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Open,
    /// Ended without a word.
    Cut,
    /// Ended by the rules.
    Closed,
    /// Nothing is read and nothing is sent.
    Silent,
}

#[derive(Default)]
struct State {
    /// Where a connection is to go, as the API says it.
    endpoint: String,
    tickets: Vec<(String, i64)>,
    asked: usize,
    opened: usize,
    open: usize,
    fate: Fate,
    /// Nobody gets in.
    shut: bool,
    out: VecDeque<Message>,
    sent: Vec<Sent>,
    count: u64,
    faults: Vec<String>,
    over: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stand-in.
pub struct DingtalkStream {
    /// The API behind it.
    pub api: DingtalkStandIn,
    shared: Arc<Shared>,
    port: u16,
}

impl DingtalkStream {
    /// The person.
    pub const PERSON: &'static str = "owner";
    /// Somebody else of the company.
    pub const STRANGER: &'static str = "second";

    /// Starts it.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self> {
        let api = DingtalkStandIn::start()?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("stand-in")?;
        let port = listener.local_addr()?.port();
        let state = State { endpoint: format!("ws://127.0.0.1:{port}/connect"), ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        api.open_to(Gate { shared: Arc::clone(&shared) });
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
        Ok(Self { api, shared, port })
    }

    /// The settings of an app that speaks to this stand-in.
    #[must_use]
    pub fn settings(&self, template: Option<&str>) -> String {
        let template = template.map_or_else(String::new, |id| format!("card_template_id = \"{id}\"\n"));
        format!(
            "[dingtalk]\nclient_id = \"{}\"\nclient_secret = \"{}\"\napi = \"{}\"\n{template}",
            DingtalkStandIn::CLIENT_ID,
            DingtalkStandIn::CLIENT_SECRET,
            self.api.api()
        )
    }

    /// The port that connections come to, for somebody who stands before it.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where connections are to go from now on.
    pub fn announce(&self, endpoint: &str) {
        endpoint.clone_into(&mut self.shared.lock().endpoint);
    }

    /// How many connections were opened so far, and are open now.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.opened, state.open)
    }

    /// How often a connection was asked for.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.shared.lock().asked
    }

    /// What was done against the rules.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.shared.lock().faults.clone()
    }

    /// Somebody writes to the robot, alone with it.
    #[must_use]
    pub fn message(&self, person: &str, text: &str) -> Value {
        let number = self.number();
        let data = json!({
            "conversationId": "cid-private", "chatbotCorpId": "dingcorp", "chatbotUserId": "$:LWCP_v1:$robot",
            "msgId": format!("msg{number}=="), "senderNick": "somebody", "isAdmin": false, "senderStaffId": person,
            "sessionWebhookExpiredTime": now_ms() + 5_400_000, "createAt": now_ms(), "senderCorpId": "dingcorp",
            "conversationType": "1", "senderId": "$:LWCP_v1:$sender", "text": {"content": format!(" {text}")},
            "sessionWebhook": "https://oapi.dingtalk.com/robot/sendBySession?session=x",
            "robotCode": DingtalkStandIn::CLIENT_ID, "msgtype": "text",
        });
        self.frame("CALLBACK", MESSAGES, &data)
    }

    /// Somebody taps a button that carries this.
    #[must_use]
    pub fn tap(&self, person: &str, track: &str, carried: &str) -> Value {
        let content = json!({"cardPrivateData": {"actionIds": ["1"], "params": {"clawmend": carried}}}).to_string();
        let data = json!({
            "type": "actionCallback", "outTrackId": track, "corpId": "dingcorp", "userId": person, "userIdType": 1,
            "spaceType": "im", "spaceId": "cid-private", "extension": "{}", "content": content,
        });
        self.frame("CALLBACK", CARDS, &data)
    }

    /// A frame with an id of its own.
    #[must_use]
    pub fn frame(&self, kind: &str, topic: &str, data: &Value) -> Value {
        json!({
            "specVersion": "1.0", "type": kind, "data": data.to_string(),
            "headers": {"appId": "app", "connectionId": "c", "contentType": "application/json", "topic": topic,
                "messageId": format!("frame_{}_{}", now_ms(), self.number()), "time": now_ms().to_string()},
        })
    }

    fn number(&self) -> u64 {
        let mut state = self.shared.lock();
        state.count += 1;
        state.count
    }

    /// Sends a frame, over the connection that is open or the next one. Gives its id.
    pub fn send(&self, frame: &Value) -> String {
        let id = frame["headers"]["messageId"].as_str().unwrap_or_default().to_owned();
        let mut state = self.shared.lock();
        state.out.push_back(Message::Text(frame.to_string().into()));
        state.sent.push(Sent { id: id.clone(), frame: frame.clone(), at: Instant::now(), answer: None });
        id
    }

    /// Sends what may be no frame at all.
    pub fn send_raw(&self, message: Message) {
        self.shared.lock().out.push_back(message);
    }

    /// Sends a text that may be no frame at all.
    pub fn send_text(&self, text: &str) {
        self.send_raw(Message::Text(text.into()));
    }

    /// Sends it, and waits for the answer.
    ///
    /// # Errors
    /// There was none.
    pub fn ask(&self, frame: &Value) -> Result<Value> {
        let id = self.send(frame);
        let end = Instant::now() + BOUND;
        let mut state = self.shared.lock();
        loop {
            let answer = state.sent.iter().rev().find(|sent| sent.id == id).and_then(|sent| sent.answer.clone());
            if let Some(answer) = answer {
                return Ok(answer);
            }
            let left = end.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "no answer to {id}");
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A tap whose answer is what the documentation asks for: gives what the card shows from then on.
    ///
    /// # Errors
    /// No answer, or one of another form.
    pub fn tapped(&self, frame: &Value) -> Result<Value> {
        let answer = self.ask(frame)?;
        let data: Value = serde_json::from_str(answer["data"].as_str().unwrap_or_default())?;
        Ok(data["response"]["cardData"]["cardParamMap"].clone())
    }

    /// What was not answered is sent again, as it was.
    pub fn send_again(&self) {
        let mut state = self.shared.lock();
        let mut again = Vec::new();
        for sent in state.sent.iter_mut().filter(|sent| sent.answer.is_none()) {
            sent.at = Instant::now();
            again.push(Message::Text(sent.frame.to_string().into()));
        }
        state.out.extend(again);
    }

    /// How many frames have no answer yet.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.shared.lock().sent.iter().filter(|sent| sent.answer.is_none()).count()
    }

    /// Asks the guard to open another connection, and ends this one.
    pub fn disconnect(&self) {
        let frame = json!({"type": "SYSTEM", "data": "{\"reason\":\"connection is expired\"}",
            "headers": {"topic": "disconnect", "contentType": "application/json"}});
        self.send_raw(Message::Text(frame.to_string().into()));
    }

    /// Ends the connection without a word, when all that waits is sent.
    pub fn cut(&self) {
        self.shared.lock().fate = Fate::Cut;
    }

    /// Ends it by the rules.
    pub fn close(&self) {
        self.shared.lock().fate = Fate::Closed;
    }

    /// Reads nothing and sends nothing any more, or again.
    pub fn silence(&self, silent: bool) {
        self.shared.lock().fate = if silent { Fate::Silent } else { Fate::Open };
    }

    /// Lets nobody in, or again.
    pub fn shut(&self, shut: bool) {
        self.shared.lock().shut = shut;
    }

    /// The words of all texts that were sent.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        let text = |message: &Value| {
            let param: Value = serde_json::from_str(message["msgParam"].as_str()?).ok()?;
            param["content"].as_str().map(str::to_owned)
        };
        self.api.messages().iter().filter_map(text).collect()
    }
}

impl Drop for DingtalkStream {
    fn drop(&mut self) {
        let faults = {
            let mut state = self.shared.lock();
            state.over = true;
            std::mem::take(&mut state.faults)
        };
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if !std::thread::panicking() {
            assert!(faults.is_empty(), "against the rules of DingTalk:\n{}", faults.join("\n"));
        }
    }
}

/// One connection, from its handshake on.
fn serve(shared: &Arc<Shared>, stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let Ok(socket) = stream.try_clone() else { return };
    let checked = Arc::clone(shared);
    // The library's own type for a refusal.
    #[allow(clippy::result_large_err)]
    let handshake = move |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        canary::received(NAME, request.uri().to_string().as_bytes());
        let refuse = |status: u16| {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = status.try_into().unwrap_or_default();
            refusal
        };
        let mut state = checked.lock();
        if state.shut {
            return Err(refuse(503));
        }
        let ticket = request.uri().query().and_then(|query| query.strip_prefix("ticket=")).unwrap_or_default();
        let known = state.tickets.iter().position(|(known, at)| known == ticket && now_ms() - at < TICKET_MS);
        match known {
            Some(at) if request.uri().path() == "/connect" => {
                state.tickets.remove(at);
                state.opened += 1;
                state.open += 1;
                state.fate = Fate::Open;
                Ok(response)
            }
            Some(_) | None => {
                let fault = "a ticket that is unknown, old or used".to_owned();
                state.faults.push(fault);
                Err(refuse(401))
            }
        }
    };
    let Ok(mut web) = accept_hdr(stream, handshake) else { return };
    let _ = socket.set_read_timeout(Some(TURN));
    converse(shared, &mut web);
    let mut state = shared.lock();
    state.open -= 1;
    drop(state);
    let _ = socket.shutdown(std::net::Shutdown::Both);
}

fn converse(shared: &Shared, web: &mut WebSocket<TcpStream>) {
    let mut last = false;
    loop {
        let (fate, next, over) = {
            let mut state = shared.lock();
            let silent = state.fate == Fate::Silent;
            let next = if silent || last { None } else { state.out.pop_front() };
            (state.fate, next, state.over)
        };
        if over {
            return;
        }
        match (fate, next) {
            (Fate::Silent, _) => {
                std::thread::sleep(TURN);
                continue;
            }
            (_, Some(message)) => {
                last = matches!(&message, Message::Text(text) if text.contains("\"topic\":\"disconnect\""));
                if web.send(message).is_err() {
                    return;
                }
                continue;
            }
            (Fate::Cut, None) => return,
            (Fate::Closed, None) => {
                let _ = web.close(None::<CloseFrame>);
                let _ = web.flush();
                return;
            }
            (Fate::Open, None) => {}
        }
        match web.read() {
            Ok(Message::Text(text)) => answered(shared, text.as_str()),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(Message::Binary(_) | Message::Frame(_)) => {
                shared.lock().faults.push("a message that is no text".to_owned())
            }
            Ok(Message::Close(_)) => return,
            Err(Error::Io(error))
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}

/// The guard has answered.
fn answered(shared: &Shared, text: &str) {
    canary::received(NAME, text.as_bytes());
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    let mut state = shared.lock();
    let state = &mut *state;
    let id = answer["headers"]["messageId"].as_str().unwrap_or_default();
    let Some(sent) = state.sent.iter_mut().rev().find(|sent| sent.id == id) else {
        state.faults.push(format!("an answer to nothing: {text}"));
        return;
    };
    if let Some(fault) = rules::fault(sent, &answer) {
        state.faults.push(format!("{fault}: {text}"));
    }
    sent.answer = Some(answer);
    shared.changed.notify_all();
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
