//! What a gateway is in the middle of, by its own database: messages of people, and a change of its config.
//!
//! OpenClaw notes each message in its database before it acknowledges it, and takes it off when its turn is over and the
//! answer is sent (2026.9.6). Its own figure of active work (`status`, `shutdownBudget.activeWork`) reads 0 during a turn.
//!
//! While it takes up a change of its config it holds a lease there, for 300 s. A process that is killed meanwhile leaves
//! it behind, and the next one takes up no change until it is over: whether its owner lives is not asked (2026.9.6,
//! `core:plugin-lifecycle`).
//!
//! Invariant: the database is only read; what cannot be read says nothing. Start at [`messages`] and [`reload`].

use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A database that is being written to is waited for so long.
const PATIENCE: Duration = Duration::from_millis(250);

/// How many messages wait for their turn or are in it; `None`: that cannot be told. It may wait for the disk.
#[must_use]
pub fn messages(state_dir: &Path) -> Option<u64> {
    let count = "SELECT count(*) FROM channel_ingress_events WHERE status IN ('pending', 'claimed')";
    let found: i64 = open(state_dir)?.query_row(count, [], |row| row.get(0)).ok()?;
    u64::try_from(found).ok()
}

/// It takes up a change of its config, or one that was killed doing so has left its lease; `None`: that cannot be told,
/// as with versions that have no such lease. It may wait for the disk.
#[must_use]
pub fn reload(state_dir: &Path) -> Option<bool> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let now_ms = i64::try_from(since_1970.as_millis()).ok()?;
    let count = "SELECT count(*) FROM state_leases WHERE scope = 'core:plugin-lifecycle' AND expires_at > ?1";
    let found: i64 = open(state_dir)?.query_row(count, [now_ms], |row| row.get(0)).ok()?;
    Some(found > 0)
}

fn open(state_dir: &Path) -> Option<Connection> {
    let path = state_dir.join("state").join("openclaw.sqlite");
    let access = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let database = Connection::open_with_flags(path, access).ok()?;
    database.busy_timeout(PATIENCE).ok()?;
    Some(database)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_not_finished_counts_and_what_cannot_be_read_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(messages(folder.path()), None);
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let path = folder.path().join("state/openclaw.sqlite");
        let database = Connection::open(&path).unwrap();
        database.pragma_update(None, "journal_mode", "WAL").unwrap();
        assert_eq!(messages(folder.path()), None, "another schema");
        database.execute_batch("CREATE TABLE channel_ingress_events (event_id TEXT, status TEXT)").unwrap();
        assert_eq!(messages(folder.path()), Some(0));
        for status in ["pending", "claimed", "completed", "failed"] {
            database.execute("INSERT INTO channel_ingress_events VALUES ('1', ?1)", [status]).unwrap();
        }
        assert_eq!(messages(folder.path()), Some(2));
        drop(database);
        std::fs::write(&path, "no database").unwrap();
        assert_eq!(messages(folder.path()), None);
    }

    #[test]
    fn a_change_of_the_config_is_under_way_as_long_as_its_lease_lasts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(reload(folder.path()), None);
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let database = Connection::open(folder.path().join("state/openclaw.sqlite")).unwrap();
        database
            .execute_batch("CREATE TABLE state_leases (scope TEXT, lease_key TEXT, expires_at INTEGER) STRICT")
            .unwrap();
        let lease = |scope: &str, from_now: i64| {
            let until = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
            let until = i64::try_from(until).unwrap() + from_now;
            database.execute("INSERT INTO state_leases VALUES (?1, 'global', ?2)", (scope, until)).unwrap();
        };
        lease("gateway-owner", 300_000);
        lease("core:plugin-lifecycle", -1);
        assert_eq!(reload(folder.path()), Some(false));
        lease("core:plugin-lifecycle", 300_000);
        assert_eq!(reload(folder.path()), Some(true));
    }
}
