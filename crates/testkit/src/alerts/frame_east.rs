//! A small strict HTTP/1.1 server for a stand-in: one thread a connection, bounded requests, ways to misbehave.

use crate::canary::{self, Canary};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest request body that is read.
const MAX_BODY: u64 = 4 << 20;
/// Most header lines.
const MAX_HEADERS: usize = 100;

/// How a stand-in treats messages.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// As the real one.
    Serve,
    /// It is ill, and answers with this status and a page.
    Status(u16),
    /// It answers with this status and this body, and accepts nothing.
    Says(u16, Value),
    /// It answers 429 with this `Retry-After`, in seconds.
    TooMany(u64),
    /// It accepts, and never answers.
    Silent,
    /// It reads the request, accepts nothing, and closes.
    CloseBefore,
    /// It accepts, and closes in the middle of the answer's body.
    CloseMid,
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    /// Decoded.
    pub(super) query: Vec<(String, String)>,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// All of it, for a look at what it has.
    fn bytes(&self) -> Vec<u8> {
        let pairs = |pairs: &[(String, String)]| -> String {
            pairs.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
        };
        let head = format!("{} {}\n{}{}\n", self.method, self.path, pairs(&self.query), pairs(&self.headers));
        [head.as_bytes(), &self.body].concat()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body, when it is declared as JSON and is some.
    pub(super) fn json(&self) -> Option<Value> {
        let kind = self.header("content-type")?.split(';').next()?.trim();
        (kind == "application/json").then(|| serde_json::from_slice(&self.body).ok())?
    }
}

/// Whether an object has these fields and no others; those that end with `?` may be missing.
pub(super) fn has_only(value: &Value, fields: &[&str]) -> bool {
    let Some(object) = value.as_object() else { return false };
    let known = |name: &str| fields.iter().any(|field| field.trim_end_matches('?') == name);
    object.keys().all(|name| known(name))
        && fields.iter().all(|field| field.ends_with('?') || object.contains_key(*field))
}

/// The service behind a server.
pub(super) trait Service: Send + 'static {
    /// Its name; only its own secrets may be in its requests.
    const NAME: &'static str;
    /// What each of its secrets is, and its text.
    const SECRETS: &'static [(&'static str, &'static str)];

    /// Whether a request brings a message. Others, such as those for a token, are served whatever the mode.
    fn brings(&self, path: &str) -> bool;
    /// The status and the body; `now` is in milliseconds since the epoch.
    fn answer(&mut self, request: &Request, now: i64) -> (u16, Value);
}

struct State<S> {
    service: S,
    mode: Mode,
    /// The mode is for every request.
    everywhere: bool,
    over: bool,
}

struct Shared<S> {
    state: Mutex<State<S>>,
    changed: Condvar,
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server on loopback. Its threads end when it is dropped.
pub(super) struct Server<S: Service> {
    shared: Arc<Shared<S>>,
    pub(super) port: u16,
}

impl<S: Service> Server<S> {
    pub(super) fn start(service: S) -> Result<Self> {
        for (what, text) in S::SECRETS {
            canary::register(Canary::written(what, Some(S::NAME), text));
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("stand-in")?;
        let port = listener.local_addr()?.port();
        let state = State { service, mode: Mode::Serve, everywhere: false, over: false };
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

    pub(super) fn set_mode(&self, mode: Mode, everywhere: bool) {
        let mut state = self.shared.lock();
        (state.mode, state.everywhere) = (mode, everywhere);
    }

    pub(super) fn with<T>(&self, ask: impl FnOnce(&mut S) -> T) -> T {
        ask(&mut self.shared.lock().service)
    }
}

impl<S: Service> Drop for Server<S> {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        // Wakes the accepting thread so that it ends.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        canary::fail_on_leak();
    }
}

fn serve<S: Service>(shared: &Shared<S>, mut stream: TcpStream) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    while let Ok(Some(request)) = read(&mut reader) {
        canary::received(S::NAME, &request.bytes());
        if respond(shared, &mut stream, &request).is_err() {
            return;
        }
    }
}

/// An error ends the connection.
fn respond<S: Service>(shared: &Shared<S>, stream: &mut TcpStream, request: &Request) -> Result<()> {
    let mut state = shared.lock();
    let here = state.everywhere || state.service.brings(&request.path);
    let mode = if here { state.mode.clone() } else { Mode::Serve };
    match mode {
        Mode::Serve => {
            let (status, body) = state.service.answer(request, now());
            drop(state);
            write(stream, status, "", &body.to_string(), usize::MAX)
        }
        Mode::Status(status) => write(stream, status, "", "<html><body>ill</body></html>", usize::MAX),
        Mode::Says(status, body) => write(stream, status, "", &body.to_string(), usize::MAX),
        Mode::TooMany(seconds) => write(stream, 429, &format!("Retry-After: {seconds}\r\n"), "{}", usize::MAX),
        Mode::Silent => {
            state.service.answer(request, now());
            while !state.over {
                state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            bail!("over")
        }
        Mode::CloseBefore => bail!("closed before the answer"),
        Mode::CloseMid => {
            let (status, body) = state.service.answer(request, now());
            drop(state);
            let body = body.to_string();
            write(stream, status, "", &body, body.len() / 2)?;
            bail!("closed in the middle")
        }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Writes at most `cut` bytes of the body that it announces.
fn write(stream: &mut TcpStream, status: u16, headers: &str, body: &str, cut: usize) -> Result<()> {
    let date = http_date(now() / 1000);
    let head = format!(
        "HTTP/1.1 {status} X\r\nDate: {date}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes().get(..cut.min(body.len())).unwrap_or_default())?;
    stream.flush()?;
    Ok(())
}

/// A time in seconds since the epoch as `Date` has it.
fn http_date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, left) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's civil_from_days: years begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 2 } else { march - 10 };
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let name = |names: &[&'static str], at: i64| usize::try_from(at).ok().and_then(|at| names.get(at)).copied();
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        name(&DAYS, days.rem_euclid(7)).unwrap_or_default(),
        name(&MONTHS, month).unwrap_or_default(),
        left / 3600,
        left / 60 % 60,
        left % 60
    )
}

/// Reads one request; `None` at the orderly end of the connection.
fn read(reader: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut line = String::new();
    if reader.by_ref().take(16 << 10).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().context("no method")?.to_owned();
    let target = words.next().context("no target")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = read_headers(reader)?;
    let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse::<u64>());
    let mut body = Vec::new();
    if let Some(length) = length {
        reader.by_ref().take(length?.min(MAX_BODY)).read_to_end(&mut body)?;
    }
    let query = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (decode(k), decode(v))).collect();
    Ok(Some(Request { method, path: path.to_owned(), query, headers, body }))
}

fn read_headers(reader: &mut BufReader<TcpStream>) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while headers.len() < MAX_HEADERS {
        let mut line = String::new();
        if reader.by_ref().take(16 << 10).read_line(&mut line)? == 0 {
            bail!("connection ended inside the headers");
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(headers) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    bail!("more than {MAX_HEADERS} headers")
}

/// A form-encoded text.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits: Vec<u8> = bytes.by_ref().take(2).collect();
                let digits = String::from_utf8_lossy(&digits).into_owned();
                out.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(http_date(784_887_151), "Tue, 15 Nov 1994 08:12:31 GMT");
        assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(http_date(1_798_675_200), "Thu, 31 Dec 2026 00:00:00 GMT");
    }

    #[test]
    fn queries_are_decoded() {
        assert_eq!(decode("a%2Bb%3D+c%E7%BD%91"), "a+b= c网");
    }
}
