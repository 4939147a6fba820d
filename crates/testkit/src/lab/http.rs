//! A very small HTTP/1.1 client and server for loopback, with time limits and bounded bodies.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// More than any answer of a gateway's health endpoints; the Control UI page is smaller, too.
const BODY_LIMIT: u64 = 4 << 20;

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body, whatever it is.
    pub body: String,
}

impl Reply {
    /// The body as JSON; a page is an error.
    ///
    /// # Errors
    /// When it is something else.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("status {} with a body that is not JSON", self.status))
    }
}

/// Makes one request on loopback.
///
/// # Errors
/// When the connection fails or the whole answer does not come within `limit` of silence.
pub fn request(
    port: u16,
    method: &str,
    path: &str,
    bearer: Option<&str>,
    body: Option<&Value>,
    limit: Duration,
) -> Result<Reply> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream =
        TcpStream::connect_timeout(&address, limit).with_context(|| format!("connecting to port {port}"))?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    if let Some(token) = bearer {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    let body = body.map(Value::to_string);
    if let Some(body) = &body {
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    head.push_str(body.as_deref().unwrap_or_default());
    stream.write_all(head.as_bytes())?;
    read_reply(BufReader::new(stream)).with_context(|| format!("{method} {path}"))
}

/// `GET` with one second of patience per read.
///
/// # Errors
/// As [`request`].
pub fn get(port: u16, path: &str) -> Result<Reply> {
    request(port, "GET", path, None, None, Duration::from_secs(1))
}

/// `GET` of a JSON body.
///
/// # Errors
/// As [`request`], and when the body is not JSON.
pub fn get_json(port: u16, path: &str) -> Result<(u16, Value)> {
    let reply = get(port, path)?;
    Ok((reply.status, reply.json()?))
}

/// A port of loopback that nobody listens on now. It is below the range that the kernel hands out to clients, so that
/// nothing takes it in the meantime by chance; two labs do not run at a time.
///
/// # Errors
/// When the whole range is taken.
pub fn free_port() -> Result<u16> {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Each process begins elsewhere: a port that was just free here is not taken by a lab of another checkout.
    let first = u16::try_from(std::process::id() % 50).unwrap_or(0);
    for _try in 0..50 {
        let port = 19850 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 50;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between 19850 and 19899")
}

fn read_reply(mut reader: BufReader<TcpStream>) -> Result<Reply> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).context("no status line")?.parse().context("status")?;
    let headers = read_headers(&mut reader)?;
    let mut body = Vec::new();
    if header(&headers, "transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        read_chunks(&mut reader, &mut body)?;
    } else if let Some(length) = header(&headers, "content-length").and_then(|value| value.parse::<u64>().ok()) {
        reader.take(length.min(BODY_LIMIT)).read_to_end(&mut body)?;
    } else {
        reader.take(BODY_LIMIT).read_to_end(&mut body)?;
    }
    Ok(Reply { status, body: String::from_utf8_lossy(&body).into_owned() })
}

pub(crate) fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16).context("chunk size")?;
        if size == 0 {
            return Ok(());
        }
        if body.len() as u64 + size > BODY_LIMIT {
            bail!("body larger than {BODY_LIMIT} bytes");
        }
        reader.by_ref().take(size).read_to_end(body)?;
        reader.read_line(&mut line)?;
    }
}

pub(crate) fn read_headers(reader: &mut impl BufRead) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while headers.len() < 100 {
        let mut line = String::new();
        if reader.by_ref().take(16 << 10).read_line(&mut line)? == 0 {
            bail!("connection ended inside the headers");
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(headers) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    bail!("more than 100 headers")
}

pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// A request that a mock received.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Value,
}

/// Reads one request from a kept-alive connection; `None` at its orderly end.
pub(super) fn read_request(reader: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = words.next().zip(words.next()).context("no request line")?;
    let headers = read_headers(reader)?;
    let mut body = Vec::new();
    if header(&headers, "transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        read_chunks(reader, &mut body)?;
    } else if let Some(length) = header(&headers, "content-length").and_then(|value| value.parse::<u64>().ok()) {
        reader.by_ref().take(length.min(BODY_LIMIT)).read_to_end(&mut body)?;
    }
    Ok(Some(Request { method, path, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }))
}

/// Writes one JSON answer on a kept-alive connection.
pub(super) fn write_json(stream: &mut TcpStream, status: u16, body: &Value) -> Result<()> {
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    Ok(())
}
