//! The connections of the gateway, summed up by whom they go to.

use crate::host::connection::{self, Connection, Phase};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Most remote addresses that are named.
const MAX_REMOTES: usize = 8;

/// All connections of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// From others to the gateway's own port.
    pub inbound: u32,
    /// Of these, how many hold bytes that the gateway has not read.
    pub inbound_unread: u32,
    /// From the gateway to others.
    pub outbound: u32,
    /// Of these, how many wait for the other side to agree at all.
    pub asking: u32,
    /// Of these, how many have had no sign of life from the other side for 30 s.
    pub unanswered: u32,
    /// To whom most of them go, those without an answer first.
    pub remotes: Vec<Remote>,
}

/// Connections to one address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remote {
    /// `203.0.113.7:443`.
    pub address: String,
    /// Established.
    pub established: u32,
    /// Asking.
    pub asking: u32,
    /// Without a sign of life for 30 s.
    pub unanswered: u32,
}

/// Of this process, whose own port is `port`.
pub(super) fn of(pid: u32, port: u16) -> Option<Connections> {
    connection::of(pid).map(|all| sum(&all, port))
}

fn sum(all: &[Connection], port: u16) -> Connections {
    let mut found = Connections::default();
    let mut remotes: BTreeMap<(IpAddr, u16), Remote> = BTreeMap::new();
    for one in all {
        if one.local.port() == port {
            found.inbound += 1;
            found.inbound_unread += u32::from(one.unread > 0);
            continue;
        }
        found.outbound += 1;
        found.asking += u32::from(one.phase == Phase::Asking);
        found.unanswered += u32::from(one.unanswered);
        let remote = remotes.entry((one.remote.ip(), one.remote.port())).or_insert_with(|| Remote {
            address: one.remote.to_string(),
            established: 0,
            asking: 0,
            unanswered: 0,
        });
        remote.established += u32::from(one.phase == Phase::Established);
        remote.asking += u32::from(one.phase == Phase::Asking);
        remote.unanswered += u32::from(one.unanswered);
    }
    let mut remotes: Vec<Remote> = remotes.into_values().collect();
    remotes.sort_by_key(|one| std::cmp::Reverse((one.unanswered, one.established + one.asking)));
    remotes.truncate(MAX_REMOTES);
    found.remotes = remotes;
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn they_are_counted_by_whom_they_go_to() {
        let one = |local: &str, remote: &str, phase, unread, unanswered| Connection {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            phase,
            unread,
            unacknowledged: 0,
            unanswered,
        };
        let all = [
            one("127.0.0.1:18789", "127.0.0.1:50000", Phase::Established, 5, false),
            one("127.0.0.1:18789", "127.0.0.1:50001", Phase::Established, 0, true),
            one("10.0.0.2:40000", "203.0.113.7:443", Phase::Established, 0, false),
            one("10.0.0.2:40001", "203.0.113.7:443", Phase::Established, 0, false),
            one("10.0.0.2:40002", "203.0.113.8:443", Phase::Asking, 0, true),
        ];
        let found = sum(&all, 18789);
        assert_eq!((found.inbound, found.inbound_unread, found.outbound), (2, 1, 3));
        assert_eq!((found.asking, found.unanswered), (1, 1), "a client that went away is not a dependency");
        let first = &found.remotes[0];
        assert_eq!((first.address.as_str(), first.unanswered), ("203.0.113.8:443", 1));
        assert_eq!(found.remotes[1].established, 2);
    }
}
