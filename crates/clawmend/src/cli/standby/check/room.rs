//! `clawmend standby check`: whether the lease store will still take a renewal in some months.
//!
//! Invariant: only what takes no write now is wrong; what will be full is careful, and says what to do.

use super::{Level, Line};
use crate::cli::output::clean;
use crate::failover::lease::{Alarm, Database, FORGET, History, Quota, Room, Trouble};

/// etcd's own, where none is set (`--quota-backend-bytes`, etcd 3.4 to 3.6).
const QUOTA: u64 = 2 * 1024 * MIB;
const MIB: u64 = 1024 * 1024;

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
    let (database, size) = match &room.database {
        Ok(database) => size(database),
        Err(Trouble::Denied { .. }) => {
            (Level::Unknown, "whether it takes writes, and how full it is, etcd shows to its root user only".to_owned())
        }
        Err(trouble) => {
            let why = clean(&trouble.to_string(), 200);
            (Level::Unknown, format!("whether it takes writes, and how full it is, cannot be seen: {why}"))
        }
    };
    let level = [Level::Warning, Level::Unknown].into_iter().find(|level| [history, database].contains(level));
    (level.unwrap_or(Level::Good), format!("{text}; {size}"))
}

fn history(room: &Room) -> (Level, String) {
    let Room { revisions, history, .. } = room;
    match history {
        History::Forgotten => {
            let text = "the lease store has forgotten old revisions of late (if it was you who compacted it, look again in a day)";
            (Level::Good, text.to_owned())
        }
        History::Young => {
            let text = format!(
                "whether the lease store forgets old revisions cannot be seen yet, it has {revisions}; each renewal leaves one, \
                 and an etcd that keeps them all is full after some months: start it with {FORGET}"
            );
            (Level::Unknown, text)
        }
        History::Kept => {
            let text = format!(
                "the lease store has forgotten none of its last {} revisions, of {revisions}: each renewal leaves one, so unless \
                 it forgets by time, or others write much there, it is full one day and nobody can own; start etcd with {FORGET}",
                History::MANY
            );
            (Level::Warning, text)
        }
    }
}

/// Whether it fills up, and how large it is.
fn size(database: &Database) -> (Level, String) {
    let size = database.size.div_ceil(MIB);
    let (quota, unless) = match database.quota {
        Quota::Bytes(quota) => (quota, ""),
        Quota::Untold if database.size <= QUOTA => (QUOTA, " (etcd's own limit, unless you set another)"),
        Quota::Untold => {
            let text = format!("its database is {size} MiB, more than etcd's own limit, and yours it does not tell");
            return (Level::Warning, text);
        }
        Quota::Off => return (Level::Good, format!("its database is {size} MiB")),
    };
    let size = format!("its database is {size} MiB of {} MiB{unless}", quota / MIB);
    if database.size <= quota / 4 * 3 {
        return (Level::Good, size);
    }
    let used = database.used.div_ceil(MIB);
    let then = if database.used > quota / 2 {
        "look what fills it"
    } else {
        "`etcdctl defrag --cluster` gives the rest back, and stops each member meanwhile"
    };
    (Level::Warning, format!("{size} and fills up, {used} MiB are in use: {then}"))
}

/// The members are defragmented one by one; only `--physical` waits until what was forgotten is gone.
fn full(revisions: u64) -> String {
    format!(
        "the lease store is full and takes no writes, so nobody can own: forget old revisions (`etcdctl compact --physical \
         --command-timeout 1h {revisions}`), give their room back (`etcdctl defrag --cluster --command-timeout 1h`), then \
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
