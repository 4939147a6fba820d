//! One guard's connection: lines in, lines out, both bounded.

use super::protocol::LINE_MAX;
use rustix::event::PollFlags;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

/// Events and replies that wait for a reader who does not read; beyond this it is cut off.
const OUT_MAX: usize = 512 * 1024;

/// A connected guard. Never blocks.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    incoming: Vec<u8>,
    outgoing: VecDeque<u8>,
    /// Wants events.
    pub subscribed: bool,
    /// To be dropped: the peer is gone, or does not speak our language.
    pub closed: bool,
}

impl Connection {
    /// Takes over an accepted stream.
    pub fn new(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, incoming: Vec::new(), outgoing: VecDeque::new(), subscribed: false, closed: false })
    }

    /// For `poll`.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// What to wait for.
    pub fn interest(&self) -> PollFlags {
        if self.outgoing.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    /// Whole lines that have arrived. A line that is too long closes the connection.
    pub fn read_lines(&mut self) -> Vec<Vec<u8>> {
        let mut chunk = [0; 4096];
        // At most one full line per turn, so that no guard can keep the keeper from its other work.
        while self.incoming.len() < LINE_MAX {
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    self.closed = true;
                    break;
                }
                Ok(length) => self.incoming.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.closed = true;
                    break;
                }
            }
        }
        let mut lines = Vec::new();
        while let Some(end) = self.incoming.iter().position(|byte| *byte == b'\n') {
            let rest = self.incoming.split_off(end + 1);
            lines.push(std::mem::replace(&mut self.incoming, rest));
        }
        if self.incoming.len() >= LINE_MAX {
            self.closed = true;
        }
        if self.incoming.is_empty() {
            self.incoming = Vec::new();
        }
        lines
    }

    /// Queues a line and sends what the socket takes now.
    pub fn send(&mut self, line: &[u8]) {
        if self.outgoing.len() + line.len() >= OUT_MAX {
            self.closed = true;
            return;
        }
        self.outgoing.extend(line);
        self.outgoing.push_back(b'\n');
        self.flush();
    }

    /// Sends what the socket takes now.
    pub fn flush(&mut self) {
        while !self.outgoing.is_empty() {
            let (front, _) = self.outgoing.as_slices();
            match self.stream.write(front) {
                Ok(length) => drop(self.outgoing.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.closed = true;
                    return;
                }
            }
        }
        self.outgoing = VecDeque::new();
    }
}
