//! Who is at the other end of a local socket.
//!
//! Used to refuse callers that live inside the gateway's own process tree: see
//! [`is_descendant`](super::process::is_descendant).

#[cfg(unix)]
use super::process;
use clawmend_core::gateway::Incarnation;
#[cfg(unix)]
use std::io;

/// The process that connected, as the kernel recorded it at that instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its pid; `None` where the system does not tell, or when it lives in a pid namespace that we cannot see.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: u32,
    /// The process that has this pid now; `None` when it is gone already.
    pub incarnation: Option<Incarnation>,
}

/// Credentials of a connected stream (Linux `SO_PEERCRED`).
///
/// # Errors
/// The socket is not connected.
#[cfg(unix)]
pub fn of(stream: &tokio::net::UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
    Ok(Peer { pid, uid: credentials.uid(), incarnation: pid.and_then(process::incarnation_of) })
}
