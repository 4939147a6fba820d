//! What is read, by the daemon's thread and by commands alike.

use super::record::IncidentRecord;
use super::wishes::Mirror;
use super::{Introduction, rows::signed};
use clawmend_core::directive::{Directive, IncidentId};
use clawmend_core::gateway::GatewayId;
use clawmend_core::incident::{IncidentEvent, What};
use clawmend_core::time::{Moment, Wall};
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};
use serde::de::DeserializeOwned;
use std::fmt;
use std::str::FromStr;

/// Most incidents in one page.
pub const MAX_PAGE: u32 = 200;
/// Most events of one incident that are read.
const MAX_EVENTS: u32 = 10_000;

/// Which incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this gateway.
    pub gateway: Option<GatewayId>,
    /// Only open ones.
    pub open_only: bool,
}

/// A place in the list of incidents, newest first. Opaque to people: `Display` and `FromStr` are each other's
/// inverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    opened_at: i64,
    id: i64,
    gateway: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.opened_at, self.id, self.gateway)
    }
}

/// The text is no cursor.
#[derive(Debug, thiserror::Error)]
#[error("this is no position in the list of incidents; use the value of `next` from an earlier answer")]
pub struct BadCursor;

impl FromStr for Cursor {
    type Err = BadCursor;
    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let mut parts = text.splitn(3, ':');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or(BadCursor);
        let (opened_at, id) = (number()?, number()?);
        let gateway = parts.next().ok_or(BadCursor)?.to_owned();
        Ok(Self { opened_at, id, gateway })
    }
}

/// One page of incidents.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Newest first, each with the events that are actions or their results.
    pub incidents: Vec<(IncidentRecord, Vec<IncidentEvent>)>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

const COLUMNS: &str = "gateway, id, opened_at, opened_mono, closed_at, onset_at, onset_uncertainty_ms, cause_code,
    cause_detail, detected_after_ms, start_issued_after_ms, serving_after_ms, outcome";

/// A page of incidents, newest first.
pub fn incidents(c: &Connection, filter: &Filter, limit: u32, after: Option<&Cursor>) -> rusqlite::Result<Page> {
    let limit = limit.clamp(1, MAX_PAGE);
    let mut statement = c.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM incidents WHERE (?1 IS NULL OR gateway = ?1) AND (?2 = 0 OR closed_at IS NULL)
         AND (?3 IS NULL OR (opened_at, id, gateway) < (?3, ?4, ?5))
         ORDER BY opened_at DESC, id DESC, gateway DESC LIMIT ?6"
    ))?;
    let gateway = filter.gateway.as_ref().map(|g| g.0.as_str());
    let (at, id, name) = after
        .map(|c| (c.opened_at, c.id, c.gateway.as_str()))
        .map_or((None, None, None), |(a, i, g)| (Some(a), Some(i), Some(g)));
    let mut records = statement
        .query_map(params![gateway, filter.open_only, at, id, name, limit + 1], record_of)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let more = records.len() > limit as usize;
    records.truncate(limit as usize);
    let next = if more { records.last().map(cursor_of) } else { None };
    let with_actions = |record: IncidentRecord| {
        let events = events(c, &record.gateway, record.id, true)?;
        Ok((record, events))
    };
    Ok(Page { incidents: records.into_iter().map(with_actions).collect::<rusqlite::Result<_>>()?, next })
}

/// All incidents of this name, one per gateway that has it, with all their events.
pub fn incident(
    c: &Connection,
    gateway: Option<&GatewayId>,
    id: IncidentId,
) -> rusqlite::Result<Vec<(IncidentRecord, Vec<IncidentEvent>)>> {
    let mut statement = c.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM incidents WHERE id = ?1 AND (?2 IS NULL OR gateway = ?2) ORDER BY gateway LIMIT 64"
    ))?;
    let name = gateway.map(|g| g.0.as_str());
    let records = statement.query_map(params![signed(id.0), name], record_of)?.collect::<rusqlite::Result<Vec<_>>>()?;
    records
        .into_iter()
        .map(|record| {
            let events = events(c, &record.gateway, record.id, false)?;
            Ok((record, events))
        })
        .collect()
}

/// The incidents of a gateway after this one, the oldest first; the newest of them when there are too many.
pub fn incidents_after(
    c: &Connection,
    gateway: &GatewayId,
    over: IncidentId,
) -> rusqlite::Result<Vec<(IncidentRecord, Vec<IncidentEvent>)>> {
    let mut statement = c.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM (SELECT * FROM incidents WHERE gateway = ?1 AND id > ?2 ORDER BY id DESC LIMIT ?3)
         ORDER BY id"
    ))?;
    let records = statement
        .query_map(params![gateway.0, signed(over.0), MAX_PAGE], record_of)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    records
        .into_iter()
        .map(|record| {
            let events = events(c, gateway, record.id, false)?;
            Ok((record, events))
        })
        .collect()
}

