//! Real event-loop faults, put into a living gateway through Node's own inspector.
//!
//! SIGUSR1 opens it on 127.0.0.1:9229 (OpenClaw 2026.9.6; older versions restart on SIGUSR1). The fault starts only after
//! the client has gone and the inspector is closed, so that a guard sees the fault and no debugging session.

use super::http::get_json;
use super::process::Life;
use super::wait::{until, until_some};
use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::Duration;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// An open session with a gateway's inspector.
#[derive(Debug)]
pub struct Inspector {
    socket: WebSocket<TcpStream>,
    next: u64,
    life: Life,
    port: u16,
}

/// Time for our client to leave before a fault begins.
const HEAD_START_MS: u64 = 300;

impl Inspector {
    /// Opens the inspector of this life and connects to it.
    ///
    /// # Errors
    /// When no inspector opens (its port is taken by another one, for example).
    pub fn open(life: Life) -> Result<Self> {
        let before = listening_ports(life.pid);
        life.signal(Signal::USR1)?;
        let what = "the inspector's port (9229 must be free)";
        let (port, _) = until_some(what, Duration::from_secs(20), || {
            Ok(listening_ports(life.pid).difference(&before).copied().next())
        })?;
        let (_, targets) = get_json(port, "/json/list")?;
        let url = targets[0]["webSocketDebuggerUrl"].as_str().context("no target in the inspector")?.to_owned();
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let (socket, _) = tungstenite::client(url, stream).map_err(|error| anyhow::anyhow!("inspector: {error}"))?;
        Ok(Self { socket, next: 1, life, port })
    }

    /// Evaluates an expression, and returns its value.
    ///
    /// # Errors
    /// When it throws, or the answer does not come.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let id = self.next;
        self.next += 1;
        let params = json!({"expression": expression, "returnByValue": true});
        let call = json!({"id": id, "method": "Runtime.evaluate", "params": params});
        self.socket.send(Message::text(call.to_string()))?;
        loop {
            let Message::Text(text) = self.socket.read()? else { continue };
            let answer: Value = serde_json::from_str(&text)?;
            if answer["id"].as_u64() != Some(id) {
                continue;
            }
            if !answer["result"]["exceptionDetails"].is_null() {
                bail!("the expression threw: {}", answer["result"]["exceptionDetails"]);
            }
            return Ok(answer["result"]["result"]["value"].clone());
        }
    }

    /// Blocks the event loop for this time, beginning after this session has ended.
    ///
    /// # Errors
    /// When it cannot be injected.
    pub fn busy_loop(self, time: Duration) -> Result<()> {
        self.inject(&format!("const end = Date.now() + {}; while (Date.now() < end);", time.as_millis()))
    }

    /// Blocks the event loop for ever, beginning after this session has ended.
    ///
    /// # Errors
    /// When it cannot be injected.
    pub fn endless_loop(self) -> Result<()> {
        self.inject("for (;;);")
    }

    /// Fills the heap with objects that stay reachable until V8 gives up, beginning after this session has ended.
    ///
    /// # Errors
    /// When it cannot be injected.
    pub fn exhaust_heap(self) -> Result<()> {
        self.inject(
            "globalThis.__lab = []; \
             for (;;) globalThis.__lab.push(Array.from({length: 10000}, (_, at) => ({at, text: 'lab' + at})));",
        )
    }

    /// Closes the listener on this port in the living process, and returns when nobody listens there.
    ///
    /// # Errors
    /// When the process has no such listener, or it stays open.
    pub fn close_listener(mut self, port: u16) -> Result<()> {
        let found = self.evaluate(&format!(
            "globalThis.__lab = process._getActiveHandles().filter(h => typeof h.address === 'function' && \
             typeof h.listen === 'function' && h.address() && h.address().port === {port}); globalThis.__lab.length"
        ))?;
        if found.as_u64().unwrap_or(0) == 0 {
            bail!("the gateway has no listener on port {port}");
        }
        let life = self.life;
        self.inject("for (const server of globalThis.__lab) server.close();")?;
        until("the gateway's listener to close", Duration::from_secs(20), || {
            !listening_ports(life.pid).contains(&port)
        })?;
        Ok(())
    }

    /// Leaves code behind that runs after this session has ended and the inspector is closed.
    fn inject(mut self, code: &str) -> Result<()> {
        self.evaluate(&format!("setTimeout(() => {{ process._debugEnd(); {code} }}, {HEAD_START_MS}); 1"))?;
        let (life, port) = (self.life, self.port);
        let _ = self.socket.close(None);
        drop(self);
        until("the inspector to close", Duration::from_secs(20), || !listening_ports(life.pid).contains(&port))?;
        Ok(())
    }

    /// Ends the session and closes the inspector.
    ///
    /// # Errors
    /// When it stays open.
    pub fn close(self) -> Result<()> {
        self.inject("")
    }
}

/// Ports of loopback and any-address sockets that this process listens on.
fn listening_ports(pid: u32) -> BTreeSet<u16> {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeSet::new() };
    let own: BTreeSet<String> = descriptors
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut ports = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, "0A", _, _, _, _, _, inode, ..] = fields[..] else { continue };
            let port = local.rsplit(':').next().and_then(|port| u16::from_str_radix(port, 16).ok());
            if own.contains(inode) {
                ports.extend(port);
            }
        }
    }
    ports
}
