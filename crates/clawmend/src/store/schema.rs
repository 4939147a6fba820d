//! The tables, and the way from an older schema to the present one.
//!
//! Invariant: only the daemon runs [`migrate`]; every step is one transaction that also raises the number, so a
//! guard killed in the middle leaves the older schema whole.

use rusqlite::{Connection, OptionalExtension as _, Transaction};

/// The schema that this program reads and writes.
pub const SCHEMA: u32 = if crate::version::IS_NEXT { RELEASED + 1 } else { RELEASED };

const RELEASED: u32 = 2;

/// Step `n` leads from schema `n` to `n + 1`. The last one is that of the build that stands for the next version.
const STEPS: [&str; RELEASED as usize + 1] = [
    "
    CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE gateways(
        id TEXT PRIMARY KEY, state_dir TEXT NOT NULL, url TEXT, control TEXT NOT NULL, seen_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE incidents(
        gateway TEXT NOT NULL, id INTEGER NOT NULL, opened_at INTEGER NOT NULL, opened_mono INTEGER NOT NULL,
        closed_at INTEGER, onset_at INTEGER NOT NULL, onset_uncertainty_ms INTEGER NOT NULL,
        cause_code TEXT, cause_detail TEXT, detected_after_ms INTEGER, start_issued_after_ms INTEGER,
        serving_after_ms INTEGER, outcome TEXT, PRIMARY KEY(gateway, id)
    ) WITHOUT ROWID;
    CREATE INDEX incidents_by_time ON incidents(opened_at, id);
    CREATE TABLE incident_events(
        seq INTEGER PRIMARY KEY, gateway TEXT NOT NULL, incident INTEGER NOT NULL,
        mono INTEGER NOT NULL, wall INTEGER NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL
    );
    CREATE INDEX events_by_incident ON incident_events(gateway, incident, seq);
    CREATE TABLE standing(gateway TEXT PRIMARY KEY, revision INTEGER NOT NULL, payload TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE memory(gateway TEXT PRIMARY KEY, payload TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE intents(
        seq INTEGER PRIMARY KEY, gateway TEXT NOT NULL, directive INTEGER NOT NULL, at INTEGER NOT NULL,
        payload TEXT NOT NULL, settled INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX intents_by_directive ON intents(gateway, directive);
",
    "
    CREATE TABLE alert_desk(id INTEGER PRIMARY KEY CHECK(id = 1), payload TEXT NOT NULL);
    CREATE TABLE letters(
        key TEXT PRIMARY KEY, subject TEXT NOT NULL, level TEXT NOT NULL, decided_at INTEGER NOT NULL,
        payload TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX letters_by_time ON letters(decided_at);
    CREATE INDEX letters_by_subject ON letters(subject);
    CREATE TABLE deliveries(
        key TEXT NOT NULL, place TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, at INTEGER NOT NULL,
        receipt TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY(key, place)
    ) WITHOUT ROWID;
    CREATE INDEX deliveries_by_state ON deliveries(state);
",
    "
    CREATE TABLE levitations(gateway TEXT PRIMARY KEY, height INTEGER NOT NULL) WITHOUT ROWID;
    ALTER TABLE incidents ADD COLUMN height INTEGER;
",
];

/// What a database turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No tables at all.
    Empty,
    /// Ours, with this schema.
    Schema(u32),
    /// A database with tables, but none of ours.
    Foreign,
}

/// Looks which schema a database has.
pub fn found(connection: &Connection) -> rusqlite::Result<Found> {
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(Found::Empty);
    }
    let meta: u32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'", [], |row| row.get(0))?;
    if meta == 0 {
        return Ok(Found::Foreign);
    }
    let text: Option<String> =
        connection.query_row("SELECT value FROM meta WHERE key = 'schema'", [], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| text.parse().ok()).map_or(Found::Foreign, Found::Schema))
}

/// Brings a database from schema `from` (0: empty) to [`SCHEMA`].
pub fn migrate(connection: &mut Connection, from: u32) -> rusqlite::Result<()> {
    for (number, step) in (0..SCHEMA).zip(STEPS).skip(from as usize) {
        let transaction: Transaction<'_> = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction
            .execute("INSERT OR REPLACE INTO meta(key, value) VALUES('schema', ?1)", [(number + 1).to_string()])?;
        transaction.commit()?;
    }
    Ok(())
}
