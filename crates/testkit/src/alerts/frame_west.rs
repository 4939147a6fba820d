//! One service over HTTP on loopback: reads requests, asks the contract, and fails on the way where the mode says so.

use crate::canary::{self, Canary};
use crate::lab::http::{header, read_chunks, read_headers};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Longest request that is read, in bytes.
const MAX_BODY: u64 = 8 << 20;

/// How the service behaves, from the next request on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As documented.
    Contract,
    /// It refuses every credential.
    Unauthorized,
    /// It asks to wait for so many seconds.
    RateLimited(u32),
    /// It gives this error of its own.
    Error(String),
    /// It gives this status with a page that is not its own.
    Status(u16),
    /// It takes the request and never answers.
    Silent,
    /// It takes the request and closes the connection without an answer.
    HangUp,
    /// It takes the request and closes the connection in the middle of the answer's body.
    CutOff,
}

impl Mode {
    /// As far as it is the service's own business; `None`: it fails on the way.
    fn says(&self) -> Option<Says<'_>> {
        match self {
            Self::Contract | Self::CutOff => Some(Says::Contract),
            Self::Unauthorized => Some(Says::Unauthorized),
            Self::RateLimited(seconds) => Some(Says::RateLimited(*seconds)),
            Self::Error(error) => Some(Says::Error(error)),
            Self::Status(_) | Self::Silent | Self::HangUp => None,
        }
    }
}

/// What a service is to say to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says<'a> {
    /// What is documented.
    Contract,
    /// That the credential is refused.
    Unauthorized,
    /// That it wants so many seconds of peace.
    RateLimited(u32),
    /// This error of its own.
    Error(&'a str),
}

/// A request, whole.
#[derive(Clone, Debug)]
pub struct Request {
    /// Such as `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// What follows the `?`.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Request {
    /// All of it, for a look at what it has.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let head = format!("{} {}?{}\n{headers}\n", self.method, self.path, self.query);
        [head.as_bytes(), &self.body].concat()
    }

    /// A header; its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body, when it is said to be JSON and is.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        let kind = self.header("content-type")?;
        kind.starts_with("application/json").then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }

    /// Members that are not among these; a body that is no object has the member `(no object)`.
    #[must_use]
    pub fn unknown_members(body: &Value, known: &[&str]) -> Vec<String> {
        match body.as_object() {
            Some(object) => object.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect(),
            None => vec!["(no object)".to_owned()],
        }
    }
}

/// What the contract says to a request.
#[derive(Clone, Debug)]
pub struct Verdict {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    accepted: Option<Value>,
}

impl Verdict {
    /// With this status and JSON.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { status, headers, body: body.to_string(), accepted: None }
    }

    /// With this status and plain text.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        let headers = vec![("Content-Type", "text/plain".to_owned())];
        Self { status, headers, body: body.to_owned(), accepted: None }
    }

    /// One more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// This was a message, and it was taken.
    #[must_use]
    pub fn accepting(mut self, message: Value) -> Self {
        self.accepted = Some(message);
        self
    }

    /// It is well.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

#[derive(Debug)]
struct State {
    mode: Mode,
    over: bool,
    requests: Vec<Request>,
    accepted: Vec<Value>,
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

/// What a service says to a request.
pub type Contract = dyn FnMut(&Request, Says<'_>) -> Verdict + Send;

/// A service. It ends when it is dropped.
#[derive(Debug)]
pub struct StandIn {
    shared: Arc<Shared>,
    port: u16,
}

impl StandIn {
    /// Starts it in [`Mode::Contract`]; it has no secret of its own.
    ///
    /// # Errors
    /// When nothing can listen on loopback.
    pub fn start(contract: impl FnMut(&Request, Says<'_>) -> Verdict + Send + 'static) -> Result<Self> {
        Self::start_as("a service without secrets", &[], contract)
    }

    /// The same with a name and secrets: what each is, and its text. No other's may come in.
    ///
    /// # Errors
    /// As [`StandIn::start`].
    pub fn start_as(
        service: &'static str,
        secrets: &[(&str, &str)],
        contract: impl FnMut(&Request, Says<'_>) -> Verdict + Send + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("a stand-in on loopback")?;
        Self::on(listener, service, secrets, contract)
    }

    /// The same on a listener of one's own, such as one in another network namespace. Dropped, it ends with the
    /// process.
    ///
    /// # Errors
    /// When its port is not known.
    pub fn on(
        listener: TcpListener,
        service: &'static str,
        secrets: &[(&str, &str)],
        contract: impl FnMut(&Request, Says<'_>) -> Verdict + Send + 'static,
    ) -> Result<Self> {
        for (what, text) in secrets {
            canary::register(Canary::written(what, Some(service), text));
        }
        let port = listener.local_addr()?.port();
        let state = State { mode: Mode::Contract, over: false, requests: Vec::new(), accepted: Vec::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let contract: Arc<Mutex<Box<Contract>>> = Arc::new(Mutex::new(Box::new(contract)));
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.lock().over {
                    return;
                }
                let (shared, contract) = (Arc::clone(&accepting), Arc::clone(&contract));
                std::thread::spawn(move || serve(service, &shared, &contract, stream));
            }
        });
        Ok(Self { shared, port })
    }

    /// Its base address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Changes how it behaves.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.lock().mode = mode;
        self.shared.changed.notify_all();
    }

    /// The messages that it took, in order.
    #[must_use]
    pub fn accepted(&self) -> Vec<Value> {
        self.shared.lock().accepted.clone()
    }

    /// Every request, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        // Wakes the accepting thread so that it ends.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        canary::fail_on_leak();
    }
}

fn serve(service: &'static str, shared: &Shared, contract: &Mutex<Box<Contract>>, mut stream: TcpStream) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    while let Ok(Some(request)) = read(&mut reader) {
        canary::received(service, &request.bytes());
        let mode = {
            let mut state = shared.lock();
            state.requests.push(request.clone());
            while state.mode == Mode::Silent && !state.over {
                state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.mode.clone()
        };
        let verdict = match (&mode, mode.says()) {
            (_, Some(says)) => (contract.lock().unwrap_or_else(PoisonError::into_inner))(&request, says),
            (Mode::Status(status), None) => Verdict::text(*status, "<html>not the service</html>"),
            (_, None) => {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        };
        shared.lock().accepted.extend(verdict.accepted.clone());
        let cut = mode == Mode::CutOff;
        if write(&mut stream, &verdict, cut).is_err() || cut {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

pub(super) fn read(reader: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let method = words.next().context("no request line")?.to_owned();
    let target = words.next().context("no request line")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let headers = read_headers(reader)?;
    let mut body = Vec::new();
    if header(&headers, "transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        read_chunks(reader, &mut body)?;
    } else if let Some(length) = header(&headers, "content-length").and_then(|value| value.parse::<u64>().ok()) {
        reader.by_ref().take(length.min(MAX_BODY)).read_to_end(&mut body)?;
    }
    Ok(Some(Request { method, path, query, headers, body }))
}

/// `cut`: the head promises a whole body, and half of it comes.
pub(super) fn write(stream: &mut TcpStream, verdict: &Verdict, cut: bool) -> Result<()> {
    let mut head = format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n", verdict.status, verdict.body.len());
    for (name, value) in &verdict.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    let whole = verdict.body.as_bytes();
    let half = whole.get(..whole.len() / 2).unwrap_or_default();
    stream.write_all(if cut { half } else { whole })?;
    Ok(())
}