/// The newest incident of a gateway that ended with a life that serves.
pub fn last_recovery(c: &Connection, gateway: &GatewayId) -> rusqlite::Result<Option<IncidentRecord>> {
    c.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM incidents WHERE gateway = ?1 AND outcome IN ('recovered', 'self_recovered')
         ORDER BY opened_at DESC, id DESC LIMIT 1"
    ))?
    .query_row([&gateway.0], record_of)
    .optional()
}

pub(super) fn record(c: &Connection, gateway: &GatewayId, id: IncidentId) -> rusqlite::Result<Option<IncidentRecord>> {
    c.prepare_cached(&format!("SELECT {COLUMNS} FROM incidents WHERE gateway = ?1 AND id = ?2"))?
        .query_row(params![gateway.0, signed(id.0)], record_of)
        .optional()
}

fn events(c: &Connection, gateway: &GatewayId, id: IncidentId, actions: bool) -> rusqlite::Result<Vec<IncidentEvent>> {
    let mut statement = c.prepare_cached(
        "SELECT mono, wall, payload FROM incident_events WHERE gateway = ?1 AND incident = ?2
         AND (?3 = 0 OR kind IN ('acted', 'result')) ORDER BY seq LIMIT ?4",
    )?;
    let event = |row: &Row<'_>| {
        // An event of a kind that this program does not know is shown as what it is, rather than hidden.
        let payload: String = row.get(2)?;
        let what = serde_json::from_str(&payload).unwrap_or(What::Evidence { text: payload });
        Ok(IncidentEvent { incident: id, mono: Moment(unsigned(row.get(0)?)), wall: Wall(row.get(1)?), what })
    };
    statement.query_map(params![gateway.0, signed(id.0), actions, MAX_EVENTS], event)?.collect()
}

pub(super) fn standing(c: &Connection, gateway: &GatewayId) -> rusqlite::Result<Option<Mirror>> {
    c.query_row("SELECT revision, payload FROM standing WHERE gateway = ?1", [&gateway.0], |row| {
        Ok(Mirror { revision: unsigned(row.get(0)?), standing: parse(row, 1)? })
    })
    .optional()
}

pub(super) fn memory(c: &Connection, gateway: &GatewayId) -> rusqlite::Result<Option<String>> {
    c.query_row("SELECT payload FROM memory WHERE gateway = ?1", [&gateway.0], |row| row.get(0)).optional()
}

/// Actions that were on record and whose end was not, oldest first.
pub(super) fn intents(c: &Connection, gateway: &GatewayId) -> rusqlite::Result<Vec<(Wall, Directive)>> {
    let mut statement =
        c.prepare_cached("SELECT at, payload FROM intents WHERE gateway = ?1 AND settled = 0 ORDER BY seq LIMIT 1000")?;
    statement.query_map([&gateway.0], |row| Ok((Wall(row.get(0)?), parse(row, 1)?)))?.collect()
}

/// Gateways that were ever guarded with this store, by name.
pub fn gateways(c: &Connection) -> rusqlite::Result<Vec<Introduction>> {
    let mut statement =
        c.prepare_cached("SELECT id, state_dir, url, control, seen_at FROM gateways ORDER BY id LIMIT 1024")?;
    let introduction = |row: &Row<'_>| {
        Ok(Introduction {
            gateway: GatewayId(row.get(0)?),
            state_dir: row.get(1)?,
            url: row.get(2)?,
            control: named(row, 3)?,
            at: Wall(row.get(4)?),
        })
    };
    statement.query_map([], introduction)?.collect()
}

fn record_of(row: &Row<'_>) -> rusqlite::Result<IncidentRecord> {
    let after = |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(unsigned));
    let cause = match (row.get::<_, Option<String>>(7)?, row.get::<_, Option<String>>(8)?) {
        (Some(code), detail) => Some((code, detail.unwrap_or_default())),
        (None, _) => None,
    };
    Ok(IncidentRecord {
        gateway: GatewayId(row.get(0)?),
        id: IncidentId(unsigned(row.get(1)?)),
        opened_at: Wall(row.get(2)?),
        opened_mono: Moment(unsigned(row.get(3)?)),
        closed_at: row.get::<_, Option<i64>>(4)?.map(Wall),
        onset_at: Wall(row.get(5)?),
        onset_uncertainty_ms: unsigned(row.get(6)?),
        cause,
        detected_after_ms: after(9)?,
        start_issued_after_ms: after(10)?,
        serving_after_ms: after(11)?,
        outcome: row.get::<_, Option<String>>(12)?.map(|_| named(row, 12)).transpose()?,
    })
}

fn cursor_of(record: &IncidentRecord) -> Cursor {
    Cursor { opened_at: record.opened_at.0, id: signed(record.id.0), gateway: record.gateway.0.clone() }
}

fn parse<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    serde_json::from_str(&text).map_err(|e| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(e)))
}

fn named<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let name: String = row.get(index)?;
    serde_json::from_value(serde_json::Value::String(name))
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(e)))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
