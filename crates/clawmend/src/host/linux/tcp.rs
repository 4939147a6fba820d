//! `/proc/PID/net/tcp` and the sockets among a process's descriptors.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Rows beyond this are not read: a host with more sockets is not one that this must understand.
const ROWS_MAX: usize = 200_000;

/// `LISTEN` in `include/net/tcp_states.h`.
pub const LISTEN: u8 = 0x0A;
/// `ESTABLISHED`.
pub const ESTABLISHED: u8 = 0x01;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Our side.
    pub local: SocketAddr,
    /// The other side; port 0 for a listening socket.
    pub remote: SocketAddr,
    /// See the constants.
    pub state: u8,
    /// Bytes that were not read; for a listening socket: connections that wait to be accepted.
    pub receive_queue: u32,
    /// Bytes that were sent, or wait to be, and are not acknowledged.
    pub send_queue: u32,
    /// How often the oldest of them was sent again.
    pub sent_again: u32,
    /// 0 while the connection was not accepted yet.
    pub inode: u64,
}

/// Open descriptors of a process.
#[derive(Debug, Default)]
pub struct Descriptors {
    /// How many.
    pub count: u32,
    /// Those that are sockets, by inode.
    pub sockets: HashMap<u64, u32>,
}

impl Descriptors {
    /// `None` when we may not look, or it is gone.
    pub fn read(pid: u32) -> Option<Self> {
        let mut found = Self::default();
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten() {
            found.count = found.count.saturating_add(1);
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            found.sockets.extend(number.and_then(|number| Some((socket_behind(pid, number)?, number))));
        }
        Some(found)
    }
}

/// The inode of the socket that a descriptor of a process stands for.
pub fn socket_behind(pid: u32, descriptor: u32) -> Option<u64> {
    let target = std::fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).ok()?;
    socket_inode(target.to_str()?)
}

fn socket_inode(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// All TCP rows of the network namespace of `scope` (`self` or a pid). `None` when it cannot be read. The kernel walks
/// its whole table of connections, also when it is empty: 1 ms on a host with 24 GB. Not for a standing look.
pub fn rows(scope: &str) -> Option<Vec<Row>> {
    let four = std::fs::read_to_string(format!("/proc/{scope}/net/tcp")).ok()?;
    // Absent where IPv6 is switched off.
    let six = std::fs::read_to_string(format!("/proc/{scope}/net/tcp6")).unwrap_or_default();
    Some(four.lines().skip(1).chain(six.lines().skip(1)).take(ROWS_MAX).filter_map(parse_row).collect())
}

/// `sl local rem st tx:rx tr:when retransmits uid timeout inode …`
fn parse_row(line: &str) -> Option<Row> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let local = parse_addr(words.next()?)?;
    let remote = parse_addr(words.next()?)?;
    let state = u8::from_str_radix(words.next()?, 16).ok()?;
    let (send, receive) = words.next()?.split_once(':')?;
    let hex = |text: &str| u32::from_str_radix(text, 16).ok();
    let (send_queue, receive_queue) = (hex(send)?, hex(receive)?);
    let sent_again = hex(words.nth(1)?)?;
    let inode = words.nth(2)?.parse().ok()?;
    Some(Row { local, remote, state, receive_queue, send_queue, sent_again, inode })
}

/// `0100007F:1F90`: each 32-bit word of the address in the machine's own byte order.
fn parse_addr(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn rows_are_read_as_the_kernel_writes_them() {
        let four =
            "   0: 0100007F:4965 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 5023 1 0";
        let row = parse_row(four).unwrap();
        assert_eq!(row.local, "127.0.0.1:18789".parse().unwrap());
        assert_eq!((row.state, row.receive_queue, row.inode), (LISTEN, 3, 5023));
        let asking =
            "   1: 0100007F:D431 0200007F:01BB 02 00000001:00000000 01:00000A20 00000005     0        0 77 2 0";
        let row = parse_row(asking).unwrap();
        assert_eq!((row.remote, row.state), ("127.0.0.2:443".parse().unwrap(), 2));
        assert_eq!((row.send_queue, row.sent_again, row.inode), (1, 5, 77));
        let six = "   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A \
            00000000:00000000 00:00000000 00000000  1000        0 77 1 0";
        assert_eq!(parse_row(six).unwrap().local, "[::1]:8080".parse().unwrap());
        assert_eq!(parse_row("garbage"), None);
        assert_eq!(parse_row("0: 01:02 x"), None);
    }
}
