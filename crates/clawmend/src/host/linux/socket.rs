//! Listening sockets through `/proc`.

use super::tcp::{self, Descriptors};
use crate::host::process::name;
use crate::host::socket::{ListenSocket, PortOwner};

/// See the facade.
pub fn listening(pid: u32) -> Option<Vec<ListenSocket>> {
    let descriptors = Descriptors::read(pid)?;
    let rows = tcp::rows(&pid.to_string())?;
    let listening = rows.iter().filter(|row| row.state == tcp::LISTEN);
    let own = listening.filter_map(|row| {
        let descriptor = *descriptors.sockets.get(&row.inode)?;
        Some(ListenSocket { addr: row.local, backlog: row.receive_queue, inode: row.inode, descriptor })
    });
    Some(own.collect())
}

/// See the facade.
pub fn is_held(pid: u32, socket: &ListenSocket) -> bool {
    tcp::socket_behind(pid, socket.descriptor) == Some(socket.inode)
}

/// See the facade.
pub fn is_taken(port: u16) -> Option<bool> {
    Some(tcp::rows("self")?.iter().any(|row| row.state == tcp::LISTEN && row.local.port() == port))
}

/// See the facade.
pub fn owner_of(port: u16) -> PortOwner {
    let Some(rows) = tcp::rows("self") else { return PortOwner::Unknown };
    let wanted: Vec<u64> =
        rows.iter().filter(|row| row.state == tcp::LISTEN && row.local.port() == port).map(|row| row.inode).collect();
    if wanted.is_empty() {
        return PortOwner::Nobody;
    }
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let owner = pids.find(|pid| {
        Descriptors::read(*pid).is_some_and(|its| wanted.iter().any(|inode| its.sockets.contains_key(inode)))
    });
    owner.map_or(PortOwner::Hidden, |pid| PortOwner::Process { pid, name: name(pid) })
}
