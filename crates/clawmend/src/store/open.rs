//! Finds or makes the database, whatever state the old one is in.
//!
//! Invariant: a database that cannot be used is never changed or deleted: a damaged one is renamed, a newer one
//! stays as it is, and a fresh one is started beside it.

use super::schema::{self, Found, SCHEMA};
use super::{StoreHealth, files};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the database in the state folder.
pub const NAME: &str = "clawmend.db";
/// Larger databases are not read through at the start; damage in them shows when it is met.
const CHECKED_BYTES: u64 = 16 << 20;
/// How long a statement waits for another process's lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// A database that can be written.
pub struct Opened {
    /// To it.
    pub connection: Connection,
    /// [`StoreHealth::Ok`], `Damaged` or `Newer`.
    pub health: StoreHealth,
}

/// Path used when [`NAME`] belongs to a newer program.
pub(super) fn own_name(state: &Path) -> PathBuf {
    state.join(format!("clawmend-v{SCHEMA}.db"))
}

/// Opens for the daemon: migrates an older schema, starts afresh beside a damaged or newer database.
pub fn for_daemon(state: &Path) -> rusqlite::Result<Opened> {
    let usual = state.join(NAME);
    match prepare(&usual)? {
        Prepared::Ready(connection) => Ok(Opened { connection, health: StoreHealth::Ok }),
        Prepared::Damaged => {
            let moved_to = set_aside(&usual)?;
            let connection = fresh(&usual)?;
            Ok(Opened { connection, health: StoreHealth::Damaged { moved_to } })
        }
        Prepared::Newer(found) => {
            let path = own_name(state);
            let health = StoreHealth::Newer { found, left_at: usual };
            match prepare(&path)? {
                Prepared::Ready(connection) => Ok(Opened { connection, health }),
                Prepared::Damaged | Prepared::Newer(_) => {
                    let moved_to = set_aside(&path)?;
                    Ok(Opened { connection: fresh(&path)?, health: StoreHealth::Damaged { moved_to } })
                }
            }
        }
    }
}

/// The error means that the file's content cannot be trusted.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// The error means that there is no room.
pub fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

enum Prepared {
    Ready(Connection),
    Damaged,
    Newer(u32),
}

fn prepare(path: &Path) -> rusqlite::Result<Prepared> {
    match try_prepare(path) {
        Err(error) if is_damage(&error) => Ok(Prepared::Damaged),
        other => other,
    }
}

fn try_prepare(path: &Path) -> rusqlite::Result<Prepared> {
    files::private_file(path).map_err(|e| cannot_open(path, &e))?;
    let mut connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    connection.busy_timeout(BUSY)?;
    let from = match schema::found(&connection)? {
        Found::Empty => 0,
        Found::Schema(number) if number > SCHEMA => return Ok(Prepared::Newer(number)),
        Found::Schema(number) => number,
        Found::Foreign => return Ok(Prepared::Damaged),
    };
    if from > 0 && std::fs::metadata(path).is_ok_and(|m| m.len() <= CHECKED_BYTES) {
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Ok(Prepared::Damaged);
        }
    }
    configure(&connection, from == 0)?;
    schema::migrate(&mut connection, from)?;
    Ok(Prepared::Ready(connection))
}

fn fresh(path: &Path) -> rusqlite::Result<Connection> {
    match try_prepare(path)? {
        Prepared::Ready(connection) => Ok(connection),
        Prepared::Damaged | Prepared::Newer(_) => Err(rusqlite::Error::InvalidPath(path.to_owned())),
    }
}

/// Little memory, a small log, and readers that never wait for the writer.
fn configure(connection: &Connection, new: bool) -> rusqlite::Result<()> {
    if new {
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -256)?;
    connection.pragma_update(None, "wal_autocheckpoint", 128)?;
    connection.pragma_update(None, "journal_size_limit", 2 << 20)?;
    connection.set_prepared_statement_cache_capacity(16);
    Ok(())
}

pub(super) fn flags(access: OpenFlags) -> OpenFlags {
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW
}

/// Renames the file and what SQLite keeps beside it, under a name that is not taken.
fn set_aside(path: &Path) -> rusqlite::Result<PathBuf> {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let base = path.file_name().map_or_else(|| NAME.to_owned(), |name| name.to_string_lossy().into_owned());
    let free = |n: u32| {
        let suffix = if n == 0 { String::new() } else { format!("-{n}") };
        path.with_file_name(format!("{base}.damaged-{stamp}{suffix}"))
    };
    let target = (0..1000).map(free).find(|p| !p.exists()).unwrap_or_else(|| free(1000));
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&target, suffix));
        match std::fs::rename(&from, &to) {
            Ok(()) => {}
            Err(e) if !suffix.is_empty() && e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(cannot_open(&from, &e)),
        }
    }
    Ok(target)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn cannot_open(path: &Path, error: &std::io::Error) -> rusqlite::Error {
    let full = matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
    let code = if full { rusqlite::ffi::SQLITE_FULL } else { rusqlite::ffi::SQLITE_CANTOPEN };
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(format!("{}: {error}", path.display())))
}
