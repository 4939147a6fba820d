//! `clawmend standby check`: whether the lease store will still take a renewal in some months.
//!
//! Invariant: only what takes no write now is wrong; what will be full is careful, and says what to do.

use super::{Level, Line};
use crate::cli::output::clean;
use crate::failover::lease::{Alarm, Database, History, Quota, Room, Trouble};

/// etcd's own, where none is set (`--quota-backend-bytes`, etcd 3.4 to 3.6).
const QUOTA: u64 = 2 * 1024 * MIB;
const MIB: u64 = 1024 * 1024;
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
    match room.database.as_ref().ok().and_then(|database| database.alarm) {
        Some(Alarm::NoSpace) => return (Level::Bad, full(room.revisions)),
        Some(Alarm::Corrupt) => {
            let text = "etcd says that its members differ (alarm CORRUPT) and takes no writes, so nobody can own: see its \
                        page on data corruption";
            return (Level::Bad, text.to_owned());
        }
        None => {}
    }
    let (history, text) = history(room);
    let (fills, size) = match &room.database {
        Ok(database) => size(database),
        Err(Trouble::Denied { .. }) => (false, "how large its database is, it does not tell our user".to_owned()),
        Err(trouble) => (false, format!("how large its database is: {}", clean(&trouble.to_string(), 200))),
    };
    (if fills { Level::Warning } else { history }, format!("{text}; {size}"))
}

fn history(room: &Room) -> (Level, String) {
    let Room { revisions, history, .. } = room;
    match history {
        History::Forgotten => (Level::Good, "the lease store forgets old revisions".to_owned()),
        History::Young => {
            let text = format!(
                "whether the lease store forgets old revisions cannot be seen yet, it has {revisions}; each renewal leaves one, \
                 and an etcd that keeps them all is full after some months: start it with {FORGET}"
            );
            (Level::Unknown, text)
        }
        History::Kept => {
            let text = format!(
                "the lease store has forgotten none of its last {} revisions, of {revisions}: each renewal leaves one, and when \
                 it is full nobody can own; start etcd with {FORGET}",
                History::MANY
            );
            (Level::Warning, text)
        }
    }
}

/// Whether it fills up, and how large it is.
fn size(database: &Database) -> (bool, String) {
    let size = database.size.div_ceil(MIB);
    let (quota, unless) = match database.quota {
        Quota::Bytes(quota) => (quota, ""),
        Quota::Untold if database.size <= QUOTA => (QUOTA, " (etcd's own limit, unless you set another)"),
        Quota::Untold | Quota::Off => return (false, format!("its database is {size} MiB")),
    };
    let size = format!("its database is {size} MiB of {} MiB{unless}", quota / MIB);
    if database.size <= quota / 4 * 3 {
        return (false, size);
    }
    let used = database.used.div_ceil(MIB);
    let then = if database.used > quota / 2 {
        "look what fills it"
    } else {
        "`etcdctl defrag` gives the rest back, and stops the member meanwhile"
    };
    (true, format!("{size} and fills up, {used} MiB are in use: {then}"))
}

/// The members are defragmented one by one; only `--physical` waits until what was forgotten is gone.
fn full(revisions: u64) -> String {
    format!(
        "the lease store is full and takes no writes, so nobody can own: forget old revisions (`etcdctl compact --physical \
         --command-timeout 10m {revisions}`), give their room back (`etcdctl defrag --cluster --command-timeout 10m`), then \
         `etcdctl alarm disarm`; and start etcd with {FORGET}"
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const DATABASE: Database = Database { used: 20 * MIB, size: 300 * MIB, quota: Quota::Untold, alarm: None };

    fn with(history: History, database: Database) -> Result<Room, Trouble> {
        Ok(Room { revisions: 6_000_000, history, database: Ok(database) })
    }

    pub fn every_line() -> Vec<Line> {
        let denied = || Trouble::Denied {
            place: "10.0.0.3:2379".to_owned(),
            status: 403,
            said: "permission denied\u{1b}[31m".into(),
        };
        let young = Room { revisions: 12, history: History::Young, database: Ok(DATABASE) };
        [
            Ok(young),
            with(History::Forgotten, DATABASE),
            with(History::Forgotten, Database { quota: Quota::Off, ..DATABASE }),
            with(History::Forgotten, Database { size: 3 * QUOTA, ..DATABASE }),
            with(History::Kept, Database { quota: Quota::Bytes(4 * QUOTA), ..DATABASE }),
            with(History::Forgotten, Database { size: QUOTA / 4 * 3 + MIB, ..DATABASE }),
            with(History::Kept, Database { size: QUOTA, used: QUOTA / 2 + MIB, ..DATABASE }),
            with(History::Kept, Database { alarm: Some(Alarm::NoSpace), ..DATABASE }),
            with(History::Kept, Database { alarm: Some(Alarm::Corrupt), ..DATABASE }),
            Ok(Room { revisions: 6_000_000, history: History::Forgotten, database: Err(denied()) }),
            Err(denied()),
        ]
        .iter()
        .map(line)
        .collect()
    }
}
