//! Listening sockets and their owners.

use super::os;
use std::net::SocketAddr;

/// A TCP socket that waits for connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenSocket {
    /// Where.
    pub addr: SocketAddr,
    /// Connections that wait to be accepted: grows when the owner's event loop does not turn.
    pub backlog: u32,
    /// Names it for as long as it is open.
    pub inode: u64,
    /// Its owner's descriptor of it.
    pub descriptor: u32,
}

/// Who listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortOwner {
    /// No socket.
    Nobody,
    /// This process.
    Process {
        /// Its pid.
        pid: u32,
        /// Its program, for people; never used to decide.
        name: String,
    },
    /// Somebody whom we may not see.
    Hidden,
    /// The system could not be asked.
    Unknown,
}

/// The listening sockets of a process, seen from its own network namespace.
/// `None` when we may not look, or the system cannot tell; an empty list means that it listens nowhere.
#[must_use]
pub fn listening(pid: u32) -> Option<Vec<ListenSocket>> {
    os::socket::listening(pid)
}

/// Whether the process still has this very socket open: what has listened does so until it is closed, `shutdown(2)`
/// apart. Costs one system call, where [`listening`] costs milliseconds.
#[must_use]
pub fn is_held(pid: u32, socket: &ListenSocket) -> bool {
    os::socket::is_held(pid, socket)
}

/// Whether anybody listens on `port` in our own network namespace, without asking who. `None`: the system cannot tell.
#[must_use]
pub fn is_taken(port: u16) -> Option<bool> {
    os::socket::is_taken(port)
}

/// Who listens on `port` in our own network namespace, on whatever address.
#[must_use]
pub fn owner_of(port: u16) -> PortOwner {
    os::socket::owner_of(port)
}
