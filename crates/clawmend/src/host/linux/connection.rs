//! Connections through `/proc/PID/net/tcp`.
//!
//! The kernel does not tell since when a side is silent, but how often it sent again. Each wait is longer than the one
//! before, so a count is a least time: [`DATA_AGAIN`], [`asked_again`].

use super::tcp::{self, Descriptors, Row};
use crate::host::connection::{Connection, MAX_CONNECTIONS, Phase};

/// `SYN_SENT` in `include/net/tcp_states.h`.
const SYN_SENT: u8 = 0x02;
/// Data that was sent again so often has waited for 50 s at least: the first wait is 200 ms or more (`TCP_RTO_MIN`),
/// and each is twice the one before.
const DATA_AGAIN: u32 = 8;
/// A request to connect that was sent again so often has waited for 31 s: the first wait is 1 s, each twice the one
/// before. Linux 6.5 waits 1 s each for the first `tcp_syn_linear_timeouts` times.
const ASKED_AGAIN: u32 = 5;

/// See the facade.
pub fn of(pid: u32) -> Option<Vec<Connection>> {
    let descriptors = Descriptors::read(pid)?;
    let rows = tcp::rows(&pid.to_string())?;
    let asked_again = asked_again();
    let own = rows.iter().filter(|row| row.state != tcp::LISTEN && descriptors.sockets.contains_key(&row.inode));
    Some(own.take(MAX_CONNECTIONS).map(|row| connection(row, asked_again)).collect())
}

fn asked_again() -> u32 {
    let linear = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_syn_linear_timeouts").unwrap_or_default();
    linear.trim().parse::<u32>().unwrap_or(0).saturating_add(ASKED_AGAIN)
}

fn connection(row: &Row, asked_again: u32) -> Connection {
    let phase = match row.state {
        tcp::ESTABLISHED => Phase::Established,
        SYN_SENT => Phase::Asking,
        _ => Phase::Ending,
    };
    let unanswered = match phase {
        Phase::Asking => row.sent_again >= asked_again,
        Phase::Established => row.send_queue > 0 && row.sent_again >= DATA_AGAIN,
        Phase::Ending => false,
    };
    let (local, remote) = (row.local, row.remote);
    Connection { local, remote, phase, unread: row.receive_queue, unacknowledged: row.send_queue, unanswered }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    fn row(state: u8, send_queue: u32, sent_again: u32) -> Row {
        let local = "127.0.0.1:1".parse().unwrap();
        Row { local, remote: local, state, receive_queue: 0, send_queue, sent_again, inode: 1 }
    }

    #[test]
    fn only_what_was_sent_again_often_enough_is_unanswered() {
        assert!(connection(&row(SYN_SENT, 0, 5), 5).unanswered);
        assert!(!connection(&row(SYN_SENT, 0, 8), 9).unanswered);
        assert!(connection(&row(tcp::ESTABLISHED, 10, 8), 5).unanswered);
        assert!(!connection(&row(tcp::ESTABLISHED, 0, 8), 5).unanswered, "nothing waits");
        assert!(!connection(&row(0x08, 10, 9), 5).unanswered);
    }

    #[test]
    fn our_own_connection_and_its_unread_bytes_are_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, from) = listener.accept().unwrap();
        client.write_all(b"hello").unwrap();
        // Loopback delivers before the call returns.
        let all = of(std::process::id()).unwrap();
        let ours = all.iter().find(|one| one.remote == from).unwrap();
        assert_eq!((ours.local, ours.phase), (server.local_addr().unwrap(), Phase::Established));
        assert_eq!((ours.unread, ours.unanswered), (5, false));
        assert!(!all.iter().any(|one| one.local == listener.local_addr().unwrap() && one.remote.port() == 0));
    }
}
