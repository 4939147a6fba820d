//! `clawmend standby check`: whether the lease store will still take a renewal in some months.
//!
//! Invariant: only what is full now is wrong; what will be is careful, and says what to do.

use super::{Level, Line};
use crate::cli::output::clean;
use crate::failover::lease::{Room, Trouble};

/// etcd's own, where none is set (`--quota-backend-bytes`, etcd 3.4 to 3.6).
const QUOTA: u64 = 2 * 1024 * MIB;
const MIB: u64 = 1024 * 1024;
/// An etcd that has forgotten none of so many revisions keeps them all: about half a day of renewals.
const KEEPS_ALL: u64 = 10_000;
/// As `standby init` says it.
const FORGET: &str = "--auto-compaction-mode revision --auto-compaction-retention 1000";

pub(super) fn line(room: &Result<Room, Trouble>) -> Line {
    let (level, text) = match room {
        Ok(room) => judged(room),
        Err(trouble) => {
            (Level::Unknown, format!("how much room the lease store has: {}", clean(&trouble.to_string(), 300)))
        }
    };
    Line { check: "room", level, text }
}

fn judged(room: &Room) -> (Level, String) {
    let quota = room.quota.unwrap_or(QUOTA);
    let unless = if room.quota.is_none() { " (etcd's own limit, unless you set another)" } else { "" };
    let size = format!("{} MiB of {} MiB{unless}", room.size.div_ceil(MIB), quota / MIB);
    if room.full {
        let text = format!(
            "the lease store is full and takes no writes, so nobody can own: forget old revisions (`etcdctl compact {}`), \
             give their room back (`etcdctl defrag`), then `etcdctl alarm disarm`; and start etcd with {FORGET}",
            room.revisions
        );
        return (Level::Bad, text);
    }
    if !room.forgets && room.revisions >= KEEPS_ALL {
        let text = format!(
            "the lease store keeps every revision, {} so far: its database is {size}; when that is full nobody can own; start \
             etcd with {FORGET}",
            room.revisions
        );
        return (Level::Warning, text);
    }
    if room.size > quota / 2 {
        let then = if room.used > quota / 2 { "look what fills it" } else { "`etcdctl defrag` gives the rest back" };
        let used = room.used.div_ceil(MIB);
        let text = format!("the lease store fills up: its database is {size}, {used} MiB of it in use; {then}");
        return (Level::Warning, text);
    }
    (Level::Good, format!("the lease store has room: its database is {size}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One of some hundred MiB that forgets.
    const ROOM: Room =
        Room { used: 20 * MIB, size: 300 * MIB, quota: None, full: false, revisions: 6_000_000, forgets: true };

    pub fn every_line() -> Vec<Line> {
        let place = "10.0.0.3:2379".to_owned();
        let denied = Trouble::Denied { place, status: 403, said: "permission denied\u{1b}[31m".into() };
        [
            Ok(ROOM),
            Ok(Room { revisions: KEEPS_ALL - 1, forgets: false, quota: Some(8 * QUOTA), ..ROOM }),
            Ok(Room { forgets: false, ..ROOM }),
            Ok(Room { size: QUOTA / 2 + 1, ..ROOM }),
            Ok(Room { size: QUOTA, used: QUOTA / 2 + MIB, ..ROOM }),
            Ok(Room { full: true, ..ROOM }),
            Err(denied),
        ]
        .iter()
        .map(line)
        .collect()
    }
}
