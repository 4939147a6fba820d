//! Keeps the database small: the oldest closed incidents go first, open ones stay.

use rusqlite::{Connection, params};

/// What is kept at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Incidents, of all gateways together.
    pub incidents: u32,
    /// Size of the database file in bytes.
    pub bytes: u64,
    /// Events of one incident; beyond that its oldest plain evidence goes.
    pub events: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { incidents: 10_000, bytes: 200 << 20, events: 5_000 }
    }
}

/// Incidents that one step removes.
const STEP: u32 = 64;
/// Steps in one go, so that a huge database does not hold up the queue; the next go continues.
const STEPS: u32 = 8;

/// Brings the database within its limits, or closer to them.
pub fn tidy(connection: &Connection, limits: Limits) -> rusqlite::Result<()> {
    trim_long_incidents(connection, limits.events)?;
    super::outbox::tidy(connection)?;
    for _ in 0..STEPS {
        let count: u32 = connection.query_row("SELECT count(*) FROM incidents", [], |row| row.get(0))?;
        let over = if used(connection)? > limits.bytes { STEP } else { count.saturating_sub(limits.incidents) };
        if over == 0 || remove_oldest(connection, over.min(STEP))? == 0 {
            break;
        }
    }
    // Every row of this pragma's answer is a page given back.
    connection.prepare("PRAGMA incremental_vacuum(512)")?.query([])?.next().map(drop)
}

fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let figure = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let pages = figure("page_count")?.saturating_sub(figure("freelist_count")?);
    Ok(u64::try_from(pages.saturating_mul(figure("page_size")?)).unwrap_or(0))
}

fn remove_oldest(connection: &Connection, how_many: u32) -> rusqlite::Result<usize> {
    let transaction = connection.unchecked_transaction()?;
    let oldest = "SELECT gateway, id FROM incidents WHERE closed_at IS NOT NULL ORDER BY opened_at, id LIMIT ?1";
    transaction
        .execute(&format!("DELETE FROM incident_events WHERE (gateway, incident) IN ({oldest})"), params![how_many])?;
    let removed =
        transaction.execute(&format!("DELETE FROM incidents WHERE (gateway, id) IN ({oldest})"), params![how_many])?;
    transaction.commit()?;
    Ok(removed)
}

fn trim_long_incidents(connection: &Connection, limit: u32) -> rusqlite::Result<()> {
    let mut long = connection.prepare(
        "SELECT gateway, incident, count(*) FROM incident_events GROUP BY gateway, incident HAVING count(*) > ?1",
    )?;
    let found = long
        .query_map([limit], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, u32>(2)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (gateway, incident, count) in found {
        connection.execute(
            "DELETE FROM incident_events WHERE seq IN (SELECT seq FROM incident_events
             WHERE gateway = ?1 AND incident = ?2 AND kind IN ('evidence', 'judged') ORDER BY seq LIMIT ?3)",
            params![gateway, incident, count - limit],
        )?;
    }
    Ok(())
}
