//! Whether a gateway still works on what people wrote: messages that it has taken from a channel, and not finished.
//!
//! OpenClaw notes each message in its database before it acknowledges it, and takes it off when its turn is over and the
//! answer is sent (2026.9.6). Its own figure of active work (`status`, `shutdownBudget.activeWork`) reads 0 during a turn.
//!
//! Invariant: the database is only read; what cannot be read says nothing. Start at [`messages`].

use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// A database that is being written to is waited for so long.
const PATIENCE: Duration = Duration::from_millis(250);

/// How many messages wait for their turn or are in it; `None`: that cannot be told. It may wait for the disk.
#[must_use]
pub fn messages(state_dir: &Path) -> Option<u64> {
    let path = state_dir.join("state").join("openclaw.sqlite");
    let access = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let database = Connection::open_with_flags(path, access).ok()?;
    database.busy_timeout(PATIENCE).ok()?;
    let count = "SELECT count(*) FROM channel_ingress_events WHERE status IN ('pending', 'claimed')";
    let found: i64 = database.query_row(count, [], |row| row.get(0)).ok()?;
    u64::try_from(found).ok()
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
}
