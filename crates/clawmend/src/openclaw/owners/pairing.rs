//! The senders that a person approved with `openclaw pairing approve`.
//!
//! Invariant: OpenClaw's database is only read: no lock is held beyond one small question, and where no gateway has it
//! open no file is made beside it. At most [`MAX_ROWS`] rows are read.
//!
//! OpenClaw 2026.9.6 keeps them in the table `channel_pairing_allow_entries` of `state/openclaw.sqlite`, by channel,
//! account and order, and reads nothing else; older versions wrote `credentials/CHANNEL-ACCOUNT-allowFrom.json`, which
//! is read where there is no such table.

use super::account::DEFAULT;
use super::found::{Kind, Source};
use crate::openclaw::files;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most approved senders that are read.
const MAX_ROWS: u32 = 1_000;
/// Largest file of an older version.
const MAX_FILE: u64 = 256 * 1024;
/// A gateway that just writes is waited for no longer than this.
const BUSY: Duration = Duration::from_millis(300);
const TABLE: &str = "channel_pairing_allow_entries";

/// Approved senders by channel and account.
pub(super) type ByAccount = BTreeMap<(String, String), Vec<Value>>;

/// What is known of the approved senders.
#[derive(Debug)]
pub(super) enum Pairing {
    /// Nobody asked.
    Nothing,
    /// By channel and account, in OpenClaw's order.
    Approved(ByAccount),
    /// There is no table, so an older OpenClaw's files count, which are in this folder.
    Files {
        /// `credentials` of the state folder.
        folder: PathBuf,
        /// The gateway's user.
        uid: u32,
    },
    /// There is something, and it cannot be read.
    Unreadable,
}

/// The senders approved for one account.
pub(super) type Approved = (Vec<Value>, Source);

impl Pairing {
    /// Those of a state folder.
    pub(super) fn load(state_dir: &Path, uid: u32) -> Self {
        let files = || Self::Files { folder: state_dir.join("credentials"), uid };
        let path = match state_dir.join("state").canonicalize() {
            Ok(folder) => folder.join("openclaw.sqlite"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return files(),
            Err(_) => return Self::Unreadable,
        };
        match std::fs::symlink_metadata(&path) {
            Ok(seen) if seen.is_file() && files::belongs_to(&seen, uid) => {}
            Ok(_) => return Self::Unreadable,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return files(),
            Err(_) => return Self::Unreadable,
        }
        match rows(&path) {
            Ok(Some(approved)) => Self::Approved(approved),
            Ok(None) => files(),
            Err(_) => Self::Unreadable,
        }
    }

    /// Those approved for an account; an error where they cannot be known.
    pub(super) fn of(&self, kind: Kind, account: &str) -> Result<Approved, Unreadable> {
        match self {
            Self::Nothing => Ok((Vec::new(), Source::Pairing)),
            Self::Unreadable => Err(Unreadable),
            Self::Approved(all) => {
                let key = (kind.key().to_owned(), account.to_owned());
                Ok((all.get(&key).cloned().unwrap_or_default(), Source::Pairing))
            }
            Self::Files { folder, uid } => {
                let mut names = vec![format!("{}-{account}-allowFrom.json", kind.key())];
                if account == DEFAULT {
                    names.push(format!("{}-allowFrom.json", kind.key()));
                }
                for name in names {
                    let entries = from_file(&folder.join(&name), *uid)?;
                    if !entries.is_empty() {
                        return Ok((entries, Source::PairingFile(name)));
                    }
                }
                Ok((Vec::new(), Source::Pairing))
            }
        }
    }
}

/// The approved senders are there and cannot be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unreadable;

/// The rows of the table; none where there is no such table.
fn rows(path: &Path) -> rusqlite::Result<Option<ByAccount>> {
    let connection = open(path)?;
    // Only a real table: a view may be a question without end.
    let known = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    if connection.query_row(known, [TABLE], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(None);
    }
    let mut statement = connection.prepare(&format!(
        "SELECT channel_key, account_id, entry FROM {TABLE} \
         WHERE length(channel_key) <= 64 AND length(account_id) <= 64 AND length(entry) <= 200 \
         ORDER BY channel_key, account_id, sort_order, entry LIMIT {MAX_ROWS}"
    ))?;
    let mut approved = ByAccount::new();
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let (channel, account, entry): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        approved.entry((channel, account)).or_default().push(Value::String(entry));
    }
    Ok(Some(approved))
}

/// Opens for reading. Without a write-ahead log nobody has it open, and nothing can be missed: read so, SQLite makes no
/// files of its own beside it.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let mut flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let log = path.with_file_name("openclaw.sqlite-wal");
    let connection = match (std::fs::symlink_metadata(log), uri(path)) {
        (Err(error), Some(uri)) if error.kind() == io::ErrorKind::NotFound => {
            flags |= OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(uri, flags)?
        }
        _ => Connection::open_with_flags(path, flags)?,
    };
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// As SQLite writes a file's address; none where the path is no text.
fn uri(path: &Path) -> Option<String> {
    let mut uri = String::from(if cfg!(windows) { "file:///" } else { "file:" });
    // The `\\?\` of Windows is no part of an address.
    let text = path.to_str()?;
    for c in text.strip_prefix(r"\\?\").unwrap_or(text).chars() {
        match c {
            '%' | '?' | '#' => uri.push_str(&format!("%{:02X}", u32::from(c))),
            '\\' if cfg!(windows) => uri.push('/'),
            other => uri.push(other),
        }
    }
    uri.push_str("?immutable=1");
    Some(uri)
}

/// `{"version":1,"allowFrom":[…]}`, or the list alone (`readLegacyAllowFrom`).
fn from_file(path: &Path, uid: u32) -> Result<Vec<Value>, Unreadable> {
    let bytes = match files::read_named(path, uid, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(_) => return Err(Unreadable),
    };
    let json: Value = serde_json::from_slice(&bytes).map_err(|_| Unreadable)?;
    let list = json.as_array().or_else(|| json.get("allowFrom")?.as_array()).ok_or(Unreadable)?;
    Ok(list.iter().take(MAX_ROWS as usize).cloned().collect())
}
