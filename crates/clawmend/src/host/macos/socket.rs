//! Sockets are not told without `unsafe` here; what is not known is said so.

use crate::host::socket::{ListenSocket, PortOwner};

/// Not known.
pub fn listening(_pid: u32) -> Option<Vec<ListenSocket>> {
    None
}

/// Not known.
pub fn is_held(_pid: u32, _socket: &ListenSocket) -> bool {
    false
}

/// See the facade.
pub fn is_taken(_port: u16) -> Option<bool> {
    None
}

/// Not known.
pub fn owner_of(_port: u16) -> PortOwner {
    PortOwner::Unknown
}
