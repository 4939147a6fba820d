//! The TCP connections of a process, as the kernel keeps them.

use super::os;
use std::net::SocketAddr;

/// Most connections that are told of one process.
pub const MAX_CONNECTIONS: usize = 20_000;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// We have asked, and the other side has not answered yet.
    Asking,
    /// Both sides have agreed.
    Established,
    /// It is being closed, or closed on one side.
    Ending,
}

/// One connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The process's side.
    pub local: SocketAddr,
    /// The other side.
    pub remote: SocketAddr,
    /// How far it is.
    pub phase: Phase,
    /// Bytes that have arrived and were not read.
    pub unread: u32,
    /// Bytes that were sent, or wait to be, and are not acknowledged.
    pub unacknowledged: u32,
    /// The other side has left a request to connect, or data, unacknowledged for 30 s at least: so many times did the
    /// kernel send it again.
    pub unanswered: bool,
}

/// The connections of a process, listening sockets excluded, seen from its own network namespace; at most
/// [`MAX_CONNECTIONS`]. `None` when we may not look, or the system cannot tell.
#[must_use]
pub fn of(pid: u32) -> Option<Vec<Connection>> {
    os::connection::of(pid)
}
